/* Token buckets, one for each source of requests, in a table of fixed size.
 *
 * A bucket is one word of 64 bits: a part of the source's keyed hash (SipHash-2-4, so that no
 * client can aim at the bucket of another), and the time at which the bucket will be full again,
 * which is all that a token bucket needs to know. Eight buckets share a cache line; a source is
 * looked for in the one line that its hash names, and if it is not there takes the place of the
 * bucket that is full again or will be soonest. So the busiest sources are forgotten last, and
 * forgetting a full bucket loses nothing.
 *
 * One table serves all workers. The kernel spreads the ports of a source over them, so tables of
 * their own would give a source with many ports a budget from each; and the words are changed by
 * compare-and-exchange, without a lock, which costs nothing much until one source keeps several
 * workers busy at once. */
#ifndef NTS_LIMIT_SOURCE_BUDGET_H
#define NTS_LIMIT_SOURCE_BUDGET_H

#include "limit/ip_prefix.h"

#include <stdatomic.h>

#define SOURCE_BUDGET_WAYS    8
#define SOURCE_BUDGET_SETS    16384 /* a power of two; 1 MiB in all, touched as it is used */
#define SOURCE_BUDGET_KEY_LEN 16

#define SOURCE_BUDGET_MAX_RATE  100000
#define SOURCE_BUDGET_MAX_BURST 100000

struct source_budget {
    uint64_t key[2];
    int64_t start_ns;
    _Atomic uint64_t *buckets; /* SETS x WAYS */
};

/* How much a source may ask for: `rate` a second (1 to SOURCE_BUDGET_MAX_RATE), and up to `burst`
 * (1 to SOURCE_BUDGET_MAX_BURST) at once when it was silent before. */
struct budget_terms {
    int64_t rate;
    int64_t burst;
};

/* source_budget_open makes an empty table: all buckets are full. `key` is random and secret,
 * `now_ns` monotonic. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status source_budget_open(struct source_budget *budget,
                                                  const uint8_t key[SOURCE_BUDGET_KEY_LEN],
                                                  int64_t now_ns);

/* source_budget_take takes one token from the bucket of `source`, an address cut to the length that
 * counts as one source. False, and nothing is taken, if there is none. Any thread; takes no lock.
 */
bool source_budget_take(struct source_budget *budget, const struct budget_terms *terms,
                        struct ip_bits source, int64_t now_ns);

void source_budget_close(struct source_budget *budget);

#endif

/* What share of the requests is of which kind. Pure; never allocates. */
#ifndef NTS_LOAD_MIX_H
#define NTS_LOAD_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* kind, name, whether the server owes an answer */
#define REQUEST_KIND_TABLE(X)                                                                      \
    X(GOOD, "good", true) /* nothing wrong with it */                                              \
    X(BAD_COOKIE, "bad-cookie",                                                                    \
      true) /* NTS: a cookie that no key opens, to be answered by a NAK */                         \
    X(PLACEHOLDERS, "placeholders", true) /* NTS: seven of them, to get eight cookies back */      \
    X(GARBAGE, "garbage", false)          /* random octets, to be dropped */

enum request_kind {
#define REQUEST_KIND_ENUM(name, label, is_owed) REQUEST_##name,
    REQUEST_KIND_TABLE(REQUEST_KIND_ENUM)
#undef REQUEST_KIND_ENUM
        NUM_REQUEST_KINDS
};

/* request_kind_name returns the name that mix_parse reads. */
const char *request_kind_name(enum request_kind kind);

/* request_is_answered tells whether a server answers such a request. */
bool request_is_answered(enum request_kind kind);

#define MIX_MAX_WEIGHT 1000000

struct mix {
    uint32_t weights[NUM_REQUEST_KINDS]; /* not all zero */
    int64_t credits[NUM_REQUEST_KINDS];  /* of mix_next; zero at the start */
};

/* mix_only returns the mix that is all of one kind. */
struct mix mix_only(enum request_kind kind);

/* mix_parse reads "good=90,bad-cookie=10": whole weights of any sum, each kind once at most. False
 * if it is anything else, or if every weight is zero. */
bool mix_parse(struct mix *mix, const char *text);

/* mix_next returns the kind of the next request: each kind as often as its weight says, spread as
 * evenly as can be. */
enum request_kind mix_next(struct mix *mix);

/* mix_has tells whether a kind comes at all. */
bool mix_has(const struct mix *mix, enum request_kind kind);

#endif

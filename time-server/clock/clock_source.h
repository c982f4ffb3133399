/* Where the server learns how good the clock of its host is: an NTP server that is asked every
 * second, the kernel's clock discipline, or the configuration. It only ever reads the clock.
 * Control thread only. */
#ifndef NTS_TIME_CLOCK_SOURCE_H
#define NTS_TIME_CLOCK_SOURCE_H

#include "time-server/clock/clock_state.h"
#include "time-server/clock/clock_upstream.h"
#include "time-server/config/time_config.h"

struct clock_source {
    struct clock_config config;     /* but for its texts, which are read when it is opened */
    struct clock_status status;     /* the newest */
    struct clock_upstream upstream; /* CLOCK_UPSTREAM only */
};

/* clock_source_open prepares the source; clock_source_close is due in any case. A server whose name
 * does not resolve, or that is not reachable yet, is tried again while the clock is not fit.
 * NTS_ERR_CONFIG, or NTS_ERR_SYSTEM if the server's address can never be asked. */
NTS_MUST_CHECK enum nts_status clock_source_open(struct clock_source *source,
                                                 const struct clock_config *config,
                                                 struct error *error);
void clock_source_close(struct clock_source *source);

/* clock_source_change opens another source in its place, which stands by what was known of the
 * clock until it knows better. On error, as from clock_source_open, the source is what it was. */
NTS_MUST_CHECK enum nts_status clock_source_change(struct clock_source *source,
                                                   const struct clock_config *config,
                                                   struct error *error);

/* clock_source_renew looks an upstream server up and connects to it anew: its address, or the
 * host's, may have changed. */
void clock_source_renew(struct clock_source *source);

/* clock_source_tick is called once a second: reads what can be read at once, and asks. */
void clock_source_tick(struct clock_source *source);

#define CLOCK_SOURCE_FDS 2

/* clock_source_list_fds lists the descriptors that are readable when there is something to receive,
 * -1 for none. */
void clock_source_list_fds(const struct clock_source *source, int fds[CLOCK_SOURCE_FDS]);

/* clock_source_wait waits until one of them is readable, or for `wait_ns`; false then. */
bool clock_source_wait(const struct clock_source *source, int64_t wait_ns);

/* clock_source_receive takes the answers in. */
void clock_source_receive(struct clock_source *source);

/* clock_source_is_asking tells whether a request has no answer yet, clock_source_is_resolving
 * whether the look-up of a name has none. */
bool clock_source_is_asking(const struct clock_source *source);
bool clock_source_is_resolving(const struct clock_source *source);

/* clock_source_name_trouble returns why the server has no address yet; NULL if it has one, or is
 * still being looked up for the first time. */
const char *clock_source_name_trouble(const struct clock_source *source);

/* clock_source_await_fit asks until the clock is fit, for at most `patience_ns`: a few times in
 * quick succession, then once a second. Blocks. Returns NULL, or why the clock is not fit. */
const char *clock_source_await_fit(struct clock_source *source, const struct clock_limits *limits,
                                   int64_t patience_ns);

#endif

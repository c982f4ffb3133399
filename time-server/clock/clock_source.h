/* Where the server learns how good the clock of its host is: an NTP server that is asked every
 * second, the kernel's clock discipline, or the configuration. It only ever reads the clock.
 * Control thread only. */
#ifndef NTS_TIME_CLOCK_SOURCE_H
#define NTS_TIME_CLOCK_SOURCE_H

#include "base/address.h"
#include "time-server/clock/clock_state.h"
#include "time-server/config/time_config.h"

struct clock_source {
    struct clock_config config; /* but for its texts, which are looked at when it is opened */
    struct clock_status status; /* the newest */
    uint32_t reference_id;      /* configured, or derived from the upstream server's address */
    int fd;                     /* upstream only, else -1 */
    union net_address server;
    uint64_t asked_transmit_time; /* of the open question; 0: none */
    int64_t asked_at_ns;
};

/* clock_source_open prepares the source. NTS_ERR_SYSTEM if the server's name does not resolve or
 * there is no socket. */
NTS_MUST_CHECK enum nts_status clock_source_open(struct clock_source *source,
                                                 const struct clock_config *config,
                                                 struct error *error);
void clock_source_close(struct clock_source *source);

/* clock_source_change opens another source in its place, which stands by what was known of the
 * clock until it knows better. On error, as from clock_source_open, the source is what it was. */
NTS_MUST_CHECK enum nts_status clock_source_change(struct clock_source *source,
                                                   const struct clock_config *config,
                                                   struct error *error);

/* clock_source_tick is called once a second: reads what can be read at once, and asks. */
void clock_source_tick(struct clock_source *source);

/* clock_source_fd returns the descriptor that is readable when an answer has come, or -1. */
int clock_source_fd(const struct clock_source *source);

/* clock_source_receive takes the answers in. */
void clock_source_receive(struct clock_source *source);

#endif

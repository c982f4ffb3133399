/* What the server says about its clock, and whether it may say so. The control thread posts it, the
 * workers read a consistent copy once per batch without a lock. Pure: learning it is the business
 * of clock_source. */
#ifndef NTS_TIME_CLOCK_STATE_H
#define NTS_TIME_CLOCK_STATE_H

#include "wire/ntp_packet.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Dispersion grows by 15 ppm while nothing new is heard (RFC 5905, appendix A.1.1: PHI). */
#define CLOCK_DRIFT_PPM 15

struct clock_status {
    int64_t updated_at_ns; /* CLOCK_REALTIME when this was learnt; 0: never */
    int64_t reference_ns;  /* when the clock was last set or corrected */
    int64_t root_delay_ns;
    int64_t root_dispersion_ns; /* at updated_at_ns */
    int64_t offset_ns;          /* of the source's clock to ours, where one was measured */
    const char *trouble;        /* why the source does not vouch for the clock, static text */
    uint32_t reference_id;
    uint8_t leap;
    uint8_t stratum;
    int8_t precision; /* log2 seconds */
    bool is_usable;   /* the source vouches for the clock */
};

/* How bad a clock may get before it is not fit to be served. */
struct clock_limits {
    int64_t max_root_distance_ns;
    int64_t holdover_ns; /* how long after its last update a status holds */
};

/* clock_root_dispersion_ns returns the dispersion at `now_ns`, grown since the update. */
int64_t clock_root_dispersion_ns(const struct clock_status *status, int64_t now_ns);

/* clock_is_fit tells whether good time may be claimed at `now_ns`: the source vouches for it, was
 * heard recently enough, and root_delay / 2 + root_dispersion (RFC 5905, section 11.2) is within
 * the limit. */
bool clock_is_fit(const struct clock_status *status, const struct clock_limits *limits,
                  int64_t now_ns);

/* clock_trouble returns why the clock is not fit at `now_ns`, for people; NULL if it is. */
const char *clock_trouble(const struct clock_status *status, const struct clock_limits *limits,
                          int64_t now_ns);

/* clock_precision measures the precision of CLOCK_REALTIME as log2 seconds (RFC 5905, section
 * 7.3). */
int8_t clock_precision(void);

#define CLOCK_BOARD_WORDS ((sizeof(struct clock_status) + 7) / 8)

/* One writer, any number of readers: a sequence lock. Zero-initialised, it holds a zero status. */
struct clock_board {
    atomic_uint sequence; /* odd while a post is under way */
    _Atomic uint64_t words[CLOCK_BOARD_WORDS];
};

void clock_board_post(struct clock_board *board, const struct clock_status *status);
void clock_board_read(struct clock_board *board, struct clock_status *status);

#endif

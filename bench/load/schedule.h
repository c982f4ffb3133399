/* When the requests of an open loop are due: evenly spaced, whatever becomes of those before. A
 * request that leaves late keeps its time, so that waiting for a stalled server counts as latency
 * ("coordinated omission" is what leaving it out is called). Pure, header-only. */
#ifndef NTS_LOAD_SCHEDULE_H
#define NTS_LOAD_SCHEDULE_H

#include "base/clock_time.h"

#include <math.h>

struct schedule {
    int64_t start_ns;
    double interval_ns;
    uint64_t num_done;
};

static inline struct schedule schedule_start(int64_t start_ns, double rate)
{
    return (struct schedule){.start_ns = start_ns, .interval_ns = (double)NS_PER_S / rate};
}

/* schedule_next_ns returns when the next request is due. */
static inline int64_t schedule_next_ns(const struct schedule *schedule)
{
    return schedule->start_ns +
           (int64_t)llround((double)schedule->num_done * schedule->interval_ns);
}

static inline void schedule_advance(struct schedule *schedule)
{
    schedule->num_done++;
}

#endif

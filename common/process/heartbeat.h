/* Whether a worker still turns. It counts its turns; the control thread wakes it once a second, and
 * looks whether it has turned since. Costs the worker an ordinary load and store per turn. */
#ifndef NTS_PROCESS_HEARTBEAT_H
#define NTS_PROCESS_HEARTBEAT_H

#include "base/clock_time.h"
#include "base/counter.h"

#include <stdbool.h>

/* A worker that has not turned for this long, though woken, hangs. */
#define HEARTBEAT_PATIENCE_NS (5 * NS_PER_S)

struct heartbeat {
    counter turns;       /* by the worker */
    uint64_t seen_turns; /* by the control thread, as what follows */
    int64_t seen_at_ns;
};

/* heartbeat_turn says that the worker is at the start of another turn. Worker thread. */
static inline void heartbeat_turn(struct heartbeat *heartbeat)
{
    counter_add(&heartbeat->turns, 1);
}

/* heartbeat_look tells at `now_ns` (monotonic) whether the worker has turned within `patience_ns`.
 * Control thread, about once a second, with a wake-up of the worker in between. */
static inline bool heartbeat_look(struct heartbeat *heartbeat, int64_t now_ns, int64_t patience_ns)
{
    uint64_t turns = counter_read(&heartbeat->turns);
    if (turns != heartbeat->seen_turns || heartbeat->seen_at_ns == 0) {
        heartbeat->seen_turns = turns;
        heartbeat->seen_at_ns = now_ns;
    }
    return now_ns - heartbeat->seen_at_ns < patience_ns;
}

#endif

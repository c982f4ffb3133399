/* Tells the service manager that the server lives, as long as all of it does: the control thread,
 * because it is the one that speaks, and every worker, as the heartbeats say (worker_group_look).
 * If one hangs, nothing is said, and the manager does what it is configured to do (WatchdogSec=,
 * Restart=). Control thread. */
#ifndef NTS_PROCESS_WATCHDOG_H
#define NTS_PROCESS_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WATCHDOG_ALL_ALIVE SIZE_MAX

struct watchdog {
    int64_t interval_ns; /* 0: no manager watches */
    int64_t next_ns;
    bool is_withheld;
};

/* watchdog_open begins to speak in the service manager's interval. Does nothing if there is none.
 */
void watchdog_open(struct watchdog *watchdog);

/* watchdog_patience_ns returns how long a worker may take for a turn before it counts as hanging:
 * HEARTBEAT_PATIENCE_NS, or half the interval if that is shorter. */
int64_t watchdog_patience_ns(const struct watchdog *watchdog);

/* watchdog_tick is called once a second, and speaks about twice in an interval. `stuck` is the
 * number of a worker that hangs, or WATCHDOG_ALL_ALIVE. */
void watchdog_tick(struct watchdog *watchdog, size_t stuck, int64_t now_ns);

#endif

/* Tells the service manager that the server lives, as long as all of it does: the control thread,
 * because it is the one that speaks, and every worker, because each is woken and must have turned
 * its loop since it was woken last, traffic or not. If one hangs, nothing is said, and the manager
 * does what it was told to do (WatchdogSec=, Restart=). Control thread. */
#ifndef NTS_PROCESS_WATCHDOG_H
#define NTS_PROCESS_WATCHDOG_H

#include "base/counter.h"

#include <stdbool.h>

struct watched_worker {
    const counter *turns; /* the worker adds one for each turn of its loop */
    int wake_fd;          /* an eventfd that makes it turn */
    uint64_t seen_turns;
};

struct watchdog {
    int64_t interval_ns; /* 0: nobody watches */
    int64_t next_ns;
    struct watched_worker *workers;
    size_t num_workers;
    bool is_withheld;
};

/* watchdog_open begins to watch what watchdog_add adds, for the service manager's interval. Does
 * nothing if there is none. */
void watchdog_open(struct watchdog *watchdog);

/* watchdog_add adds a worker that runs. False if there is no memory. */
bool watchdog_add(struct watchdog *watchdog, const counter *turns, int wake_fd);

/* watchdog_tick is called once a second, and speaks about twice in an interval. */
void watchdog_tick(struct watchdog *watchdog, int64_t now_ns);

void watchdog_close(struct watchdog *watchdog);

#endif

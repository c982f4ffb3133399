#include "process/watchdog.h"

#include "base/clock_time.h"
#include "log/log.h"
#include "process/service_manager.h"

#include <stdlib.h>
#include <unistd.h>

#define TICK_NS NS_PER_S /* how often watchdog_tick is called */

void watchdog_open(struct watchdog *watchdog)
{
    *watchdog = (struct watchdog){.interval_ns = service_manager_watchdog_ns()};
    if (watchdog->interval_ns > 0 && watchdog->interval_ns <= 2 * TICK_NS) {
        log_warning("watchdog.short", "interval_ms=%lld expected=\"more than 2000\"",
                    (long long)(watchdog->interval_ns / NS_PER_MS));
    }
}

void watchdog_close(struct watchdog *watchdog)
{
    free(watchdog->workers);
    *watchdog = (struct watchdog){0};
}

static void wake(struct watched_worker *worker)
{
    uint64_t one = 1;
    worker->seen_turns = counter_read(worker->turns);
    if (write(worker->wake_fd, &one, sizeof(one)) < 0) {
        return; /* the counter is full: a wake-up is pending already */
    }
}

bool watchdog_add(struct watchdog *watchdog, const counter *turns, int wake_fd)
{
    if (watchdog->interval_ns == 0) {
        return true;
    }
    struct watched_worker *workers =
        realloc(watchdog->workers, (watchdog->num_workers + 1) * sizeof(*workers));
    if (workers == NULL) {
        return false;
    }
    watchdog->workers = workers;
    workers[watchdog->num_workers] = (struct watched_worker){.turns = turns, .wake_fd = wake_fd};
    wake(&workers[watchdog->num_workers++]);
    return true;
}

/* Wakes those that have turned since they were woken last, and returns the first that has not;
 * num_workers if there is none. */
static size_t find_stuck(struct watchdog *watchdog)
{
    size_t stuck = watchdog->num_workers;
    for (size_t i = watchdog->num_workers; i-- > 0;) {
        struct watched_worker *worker = &watchdog->workers[i];
        if (counter_read(worker->turns) == worker->seen_turns) {
            stuck = i;
        } else {
            wake(worker);
        }
    }
    return stuck;
}

void watchdog_tick(struct watchdog *watchdog, int64_t now_ns)
{
    if (watchdog->interval_ns == 0 || now_ns < watchdog->next_ns) {
        return;
    }
    size_t stuck = find_stuck(watchdog);
    if (stuck < watchdog->num_workers) {
        if (!watchdog->is_withheld) {
            log_error("watchdog.withheld", "worker=%zu reason=\"it does not turn its loop\"",
                      stuck);
        }
        watchdog->is_withheld = true;
        return; /* asked again with the next tick */
    }
    if (watchdog->is_withheld) {
        log_info("watchdog.resumed", "reason=\"all workers turn\"");
    }
    watchdog->is_withheld = false;
    service_manager_alive();
    /* The next tick that is not later than half the interval from now. */
    int64_t wait_ns = watchdog->interval_ns / 2 - TICK_NS;
    watchdog->next_ns = now_ns + (wait_ns > 0 ? wait_ns : 0);
}

#include "process/watchdog.h"

#include "base/clock_time.h"
#include "log/log.h"
#include "process/heartbeat.h"
#include "process/service_manager.h"

#define TICK_NS NS_PER_S /* how often watchdog_tick is called */

void watchdog_open(struct watchdog *watchdog)
{
    *watchdog = (struct watchdog){.interval_ns = service_manager_watchdog_ns()};
    if (watchdog->interval_ns > 0 && watchdog->interval_ns <= 2 * TICK_NS) {
        log_warning("watchdog.short", "interval_ms=%lld expected=\"more than 2000\"",
                    (long long)(watchdog->interval_ns / NS_PER_MS));
    }
}

int64_t watchdog_patience_ns(const struct watchdog *watchdog)
{
    return watchdog->interval_ns > 0 && watchdog->interval_ns < 2 * HEARTBEAT_PATIENCE_NS
               ? watchdog->interval_ns / 2
               : HEARTBEAT_PATIENCE_NS;
}

void watchdog_tick(struct watchdog *watchdog, size_t stuck, int64_t now_ns)
{
    if (watchdog->interval_ns == 0 || now_ns < watchdog->next_ns) {
        return;
    }
    if (stuck != WATCHDOG_ALL_ALIVE) {
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

/* Warnings that are repeated while their cause lasts. */
#ifndef NTS_LOG_REMINDER_H
#define NTS_LOG_REMINDER_H

#include <stdbool.h>
#include <stdint.h>

/* reminder_is_due returns true when a warning should be given now: its cause is there, and it was
 * not given yet, or `again_s` ago. `*said_s` keeps when that was, 0 for not yet. */
static inline bool reminder_is_due(int64_t *said_s, bool has_cause, int64_t now_s, int64_t again_s)
{
    if (!has_cause) {
        *said_s = 0;
        return false;
    }
    if (*said_s != 0 && now_s >= *said_s && now_s - *said_s < again_s) {
        return false;
    }
    *said_s = now_s;
    return true;
}

#endif

/* What nts-time-server makes of its configuration, and a reload can change, as one immutable
 * snapshot with the configuration itself. */
#ifndef NTS_TIME_SETTINGS_H
#define NTS_TIME_SETTINGS_H

#include "service/live_state.h"
#include "time-server/clock/clock_state.h"
#include "time-server/config/time_config.h"

struct time_settings {
    struct host_settings host; /* first member */
    struct time_config config;
    struct clock_limits clock_limits;
};

/* How they are made of a file: host_settings_load(&time_settings_type, ...). */
extern const struct settings_type time_settings_type;

/* time_settings_of returns the settings that begin with `host`. */
static inline const struct time_settings *time_settings_of(const struct host_settings *host)
{
    return (const struct time_settings *)host;
}

#endif

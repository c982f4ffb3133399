#include "time-server/config/time_settings.h"

#include "base/clock_time.h"

static enum nts_status fill(struct host_settings *host, struct error *error)
{
    struct time_settings *settings = (struct time_settings *)host;
    const struct clock_config *clock = &settings->config.clock;
    (void)error;
    settings->clock_limits = (struct clock_limits){clock->max_root_distance_ms * NS_PER_MS,
                                                   clock->holdover_s * NS_PER_S};
    return NTS_OK;
}

const struct settings_type time_settings_type = {
    .options = &time_config_table,
    .size = sizeof(struct time_settings),
    .config_offset = offsetof(struct time_settings, config),
    .options_offset = offsetof(struct time_config, host),
    .fill = fill,
};

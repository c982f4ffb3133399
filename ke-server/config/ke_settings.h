/* What nts-ke-server makes of its configuration, and a reload can change: the policy and the time
 * servers, as one immutable snapshot with the configuration itself. */
#ifndef NTS_KE_SETTINGS_H
#define NTS_KE_SETTINGS_H

#include "ke-server/config/ke_config.h"
#include "ke-server/protocol/negotiate.h"
#include "ke-server/protocol/time_servers.h"
#include "service/live_state.h"

struct ke_settings {
    struct host_settings host; /* first member */
    struct ke_config config;
    struct ke_policy policy; /* what the operator allows */
    struct time_servers time_servers;
};

/* How they are made of a file: host_settings_load(&ke_settings_type, ...). */
extern const struct settings_type ke_settings_type;

/* ke_settings_of returns the settings that begin with `host`. */
static inline struct ke_settings *ke_settings_of(const struct host_settings *host)
{
    return (struct ke_settings *)host;
}

#endif

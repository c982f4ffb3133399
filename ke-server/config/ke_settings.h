/* What the configuration says and a reload can change, as one immutable snapshot that the workers
 * share: the configuration, the policy and the time servers. */
#ifndef NTS_KE_SETTINGS_H
#define NTS_KE_SETTINGS_H

#include "base/snapshot.h"
#include "ke-server/config/ke_config.h"
#include "ke-server/protocol/negotiate.h"
#include "ke-server/protocol/time_servers.h"
#include "limit/source_policy.h"

struct ke_settings {
    struct snapshot snapshot; /* first member */
    struct ke_config config;
    struct config_memory config_memory;
    struct ke_policy policy; /* what the operator allows */
    struct time_servers time_servers;
    struct source_policy sources;
};

/* ke_settings_load reads the file at `path`, but nothing that it points to. `*settings` gets one
 * reference for the caller. Errors as from config_load. */
NTS_MUST_CHECK enum nts_status ke_settings_load(struct ke_settings **settings, const char *path,
                                                struct error *error);

#endif

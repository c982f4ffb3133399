#include "service/source_check.h"

#include "limit/source_policy.h"

void source_check(struct preflight *preflight, const struct source_options *options,
                  const char *config_path)
{
    struct source_policy policy;
    struct error error;
    if (source_policy_open(&policy, options, &error) != NTS_OK) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CONFIG, "%s: %s", config_path,
                       error.text);
        return;
    }
    source_policy_close(&policy);
}

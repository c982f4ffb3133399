#include "ke-server/config/ke_settings.h"

#include <stdlib.h>

static void settings_destroy(struct snapshot *snapshot)
{
    struct ke_settings *settings = (struct ke_settings *)snapshot;
    source_policy_close(&settings->sources);
    free((void *)settings->time_servers.list);
    free(settings->time_servers.reach);
    config_free(&settings->config_memory);
    free(settings);
}

static void fill_policy(struct ke_policy *policy, const struct ke_config *config)
{
    const int64_t *ids = config->aead.items;
    *policy = (struct ke_policy){.order = (enum ke_aead_order)config->aead_order};
    for (size_t i = 0; i < config->aead.num; i++) {
        policy->aeads[policy->num_aeads++] = aead_find((uint16_t)ids[i]);
    }
}

/* The names stay where the configuration has them. */
static enum nts_status fill_time_servers(struct time_servers *servers,
                                         const struct ke_config *config)
{
    const struct ke_config_time_server *items = config->time_servers.items;
    struct time_server *list = calloc(config->time_servers.num + 1, sizeof(*list));
    time_server_reach *reach = calloc(config->time_servers.num + 1, sizeof(*reach));
    *servers = (struct time_servers){list, reach, config->time_servers.num};
    if (list == NULL || reach == NULL) {
        return NTS_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < config->time_servers.num; i++) {
        list[i] = (struct time_server){.name = items[i].name,
                                       .port = (uint16_t)items[i].port,
                                       .weight = (uint32_t)items[i].weight,
                                       .family = ke_config_family_of(&items[i])};
        reach[i] = time_server_reach_of(list[i].family);
    }
    return NTS_OK;
}

enum nts_status ke_settings_load(struct ke_settings **out, const char *path, struct error *error)
{
    struct ke_settings *settings = calloc(1, sizeof(*settings));
    if (settings == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    }
    snapshot_init(&settings->snapshot, settings_destroy);
    enum nts_status status =
        config_load(&settings->config, &settings->config_memory, &ke_config_table, path, error);
    if (status != NTS_OK) {
        goto fail;
    }
    const struct ke_config *config = &settings->config;
    status = source_policy_open(&settings->sources, &config->sources, error);
    if (status != NTS_OK) {
        error_prefix(error, path);
        goto fail;
    }
    fill_policy(&settings->policy, config);
    status = fill_time_servers(&settings->time_servers, config);
    if (status != NTS_OK) {
        error_set(error, status, "%s: out of memory", path);
        goto fail;
    }
    *out = settings;
    return NTS_OK;

fail:
    snapshot_unref(&settings->snapshot);
    return status;
}

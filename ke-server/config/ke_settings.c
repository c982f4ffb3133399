#include "ke-server/config/ke_settings.h"

#include <stdlib.h>

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

static enum nts_status fill(struct host_settings *host, struct error *error)
{
    struct ke_settings *settings = ke_settings_of(host);
    fill_policy(&settings->policy, &settings->config);
    return fill_time_servers(&settings->time_servers, &settings->config) == NTS_OK
               ? NTS_OK
               : error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
}

static void clear(struct host_settings *host)
{
    struct ke_settings *settings = ke_settings_of(host);
    free((void *)settings->time_servers.list);
    free(settings->time_servers.reach);
}

const struct settings_type ke_settings_type = {
    .options = &ke_config_table,
    .size = sizeof(struct ke_settings),
    .config_offset = offsetof(struct ke_settings, config),
    .options_offset = offsetof(struct ke_config, host),
    .fill = fill,
    .clear = clear,
};

#include "service/live_state.h"

#include <stdlib.h>

static void settings_destroy(struct snapshot *snapshot)
{
    struct host_settings *settings = (struct host_settings *)snapshot;
    if (settings->clear != NULL) {
        settings->clear(settings);
    }
    source_policy_close(&settings->sources);
    config_free(&settings->config_memory);
    free(settings);
}

const void *host_settings_config(const struct host_settings *settings,
                                 const struct settings_type *type)
{
    return (const char *)settings + type->config_offset;
}

enum nts_status host_settings_load(struct host_settings **out, const struct settings_type *type,
                                   const char *path, struct error *error)
{
    struct host_settings *settings = calloc(1, type->size);
    if (settings == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    }
    snapshot_init(&settings->snapshot, settings_destroy);
    char *config = (char *)settings + type->config_offset;
    settings->options = (const struct host_options *)(config + type->options_offset);
    enum nts_status status =
        config_load(config, &settings->config_memory, type->options, path, error);
    if (status != NTS_OK) {
        snapshot_unref(&settings->snapshot);
        return status;
    }
    status = source_policy_open(&settings->sources, &settings->options->sources, error);
    if (status == NTS_OK && type->fill != NULL) {
        settings->clear = type->clear;
        status = type->fill(settings, error);
    }
    if (status != NTS_OK) {
        error_prefix(error, path);
        snapshot_unref(&settings->snapshot);
        return status;
    }
    *out = settings;
    return NTS_OK;
}

static void state_destroy(struct snapshot *snapshot)
{
    struct live_state *state = (struct live_state *)snapshot;
    snapshot_unref((struct snapshot *)&state->settings->snapshot);
    snapshot_unref((struct snapshot *)&state->keyring->snapshot);
    snapshot_unref((struct snapshot *)state->extra);
    free(state);
}

struct live_state *live_state_create(struct host_settings *settings, struct keyring *keyring,
                                     struct snapshot *extra)
{
    struct live_state *state = calloc(1, sizeof(*state));
    if (state == NULL) {
        return NULL;
    }
    snapshot_init(&state->snapshot, state_destroy);
    snapshot_ref(&settings->snapshot);
    snapshot_ref(&keyring->snapshot);
    if (extra != NULL) {
        snapshot_ref(extra);
    }
    state->settings = settings;
    state->keyring = keyring;
    state->extra = extra;
    return state;
}

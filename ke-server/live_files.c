#include "live_files.h"

#include "base/clock_time.h"
#include "runtime/log.h"

#include <inttypes.h>

/* Every layout of a master key can seal for the mandatory algorithm: no key for that, no key. */
static bool can_seal(const struct keyring *keyring)
{
    return keyring_sealing_key(keyring, aead_find(AEAD_AES_SIV_CMAC_256),
                               real_time_ns() / NS_PER_S) != NULL;
}

static void log_certificate(const struct ke_settings *settings)
{
    log_info("certificate.loaded", "file=\"%s\" expires_in_days=%" PRId64,
             settings->config.certificate, tls_context_time_left_s(settings->tls) / 86400);
}

/* Generations and key ids are no secrets: every cookie carries its id. */
static void log_keyring(const struct keyring *keyring)
{
    const struct master_key *key = keyring_active_key(keyring, real_time_ns() / NS_PER_S);
    if (key == NULL) {
        log_info("keyring.loaded", "generation=%" PRIu64 " keys=%zu active=none",
                 keyring->generation, keyring->num_keys);
        return;
    }
    log_info("keyring.loaded", "generation=%" PRIu64 " keys=%zu active=%08" PRIx32 " layout=%s",
             keyring->generation, keyring->num_keys, key->id, key_layout_name(key->layout));
}

enum nts_status live_files_load(struct live_files *files, const char *config_path,
                                struct error *error)
{
    *files = (struct live_files){.config_path = config_path};
    enum nts_status status = ke_settings_load(&files->settings, config_path, error);
    if (status != NTS_OK) {
        return status;
    }
    files->initial = files->settings;
    snapshot_ref(&files->initial->snapshot);
    const struct ke_config *config = &files->initial->config;
    log_set_level((enum log_level)config->log_level);
    log_certificate(files->settings);

    status = keyring_watch_open(&files->watch, config->keyring, error);
    if (status != NTS_OK) {
        files->watch.path = NULL;
        return status;
    }
    status = keyring_watch_load(&files->watch, &files->keyring, error);
    if (status != NTS_OK) {
        return status;
    }
    log_keyring(files->keyring);
    files->can_seal = can_seal(files->keyring);
    if (!files->can_seal) {
        return error_set(error, NTS_ERR_NO_SEALING_KEY,
                         "%s: no key is active: each has expired or is yet to be activated",
                         config->keyring);
    }
    return NTS_OK;
}

void live_files_close(struct live_files *files)
{
    if (files->watch.path != NULL) {
        keyring_watch_close(&files->watch);
    }
    if (files->keyring != NULL) {
        snapshot_unref(&files->keyring->snapshot);
    }
    if (files->settings != NULL) {
        snapshot_unref(&files->settings->snapshot);
        snapshot_unref(&files->initial->snapshot);
    }
}

bool live_files_reload_settings(struct live_files *files)
{
    struct error error;
    struct ke_settings *fresh;
    if (ke_settings_load(&fresh, files->config_path, &error) != NTS_OK) {
        log_error("config.refused", "kept=true reason=\"%s\"", error.text);
        return false;
    }
    const char *name =
        config_needs_restart(&ke_config_table, &files->initial->config, &fresh->config);
    if (name != NULL) {
        log_warning("config.needs_restart", "option=%s", name);
    }
    snapshot_unref(&files->settings->snapshot);
    files->settings = fresh;
    log_set_level((enum log_level)fresh->config.log_level);
    return true;
}

void live_files_log_settings(const struct live_files *files)
{
    log_info("config.reloaded", "file=\"%s\"", files->config_path);
    log_certificate(files->settings);
}

void live_files_log_keyring(const struct live_files *files)
{
    log_keyring(files->keyring);
}

bool live_files_reload_keyring(struct live_files *files)
{
    struct error error;
    struct keyring *fresh;
    if (keyring_watch_load(&files->watch, &fresh, &error) != NTS_OK) {
        log_error("keyring.refused", "kept_generation=%" PRIu64 " reason=\"%s\"",
                  files->keyring->generation, error.text);
        return false;
    }
    snapshot_unref(&files->keyring->snapshot);
    files->keyring = fresh;
    return true;
}

void live_files_watch_sealing(struct live_files *files)
{
    bool can_seal_now = can_seal(files->keyring);
    if (files->can_seal && !can_seal_now) {
        log_error("keyring.no_active_key", "file=\"%s\" clients_get=\"error 2\"",
                  files->watch.path);
    } else if (!files->can_seal && can_seal_now) {
        log_info("keyring.active_key", "file=\"%s\"", files->watch.path);
    }
    files->can_seal = can_seal_now;
}

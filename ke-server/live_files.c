#include "live_files.h"

#include "base/clock_time.h"
#include "runtime/log.h"

#include <inttypes.h>

static void log_certificate(const struct ke_settings *settings)
{
    log_info("certificate.loaded", "file=\"%s\" expires_in_days=%" PRId64,
             settings->config.certificate, tls_context_time_left_s(settings->tls) / 86400);
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
    log_set_format((enum log_format)config->log_format);
    log_certificate(files->settings);

    status = keyring_service_open(&files->keyring, &config->keyring,
                                  "clients get Error 2 and no cookies", error);
    if (status != NTS_OK) {
        return status;
    }
    keyring_service_log_loaded(&files->keyring);
    /* Every layout of a master key can seal for the mandatory algorithm, so any will do. */
    if (keyring_active_key(files->keyring.ring, real_time_ns() / NS_PER_S) == NULL) {
        return error_set(
            error, NTS_ERR_NO_SEALING_KEY,
            "%s: no key is active: each has expired or is yet to be activated; nts-keys "
            "rotate adds one",
            config->keyring.path);
    }
    return NTS_OK;
}

void live_files_close(struct live_files *files)
{
    keyring_service_close(&files->keyring);
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
    log_set_format((enum log_format)fresh->config.log_format);
    return true;
}

void live_files_log_settings(const struct live_files *files)
{
    log_info("config.reloaded", "file=\"%s\"", files->config_path);
    log_certificate(files->settings);
}

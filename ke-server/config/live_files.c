#include "ke-server/config/live_files.h"

#include "base/clock_time.h"
#include "log/log.h"

static enum nts_status open_certificates(struct live_files *files, struct error *error)
{
    const struct certificate_files *list;
    size_t num;
    enum nts_status status =
        ke_config_certificates(&list, &num, &files->initial->config, files->config_path, error);
    if (status == NTS_OK) {
        status = certificate_service_open(&files->certificates, list, num, error);
    }
    if (status == NTS_OK) {
        certificate_service_log_loaded(&files->certificates);
        certificate_service_tick(&files->certificates);
    }
    return status;
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
    status = open_certificates(files, error);
    if (status != NTS_OK) {
        return status;
    }

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
    certificate_service_close(&files->certificates);
    if (files->settings != NULL) {
        snapshot_unref(&files->settings->snapshot);
        snapshot_unref(&files->initial->snapshot);
    }
}

/* All or nothing: a configuration counts only with the certificates that it names. */
static enum nts_status reload(struct live_files *files, struct ke_settings **fresh,
                              struct error *error)
{
    const struct certificate_files *list;
    size_t num;
    enum nts_status status = ke_settings_load(fresh, files->config_path, error);
    if (status != NTS_OK) {
        return status;
    }
    status = ke_config_certificates(&list, &num, &(*fresh)->config, files->config_path, error);
    if (status == NTS_OK) {
        status = certificate_service_reload(&files->certificates, list, num, error);
    }
    if (status != NTS_OK) {
        snapshot_unref(&(*fresh)->snapshot);
    }
    return status;
}

bool live_files_reload_settings(struct live_files *files)
{
    struct error error;
    struct ke_settings *fresh;
    if (reload(files, &fresh, &error) != NTS_OK) {
        log_error("config.refused", "kept=true reason=\"%s\"", error.text);
        return false;
    }
    config_log_needs_restart(&ke_config_table, &files->initial->config, &fresh->config);
    if (fresh->config.watch.interval_s > 0) {
        time_servers_inherit(&fresh->time_servers, &files->settings->time_servers);
    }
    snapshot_unref(&files->settings->snapshot);
    files->settings = fresh;
    log_set_level((enum log_level)fresh->config.log_level);
    log_set_format((enum log_format)fresh->config.log_format);
    return true;
}

void live_files_log_settings(struct live_files *files)
{
    log_info("config.reloaded", "file=\"%s\"", files->config_path);
    certificate_service_log_loaded(&files->certificates);
}

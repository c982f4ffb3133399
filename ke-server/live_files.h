/* The files that nts-ke-server lives on - configuration, certificate and key, keyring - as loaded
 * last: what fails to load again changes nothing and is logged with its reason. Control thread. */
#ifndef NTS_KE_LIVE_FILES_H
#define NTS_KE_LIVE_FILES_H

#include "ke_settings.h"
#include "service/keyring_service.h"

struct live_files {
    const char *config_path;
    struct ke_settings *settings; /* one reference */
    struct ke_settings *initial;  /* of the start: options that a reload cannot change */
    struct keyring_service keyring;
};

/* live_files_load reads everything for the first time; `config_path` must outlive the files. Needs
 * a master key that can seal now. On any error, which is NTS_ERR_NO_SEALING_KEY or as from
 * ke_settings_load and keyring_service_open, live_files_close frees the rest. */
NTS_MUST_CHECK enum nts_status live_files_load(struct live_files *files, const char *config_path,
                                               struct error *error);
void live_files_close(struct live_files *files);

/* live_files_reload_settings reads configuration, certificate and key again. True if `settings` is
 * a new one; else what was there stays. */
bool live_files_reload_settings(struct live_files *files);

/* live_files_log_settings logs what is in use: to be called when the workers have it, because who
 * reads such a line counts on it. */
void live_files_log_settings(const struct live_files *files);

#endif

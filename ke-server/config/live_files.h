/* The files that nts-ke-server lives on - configuration, certificates, keyring - as loaded
 * last: what fails to load again changes nothing and is logged with its reason. Control thread. */
#ifndef NTS_KE_LIVE_FILES_H
#define NTS_KE_LIVE_FILES_H

#include "ke-server/config/ke_settings.h"
#include "ke-server/tls/certificate_service.h"
#include "service/keyring_service.h"

struct live_files {
    const char *config_path;
    struct ke_settings *settings; /* one reference */
    struct ke_settings *initial;  /* of the start: options that a reload cannot change */
    struct certificate_service certificates;
    struct keyring_service keyring;
};

/* live_files_load reads everything for the first time; `config_path` must outlive the files, which
 * must not move. Needs a master key that can seal now. On any error, which is
 * NTS_ERR_NO_SEALING_KEY or as from ke_settings_load, ke_config_certificates,
 * certificate_service_open and keyring_service_open, live_files_close frees the rest. */
NTS_MUST_CHECK enum nts_status live_files_load(struct live_files *files, const char *config_path,
                                               struct error *error);
void live_files_close(struct live_files *files);

/* live_files_reload_settings reads configuration and certificates again. True if `settings` and
 * `certificates.contexts` are new ones; else what was there stays. */
bool live_files_reload_settings(struct live_files *files);

/* live_files_log_settings logs what is in use: to be called when the workers have it, because who
 * reads such a line counts on it. */
void live_files_log_settings(struct live_files *files);

#endif

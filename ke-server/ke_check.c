#include "ke-server/ke_check.h"

#include "base/clock_time.h"
#include "ke-server/ke_limits.h"
#include "ke-server/protocol/time_servers.h"
#include "ke-server/tls/tls_context.h"
#include "ke-server/watch/time_server_check.h"
#include "service/host_check.h"
#include "service/keyring_check.h"
#include "service/source_check.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define CERTIFICATE_NEAR_END_DAYS 14
#define S_PER_DAY                 86400

/* --- certificates: as certificate_service_open takes them, but all of them --- */

/* What is checked, and what of it could be loaded. */
struct checked {
    const struct certificate_files *files;
    size_t num;
    struct certificate *loaded[CERTIFICATES_MAX];
    size_t num_loaded;
};

static bool is_covered(const struct checked *checked, const char *name)
{
    union net_address address;
    bool is_address = time_server_family(name) != AF_UNSPEC && address_parse(&address, name, 0);
    for (size_t i = 0; i < checked->num_loaded; i++) {
        const struct certificate_identity *identity = &checked->loaded[i]->identity;
        if (is_address ? certificate_covers_address(identity, &address)
                       : certificate_covers_name(identity, name, strlen(name))) {
            return true;
        }
    }
    return false;
}

static void check_names(struct preflight *preflight, const struct ke_config *config,
                        const struct checked *checked)
{
    const char *const *names = config->server_names.items;
    for (size_t i = 0; i < config->server_names.num; i++) {
        if (is_covered(checked, names[i])) {
            continue;
        }
        if (checked->num == 1) {
            preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CERTIFICATE_NAME,
                           "%s does not cover the name %s", checked->files[0].certificate,
                           names[i]);
        } else {
            preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CERTIFICATE_NAME,
                           "none of the %zu certificates covers the name %s", checked->num,
                           names[i]);
        }
    }
}

static void load_certificate(struct preflight *preflight, struct checked *checked,
                             const struct certificate_files *files)
{
    struct error error;
    struct certificate *certificate;
    int64_t now_s = real_time_ns() / NS_PER_S;
    if (certificate_load(&certificate, files, now_s, &error) != NTS_OK) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CERTIFICATE, "%s", error.text);
        return;
    }
    checked->loaded[checked->num_loaded++] = certificate;
    int64_t left_days = (certificate->identity.not_after_s - now_s) / S_PER_DAY;
    if (left_days < CERTIFICATE_NEAR_END_DAYS) {
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_CERTIFICATE_NEAR_END,
                       "%s expires in %" PRId64 " days", files->certificate, left_days);
    }
    if (certificate->weakness != NULL) {
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_CERTIFICATE_WEAK, "%s: %s",
                       files->certificate, certificate->weakness);
    }
}

static void check_certificates(struct preflight *preflight, const struct ke_config *config,
                               const struct certificate_files *files, size_t num)
{
    struct checked checked = {.files = files, .num = num};
    struct tls_contexts *contexts;
    struct error error;
    for (size_t i = 0; i < num; i++) {
        load_certificate(preflight, &checked, &files[i]);
    }
    /* A name that seems to be missing may be in one that was refused. */
    if (checked.num_loaded == num) {
        check_names(preflight, config, &checked);
        if (tls_contexts_create(&contexts, checked.loaded, num, &error) == NTS_OK) {
            snapshot_unref(&contexts->snapshot);
        } else {
            preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CERTIFICATE, "%s", error.text);
        }
    }
    for (size_t i = 0; i < checked.num_loaded; i++) {
        snapshot_unref(&checked.loaded[i]->snapshot);
    }
}

/* --- the rest --- */

static void check_keyring(struct preflight *preflight, const struct ke_config *config,
                          const char *config_path, const struct certificate_files *certificates,
                          size_t num_certificates)
{
    static_assert(1 + 2 * CERTIFICATES_MAX <= USER_CHECK_MAX_FILES, "room for all files");
    const char *files[USER_CHECK_MAX_FILES] = {config_path};
    size_t num = 1;
    for (size_t i = 0; i < num_certificates; i++) {
        files[num++] = certificates[i].certificate;
        files[num++] = certificates[i].private_key;
    }
    struct keyring *ring =
        keyring_check(preflight, &config->host.keyring, config->host.user, files, num);
    if (ring != NULL) {
        time_server_check(preflight, config, ring);
        snapshot_unref(&ring->snapshot);
    }
}

int ke_check(const char *config_path)
{
    struct preflight preflight = {0};
    struct ke_config config;
    struct config_memory memory;
    const struct certificate_files *certificates = NULL;
    size_t num_certificates = 0;
    struct error error;
    if (config_load(&config, &memory, &ke_config_table, config_path, &error) != NTS_OK) {
        preflight_find(&preflight, LOG_LEVEL_ERROR, PREFLIGHT_CONFIG, "%s", error.text);
        return preflight_end(&preflight, config_path);
    }
    log_set_format((enum log_format)config.host.log_format);
    source_check(&preflight, &config.host.sources, config_path);
    if (ke_config_certificates(&certificates, &num_certificates, &config, config_path, &error) ==
        NTS_OK) {
        check_certificates(&preflight, &config, certificates, num_certificates);
    } else {
        preflight_find(&preflight, LOG_LEVEL_ERROR, PREFLIGHT_CONFIG, "%s", error.text);
    }
    host_check_io_uring(&preflight, LOG_LEVEL_ERROR);
    host_check_descriptors(&preflight, LOG_LEVEL_WARNING,
                           ke_descriptors_needed(&config, config.listen.num), true);
    host_check_addresses(&preflight, &config.listen, SOCK_STREAM, "nts-ke-server");
    host_check_metrics(&preflight, &config.host.metrics, "nts-ke-server");
    check_keyring(&preflight, &config, config_path, certificates, num_certificates);
    config_free(&memory);
    return preflight_end(&preflight, config_path);
}

#include "ke_check.h"

#include "ke_limits.h"
#include "service/host_check.h"
#include "service/keyring_check.h"
#include "time_server_check.h"
#include "tls_context.h"

#include <inttypes.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#define CERTIFICATE_NEAR_END_DAYS 14
#define S_PER_DAY                 86400

/* RFC 6125, section 6, as clients match: the names of the certificate, not its subject. */
static bool certificate_covers(X509 *certificate, const char *name)
{
    return X509_check_ip_asc(certificate, name, 0) == 1 ||
           X509_check_host(certificate, name, strlen(name), 0, NULL) == 1;
}

static void check_names(struct preflight *preflight, const struct ke_config *config,
                        X509 *certificate)
{
    const char *const *names = config->server_names.items;
    for (size_t i = 0; i < config->server_names.num; i++) {
        if (!certificate_covers(certificate, names[i])) {
            preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CERTIFICATE_NAME,
                           "%s does not cover the name %s", config->certificate, names[i]);
        }
    }
}

static void check_certificate(struct preflight *preflight, const struct ke_config *config)
{
    struct error error;
    SSL_CTX *tls;
    if (tls_context_open(&tls, config->certificate, config->private_key, &error) != NTS_OK) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CERTIFICATE, "%s", error.text);
        return;
    }
    X509 *certificate = SSL_CTX_get0_certificate(tls);
    int64_t starts_in_s = boringssl_time_left_s(X509_get0_notBefore(certificate));
    int64_t left_days = tls_context_time_left_s(tls) / S_PER_DAY;
    if (starts_in_s > 0) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CERTIFICATE,
                       "%s is not valid before %" PRId64 " hours from now", config->certificate,
                       starts_in_s / 3600 + 1);
    }
    if (left_days < CERTIFICATE_NEAR_END_DAYS) {
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_CERTIFICATE_NEAR_END,
                       "%s expires in %" PRId64 " days", config->certificate, left_days);
    }
    check_names(preflight, config, certificate);
    SSL_CTX_free(tls);
}

static void check_keyring(struct preflight *preflight, const struct ke_config *config,
                          const char *config_path)
{
    const char *const files[] = {config_path, config->certificate, config->private_key};
    struct keyring *ring = keyring_check(preflight, &config->keyring, config->user, files,
                                         sizeof(files) / sizeof(files[0]));
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
    struct error error;
    if (config_load(&config, &memory, &ke_config_table, config_path, &error) != NTS_OK) {
        preflight_find(&preflight, LOG_LEVEL_ERROR, PREFLIGHT_CONFIG, "%s", error.text);
        return preflight_end(&preflight, config_path);
    }
    log_set_format((enum log_format)config.log_format);
    check_certificate(&preflight, &config);
    host_check_io_uring(&preflight, LOG_LEVEL_ERROR);
    host_check_descriptors(&preflight, LOG_LEVEL_WARNING, ke_descriptors_needed(&config), true);
    host_check_addresses(&preflight, &config.listen, SOCK_STREAM, "nts-ke-server");
    check_keyring(&preflight, &config, config_path);
    config_free(&memory);
    return preflight_end(&preflight, config_path);
}

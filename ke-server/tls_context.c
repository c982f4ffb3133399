#include "tls_context.h"

#include "crypto/secret_file.h"
#include "crypto/secret_mem.h"
#include "wire/ke_record.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <unistd.h>

#define KEY_FILE_MAX_LEN 65536

/* Whether the ClientHello offers TLS 1.3 (RFC 8446, section 4.2.1). */
static bool offers_tls13(const SSL_CLIENT_HELLO *hello)
{
    const uint8_t *data;
    size_t len;
    CBS extension;
    CBS versions;
    uint16_t version;
    if (!SSL_early_callback_ctx_extension_get(hello, TLSEXT_TYPE_supported_versions, &data, &len)) {
        return false;
    }
    CBS_init(&extension, data, len);
    if (!CBS_get_u8_length_prefixed(&extension, &versions)) {
        return false;
    }
    while (CBS_get_u16(&versions, &version)) {
        if (version == TLS1_3_VERSION) {
            return true;
        }
    }
    return false;
}

/* RFC 8915, section 3 wants ALPN; BoringSSL asks select_protocol only about clients that offer
 * one, so those that do not are turned away here. A client without TLS 1.3 passes, to be told
 * about that first. */
static enum ssl_select_cert_result_t require_alpn(const SSL_CLIENT_HELLO *hello)
{
    const uint8_t *data;
    size_t len;
    if (offers_tls13(hello) &&
        !SSL_early_callback_ctx_extension_get(
            hello, TLSEXT_TYPE_application_layer_protocol_negotiation, &data, &len)) {
        SSL_send_fatal_alert(hello->ssl, SSL_AD_NO_APPLICATION_PROTOCOL);
        return ssl_select_cert_error;
    }
    return ssl_select_cert_success;
}

/* RFC 7301, section 3.2: no protocol in common is a fatal no_application_protocol alert. */
static int select_protocol(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                           unsigned in_len, void *arg)
{
    CBS protocols;
    CBS protocol;
    (void)ssl;
    (void)arg;
    CBS_init(&protocols, in, in_len);
    while (CBS_get_u8_length_prefixed(&protocols, &protocol)) {
        if (CBS_mem_equal(&protocol, (const uint8_t *)KE_ALPN, strlen(KE_ALPN))) {
            *out = CBS_data(&protocol);
            *out_len = (uint8_t)CBS_len(&protocol);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* Encrypted keys are refused: there is nobody to ask for a passphrase. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static enum nts_status load_key(EVP_PKEY **key, const char *path, struct error *error)
{
    struct secret_file file;
    enum nts_status status = secret_file_read(&file, path, KEY_FILE_MAX_LEN, error);
    if (status != NTS_OK) {
        return status;
    }
    BIO *bio = BIO_new_mem_buf(file.text, (int)file.len);
    *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    if (*key == NULL) {
        status =
            error_set(error, NTS_ERR_FILE, "%s: expected a private key in PEM, not encrypted (%s)",
                      path, boringssl_error_text());
    }
    BIO_free(bio);
    secret_free(file.text);
    return status;
}

static enum nts_status use_certificate(SSL_CTX *ctx, const char *path, struct error *error)
{
    if (access(path, R_OK) != 0) {
        return error_set(error, NTS_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
    }
    if (SSL_CTX_use_certificate_chain_file(ctx, path) != 1) {
        return error_set(error, NTS_ERR_FILE, "%s: expected a certificate chain in PEM (%s)", path,
                         boringssl_error_text());
    }
    int64_t left_s = tls_context_time_left_s(ctx);
    if (left_s <= 0) {
        return error_set(error, NTS_ERR_FILE, "%s: the certificate expired %lld days ago", path,
                         (long long)(-left_s / 86400));
    }
    return NTS_OK;
}

static enum nts_status use_key(SSL_CTX *ctx, const char *certificate_path, const char *path,
                               struct error *error)
{
    EVP_PKEY *key = NULL;
    enum nts_status status = load_key(&key, path, error);
    if (status != NTS_OK) {
        return status;
    }
    if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1) {
        status = error_set(error, NTS_ERR_FILE, "%s: the key does not belong to %s (%s)", path,
                           certificate_path, boringssl_error_text());
    } else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        status = error_set(error, NTS_ERR_FILE, "%s: the key cannot be used (%s)", path,
                           boringssl_error_text());
    }
    EVP_PKEY_free(key);
    return status;
}

static bool set_protocol_rules(SSL_CTX *ctx)
{
    /* RFC 8915, section 3: TLS 1.3 or later. No tickets: there is nothing to resume, and state
     * that outlives a connection would have to be protected. Early data is off by default. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_select_certificate_cb(ctx, require_alpn);
    SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           boringssl_set_groups(ctx, boringssl_default_groups());
}

enum nts_status tls_context_open(SSL_CTX **out, const char *certificate_path, const char *key_path,
                                 struct error *error)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    enum nts_status status;
    if (ctx == NULL || !set_protocol_rules(ctx)) {
        status =
            error_set(error, NTS_ERR_INTERNAL, "cannot set TLS up: %s", boringssl_error_text());
        goto fail;
    }
    status = use_certificate(ctx, certificate_path, error);
    if (status != NTS_OK) {
        goto fail;
    }
    status = use_key(ctx, certificate_path, key_path, error);
    if (status != NTS_OK) {
        goto fail;
    }
    *out = ctx;
    return NTS_OK;

fail:
    SSL_CTX_free(ctx);
    return status;
}

int64_t tls_context_time_left_s(const SSL_CTX *ctx)
{
    return boringssl_time_left_s(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)));
}

int64_t tls_context_not_after_s(const SSL_CTX *ctx)
{
    return boringssl_unix_time_s(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)));
}

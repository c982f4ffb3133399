#include "ke-server/tls/tls_context.h"

#include "wire/ke_record.h"

#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* What the callback for a ClientHello needs, by way of the session. */
struct tls_hello {
    const struct tls_contexts *contexts;
    const union net_address *local;
    int64_t now_s;
};

/* --- the ClientHello --- */

static bool find_extension(CBS *extension, const SSL_CLIENT_HELLO *hello, uint16_t type)
{
    const uint8_t *data;
    size_t len;
    if (!SSL_early_callback_ctx_extension_get(hello, type, &data, &len)) {
        return false;
    }
    CBS_init(extension, data, len);
    return true;
}

/* Whether the ClientHello offers TLS 1.3 (RFC 8446, section 4.2.1). */
static bool offers_tls13(const SSL_CLIENT_HELLO *hello)
{
    CBS extension;
    CBS versions;
    uint16_t version;
    if (!find_extension(&extension, hello, TLSEXT_TYPE_supported_versions) ||
        !CBS_get_u8_length_prefixed(&extension, &versions)) {
        return false;
    }
    while (CBS_get_u16(&versions, &version)) {
        if (version == TLS1_3_VERSION) {
            return true;
        }
    }
    return false;
}

/* The name that the client asks for, if it sent one that could be (RFC 6066, section 3). BoringSSL
 * refuses lists that are malformed. */
static void read_server_name(struct certificate_wish *wish, const SSL_CLIENT_HELLO *hello)
{
    CBS extension;
    CBS list;
    CBS name;
    uint8_t type;
    if (find_extension(&extension, hello, TLSEXT_TYPE_server_name) &&
        CBS_get_u16_length_prefixed(&extension, &list) && CBS_get_u8(&list, &type) &&
        type == TLSEXT_NAMETYPE_host_name && CBS_get_u16_length_prefixed(&list, &name)) {
        wish->name = (const char *)CBS_data(&name);
        wish->name_len = CBS_len(&name);
    }
}

/* RFC 8446, section 4.2.3. */
static void read_signature_schemes(struct certificate_wish *wish, const SSL_CLIENT_HELLO *hello)
{
    CBS extension;
    CBS schemes;
    if (find_extension(&extension, hello, TLSEXT_TYPE_signature_algorithms) &&
        CBS_get_u16_length_prefixed(&extension, &schemes)) {
        wish->schemes = CBS_data(&schemes);
        wish->num_schemes = CBS_len(&schemes) / 2;
    }
}

/* A session begins with the default; false if BoringSSL has no memory for another one. */
static bool choose_certificate(const SSL_CLIENT_HELLO *hello)
{
    const struct tls_hello *session = SSL_get_app_data(hello->ssl);
    const struct tls_contexts *contexts = session->contexts;
    struct certificate_wish wish = {.local = session->local, .now_s = session->now_s};
    read_server_name(&wish, hello);
    read_signature_schemes(&wish, hello);
    SSL_CTX *ctx =
        contexts->list[certificate_choose(contexts->identities, contexts->num, &wish)].ctx;
    return SSL_get_SSL_CTX(hello->ssl) == ctx || SSL_set_SSL_CTX(hello->ssl, ctx) != NULL;
}

/* RFC 8915, section 3 wants ALPN; BoringSSL asks select_protocol only about clients that offer
 * one, so those that do not are turned away here. A client without TLS 1.3 passes, to be told
 * about that first. */
static enum ssl_select_cert_result_t take_hello(const SSL_CLIENT_HELLO *hello)
{
    CBS extension;
    if (offers_tls13(hello) &&
        !find_extension(&extension, hello, TLSEXT_TYPE_application_layer_protocol_negotiation)) {
        SSL_send_fatal_alert(hello->ssl, SSL_AD_NO_APPLICATION_PROTOCOL);
        return ssl_select_cert_error;
    }
    return choose_certificate(hello) ? ssl_select_cert_success : ssl_select_cert_error;
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

static bool set_protocol_rules(SSL_CTX *ctx)
{
    /* RFC 8915, section 3: TLS 1.3 or later. No tickets: there is nothing to resume, and state
     * that outlives a connection would have to be protected. Early data is off by default. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_select_certificate_cb(ctx, take_hello);
    SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           boringssl_set_groups(ctx, boringssl_default_groups());
}

/* --- the contexts --- */

static bool use_certificate(SSL_CTX *ctx, const struct certificate *certificate)
{
    for (size_t i = 1; i < sk_X509_num(certificate->chain); i++) {
        if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(certificate->chain, i)) != 1) {
            return false;
        }
    }
    return SSL_CTX_use_certificate(ctx, sk_X509_value(certificate->chain, 0)) == 1 &&
           SSL_CTX_use_PrivateKey(ctx, certificate->key) == 1 &&
           SSL_CTX_check_private_key(ctx) == 1;
}

static enum nts_status open_context(SSL_CTX **out, const struct certificate *certificate,
                                    struct error *error)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    enum nts_status status = NTS_OK;
    if (ctx == NULL || !set_protocol_rules(ctx)) {
        status =
            error_set(error, NTS_ERR_INTERNAL, "cannot set TLS up: %s", boringssl_error_text());
    } else if (!use_certificate(ctx, certificate)) {
        status = error_set(error, NTS_ERR_CERTIFICATE_FORM, "%s: TLS cannot be served with it (%s)",
                           certificate->path, boringssl_error_text());
    }
    if (status != NTS_OK) {
        SSL_CTX_free(ctx);
        return status;
    }
    *out = ctx;
    return NTS_OK;
}

static void contexts_destroy(struct snapshot *snapshot)
{
    struct tls_contexts *contexts = (struct tls_contexts *)snapshot;
    for (size_t i = 0; i < contexts->num; i++) {
        SSL_CTX_free(contexts->list[i].ctx);
        snapshot_unref(&contexts->list[i].certificate->snapshot);
    }
    free((void *)contexts->identities);
    free(contexts);
}

enum nts_status tls_contexts_create(struct tls_contexts **out,
                                    struct certificate *const *certificates, size_t num,
                                    struct error *error)
{
    struct tls_contexts *contexts = calloc(1, sizeof(*contexts) + num * sizeof(contexts->list[0]));
    if (contexts == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    snapshot_init(&contexts->snapshot, contexts_destroy);
    ERR_clear_error();
    enum nts_status status = NTS_OK;
    /* An array of pointers. NOLINTNEXTLINE(bugprone-sizeof-expression) */
    contexts->identities = calloc(num, sizeof(contexts->identities[0]));
    if (contexts->identities == NULL) {
        status = error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; status == NTS_OK && i < num; i++) {
        status = open_context(&contexts->list[i].ctx, certificates[i], error);
        if (status == NTS_OK) {
            snapshot_ref(&certificates[i]->snapshot);
            contexts->list[i].certificate = certificates[i];
            contexts->identities[i] = &certificates[i]->identity;
            contexts->num++;
        }
    }
    if (status != NTS_OK) {
        snapshot_unref(&contexts->snapshot);
        return status;
    }
    *out = contexts;
    return NTS_OK;
}

int64_t tls_contexts_first_not_after_s(const struct tls_contexts *contexts)
{
    int64_t first_s = INT64_MAX;
    for (size_t i = 0; i < contexts->num; i++) {
        if (contexts->identities[i]->not_after_s < first_s) {
            first_s = contexts->identities[i]->not_after_s;
        }
    }
    return first_s;
}

/* --- a session --- */

SSL *tls_session_new(const struct tls_contexts *contexts)
{
    return SSL_new(contexts->list[0].ctx);
}

int tls_session_handshake(SSL *ssl, const struct tls_contexts *contexts,
                          const union net_address *local, int64_t now_s)
{
    struct tls_hello hello = {.contexts = contexts, .local = local, .now_s = now_s};
    SSL_set_app_data(ssl, &hello);
    int result = SSL_do_handshake(ssl);
    SSL_set_app_data(ssl, NULL);
    return result;
}

#include "client/ke_tls.h"

#include "base/cursor.h"
#include "wire/ke_record.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#define SYSTEM_CA_DIR "/etc/ssl/certs"

/* --- the context --- */

/* Certificates that the system trusts: BoringSSL's own idea of the place (which SSL_CERT_FILE and
 * SSL_CERT_DIR change), and Debian's. A place that is not there is no error: the handshake will say
 * that the issuer is unknown. */
static void trust_system(SSL_CTX *context)
{
    SSL_CTX_set_default_verify_paths(context);
    SSL_CTX_load_verify_locations(context, NULL, SYSTEM_CA_DIR);
    ERR_clear_error();
}

/* Writes the list of `protocols` as ALPN wants it (RFC 7301, section 3.1). */
static bool offer_protocols(SSL_CTX *context, const char *const *protocols)
{
    uint8_t list[512];
    struct writer w = writer_over(list, sizeof(list));
    for (size_t i = 0; protocols[i] != NULL; i++) {
        size_t name_len = strlen(protocols[i]);
        uint8_t length_octet = (uint8_t)name_len;
        write_bytes(&w, &length_octet, 1);
        write_bytes(&w, protocols[i], name_len);
    }
    /* Zero means success here, in OpenSSL as well. */
    return writer_status(&w) == NTS_OK &&
           SSL_CTX_set_alpn_protos(context, list, (unsigned)writer_len(&w)) == 0;
}

static enum nts_status configure(SSL_CTX *context, const struct ke_connection_options *options,
                                 struct error *error)
{
    static const char *const ntske[] = {KE_ALPN, NULL};
    uint16_t min_version = options->min_version != 0 ? options->min_version : TLS1_3_VERSION;
    uint16_t max_version = options->max_version != 0 ? options->max_version : TLS1_3_VERSION;
    const char *groups = options->groups != NULL ? options->groups : boringssl_default_groups();

    if (options->insecure) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    } else {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    if (options->ca_file == NULL) {
        trust_system(context);
    } else if (SSL_CTX_load_verify_locations(context, options->ca_file, NULL) != 1) {
        return error_set(error, NTS_ERR_FILE, "%s: no CA certificates in PEM: %s", options->ca_file,
                         boringssl_error_text());
    }
    if (SSL_CTX_set_min_proto_version(context, min_version) != 1 ||
        SSL_CTX_set_max_proto_version(context, max_version) != 1 ||
        !boringssl_set_groups(context, groups) ||
        !offer_protocols(context, options->alpn != NULL ? options->alpn : ntske)) {
        return error_set(error, NTS_ERR_TLS, "TLS options are not supported: %s",
                         boringssl_error_text());
    }
    return NTS_OK;
}

enum nts_status ke_tls_context_create(SSL_CTX **context,
                                      const struct ke_connection_options *options,
                                      struct error *error)
{
    *context = SSL_CTX_new(TLS_method());
    if (*context == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status = configure(*context, options, error);
    if (status != NTS_OK) {
        SSL_CTX_free(*context);
        *context = NULL;
    }
    return status;
}

/* --- the socket --- */

/* A BIO of our own, because the library's writes in a way that raises SIGPIPE, and because tests
 * want to cut the stream into small pieces. */

static int socket_write(BIO *bio, const char *data, int len)
{
    const struct ke_connection *connection = BIO_get_data(bio);
    size_t write_len = (size_t)len;
    if (connection->max_write_len > 0 && write_len > connection->max_write_len) {
        write_len = connection->max_write_len;
    }
    BIO_clear_retry_flags(bio);
    ssize_t num_sent = send(connection->fd, data, write_len, MSG_NOSIGNAL);
    if (num_sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        BIO_set_retry_write(bio);
    }
    return (int)num_sent;
}

static int socket_read(BIO *bio, char *data, int len)
{
    const struct ke_connection *connection = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t num_received = recv(connection->fd, data, (size_t)len, 0);
    if (num_received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
        BIO_set_retry_read(bio);
    }
    return (int)num_received;
}

static long socket_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH; /* nothing is kept back */
}

static BIO_METHOD *socket_method;

static void make_socket_method(void)
{
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ke_connection");
    if (socket_method != NULL) {
        BIO_meth_set_write(socket_method, socket_write);
        BIO_meth_set_read(socket_method, socket_read);
        BIO_meth_set_ctrl(socket_method, socket_ctrl);
    }
}

static BIO *new_socket_bio(struct ke_connection *connection)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_socket_method);
    BIO *bio = socket_method != NULL ? BIO_new(socket_method) : NULL;
    if (bio != NULL) {
        BIO_set_data(bio, connection);
        BIO_set_init(bio, 1);
    }
    return bio;
}

/* --- the session --- */

/* Notes what the library would keep to itself. */
static void watch_messages(int is_write, int version, int content_type, const void *octets,
                           size_t len, SSL *ssl, void *arg)
{
    (void)version;
    (void)ssl;
    struct ke_connection *connection = arg;
    const uint8_t *message = octets;
    if (is_write) {
        return;
    }
    if (content_type == SSL3_RT_ALERT && len == 2) {
        connection->alert_received = message[1];
    } else if (content_type == SSL3_RT_HANDSHAKE && len > 0 &&
               message[0] == SSL3_MT_NEW_SESSION_TICKET) {
        connection->num_session_tickets++;
    }
}

/* Names the certificate's subject, and sends the name (RFC 6066, section 3: names only, no
 * IP literals, no trailing dot). */
static bool set_identity(struct ke_connection *connection,
                         const struct ke_connection_options *options)
{
    const char *name = options->server_name != NULL ? options->server_name : options->host;
    X509_VERIFY_PARAM *param = SSL_get0_param(connection->ssl);
    union net_address address;
    const char *sni = "";
    size_t name_len = strlen(name);
    if (name_len >= sizeof(connection->identity)) {
        return false;
    }
    memcpy(connection->identity, name, name_len + 1);

    if (address_parse(&address, name, 1)) {
        bool is_v6 = address.sa.sa_family == AF_INET6;
        const void *octets =
            is_v6 ? (const void *)&address.in6.sin6_addr : (const void *)&address.in.sin_addr;
        if (X509_VERIFY_PARAM_set1_ip(param, octets, is_v6 ? 16 : 4) != 1) {
            return false;
        }
    } else {
        if (name_len > 0 && name[name_len - 1] == '.') {
            connection->identity[--name_len] = '\0';
        }
        sni = connection->identity;
        /* RFC 8915, section 3, by way of RFC 6125: the subject's common name does not count. */
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
        if (name_len == 0 || X509_VERIFY_PARAM_set1_host(param, sni, name_len) != 1) {
            return false;
        }
    }
    const char *sent = options->sni != NULL ? options->sni : sni;
    return sent[0] == '\0' || SSL_set_tlsext_host_name(connection->ssl, sent) == 1;
}

enum nts_status ke_tls_attach(struct ke_connection *connection, SSL_CTX *context,
                              const struct ke_connection_options *options, struct error *error)
{
    connection->ssl = SSL_new(context);
    BIO *bio = connection->ssl != NULL ? new_socket_bio(connection) : NULL;
    if (bio == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    SSL_set_bio(connection->ssl, bio, bio);
    SSL_set_connect_state(connection->ssl);
    SSL_set_msg_callback(connection->ssl, watch_messages);
    SSL_set_msg_callback_arg(connection->ssl, connection);
    if (!set_identity(connection, options)) {
        return error_set(error, NTS_ERR_TLS, "no certificate can be for this name: %s",
                         boringssl_error_text());
    }
    return NTS_OK;
}

enum nts_status ke_tls_error(struct ke_connection *connection, int ssl_error, struct error *error)
{
    int saved_errno = errno;
    bool is_certificate = ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    const char *reason = boringssl_error_text();

    if (is_certificate) {
        long verify_result = SSL_get_verify_result(connection->ssl);
        bool is_other = verify_result == X509_V_ERR_HOSTNAME_MISMATCH ||
                        verify_result == X509_V_ERR_IP_ADDRESS_MISMATCH;
        return error_set(error, NTS_ERR_TLS, "certificate not accepted: %s%s%s",
                         X509_verify_cert_error_string(verify_result),
                         is_other ? ", it is not for " : "", is_other ? connection->identity : "");
    }
    if (connection->alert_received > 0) {
        return error_set(error, NTS_ERR_TLS, "the server sent TLS alert %d (%s)",
                         connection->alert_received,
                         SSL_alert_desc_string_long(connection->alert_received));
    }
    if (ssl_error == SSL_ERROR_SYSCALL && saved_errno != 0) {
        return error_set(error, NTS_ERR_TLS, "connection broken: %s", strerror(saved_errno));
    }
    if (ssl_error == SSL_ERROR_SYSCALL || ssl_error == SSL_ERROR_ZERO_RETURN) {
        return error_set(error, NTS_ERR_TLS, "the server closed the connection");
    }
    return error_set(error, NTS_ERR_TLS, "TLS failed: %s", reason);
}

static bool export_key(uint8_t *key, SSL *ssl, const struct aead_algorithm *aead,
                       uint16_t context_id, enum ke_key_direction direction)
{
    uint8_t context[KE_EXPORTER_CONTEXT_LEN];
    ke_exporter_context(context, KE_PROTOCOL_NTPV4, context_id, direction);
    return SSL_export_keying_material(ssl, key, aead->key_len, KE_EXPORTER_LABEL,
                                      strlen(KE_EXPORTER_LABEL), context, sizeof(context), 1) == 1;
}

enum nts_status ke_export_keys(struct session_keys *keys, SSL *ssl,
                               const struct aead_algorithm *aead, uint16_t context_id)
{
    *keys = (struct session_keys){.aead = aead};
    if (!export_key(keys->c2s, ssl, aead, context_id, KE_KEY_C2S) ||
        !export_key(keys->s2c, ssl, aead, context_id, KE_KEY_S2C)) {
        *keys = (struct session_keys){0};
        ERR_clear_error();
        return NTS_ERR_TLS;
    }
    return NTS_OK;
}

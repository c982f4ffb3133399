#include "client/ke_client.h"
#include "client/ke_tls.h"

#include "crypto/secret_mem.h"
#include "wire/ntp_packet.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void copy_text(char *out, size_t capacity, const char *text)
{
    snprintf(out, capacity, "%s", text != NULL ? text : "?");
}

static void copy_name(char out[CERT_NAME_LEN], const X509_NAME *name)
{
    const uint8_t *text = NULL;
    size_t text_len = 0;
    BIO *bio = BIO_new(BIO_s_mem());
    /* Escapes what is not printable ASCII, so a certificate cannot write on the terminal. */
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0 &&
        BIO_mem_contents(bio, &text, &text_len) == 1) {
        snprintf(out, CERT_NAME_LEN, "%.*s", (int)text_len, (const char *)text);
    }
    BIO_free(bio);
    ERR_clear_error();
}

/* Notes what TLS agreed on, as far as it came: an operator wants to see the expired certificate. */
static void describe_tls(struct ke_session *session, const struct ke_connection *connection)
{
    SSL *ssl = connection->ssl;
    session->peer = connection->peer;
    session->cert_left_s = INT64_MIN;
    if (ssl == NULL) {
        return;
    }
    X509 *certificate = SSL_get_peer_certificate(ssl);
    if (certificate != NULL) {
        copy_name(session->subject, X509_get_subject_name(certificate));
        copy_name(session->issuer, X509_get_issuer_name(certificate));
        session->cert_left_s = boringssl_time_left_s(X509_get0_notAfter(certificate));
        X509_free(certificate);
    }
    if (!SSL_in_init(ssl)) {
        copy_text(session->tls_version, sizeof(session->tls_version), SSL_get_version(ssl));
        copy_text(session->group, sizeof(session->group), boringssl_group_name(ssl));
        copy_text(session->cipher, sizeof(session->cipher),
                  SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl)));
    }
}

static struct ke_request make_request(const struct ke_client_options *options)
{
    struct ke_request request = {
        .wish_server = options->wish_server,
        .wish_port = options->wish_port,
        .num_aeads = options->num_aeads,
        .compliant_gcm_siv = options->record_1024 == KE_1024_ALWAYS,
    };
    memcpy(request.aeads, options->aeads, sizeof(request.aeads));
    if (request.num_aeads == 0) {
        request.aeads[request.num_aeads++] = AEAD_AES_128_GCM_SIV;
        request.aeads[request.num_aeads++] = AEAD_AES_SIV_CMAC_256;
    }
    for (size_t i = 0; i < request.num_aeads && options->record_1024 == KE_1024_AUTO; i++) {
        request.compliant_gcm_siv |= request.aeads[i] == AEAD_AES_128_GCM_SIV;
    }
    return request;
}

/* Sends the request and parses the response. `buffer` has KE_RESPONSE_MAX_LEN octets. */
static enum nts_status ask(struct ke_session *session, struct ke_connection *connection,
                           const struct ke_request *request, uint8_t *buffer, int64_t deadline_ns,
                           struct error *error)
{
    struct writer w = writer_over(buffer, KE_REQUEST_MAX_LEN);
    ke_request_write(&w, request);
    if (writer_status(&w) != NTS_OK) {
        return error_set(error, NTS_ERR_NO_SPACE, "the wished server's name is too long");
    }
    enum nts_status status =
        ke_connection_write(connection, buffer, writer_len(&w), deadline_ns, error);
    if (status != NTS_OK) {
        return status;
    }
    size_t len;
    enum ke_read_end end = ke_connection_read_message(connection, buffer, &len, KE_RESPONSE_MAX_LEN,
                                                      deadline_ns, error);
    if (end == KE_READ_TIMEOUT) {
        return NTS_ERR_TIMEOUT;
    }
    if (end == KE_READ_FAILED || (end != KE_READ_MESSAGE && len == 0)) {
        return NTS_ERR_TLS;
    }
    return ke_response_parse(&session->response, buffer, len, request, error);
}

static enum nts_status export_keys(struct ke_session *session, SSL *ssl, struct error *error)
{
    const struct ke_response *response = &session->response;
    const struct aead_algorithm *aead = response->aead;
    enum nts_status status = ke_export_keys(&session->keys, ssl, aead, aead->id);
    /* chrony 4.4 to 4.6.0 exported the keys of AEAD 30 with the context of 15, and nothing in their
     * response tells; record 1024 in a response promises the context of the RFC. */
    if (status == NTS_OK && aead->id == AEAD_AES_128_GCM_SIV && !response->compliant_gcm_siv) {
        status = ke_export_keys(&session->legacy_keys, ssl, aead, AEAD_AES_SIV_CMAC_256);
    }
    return status == NTS_OK ? NTS_OK : error_set(error, status, "TLS would not export the keys");
}

static void name_time_server(struct ke_session *session)
{
    if (session->response.server[0] != '\0') {
        copy_text(session->ntp_host, sizeof(session->ntp_host), session->response.server);
    } else {
        address_format_ip(session->ntp_host, &session->peer);
    }
    session->ntp_port = session->response.port;
}

static enum nts_status run(struct ke_session *session, const struct ke_client_options *options,
                           uint8_t *buffer, int64_t deadline_ns, struct error *error)
{
    const struct ke_connection_options connection_options = {
        .host = options->host,
        .port = options->port,
        .family = options->family,
        .ca_file = options->ca_file,
        .server_name = options->server_name,
        .insecure = options->insecure,
        .context = options->context,
    };
    const struct ke_request request = make_request(options);
    struct ke_connection connection;
    enum nts_status status =
        ke_connection_open(&connection, &connection_options, deadline_ns, error);
    describe_tls(session, &connection);
    if (status == NTS_OK) {
        status = ask(session, &connection, &request, buffer, deadline_ns, error);
    }
    if (status == NTS_OK) {
        status = export_keys(session, connection.ssl, error);
    }
    if (status == NTS_OK) {
        name_time_server(session);
    }
    ke_connection_close(&connection);
    return status;
}

enum nts_status ke_client_run(struct ke_session *session, const struct ke_client_options *options,
                              struct error *error)
{
    int64_t start_ns = mono_time_ns();
    int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : KE_CLIENT_TIMEOUT_MS;
    memset(session, 0, sizeof(*session));
    session->cert_left_s = INT64_MIN;
    session->response.error_code = -1;
    session->response.warning_code = -1;

    uint8_t *buffer = malloc(KE_RESPONSE_MAX_LEN);
    if (buffer == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status =
        run(session, options, buffer, start_ns + timeout_ms * NS_PER_MS, error);
    free(buffer);
    session->elapsed_ns = mono_time_ns() - start_ns;
    if (status != NTS_OK) {
        error_prefix(error, options->host);
    }
    return status;
}

enum nts_status ke_session_time_server(union net_address *address, const struct ke_session *session,
                                       int family, struct error *error)
{
    if (session->response.server[0] == '\0') {
        /* Not by way of text, which would lose the zone of a link-local address. */
        *address = session->peer;
        if (address->sa.sa_family == AF_INET6) {
            address->in6.sin6_port = htons(session->ntp_port);
        } else {
            address->in.sin_port = htons(session->ntp_port);
        }
        return NTS_OK;
    }
    if (family == AF_UNSPEC && address_resolve(address, session->ntp_host, session->ntp_port,
                                               session->peer.sa.sa_family, error) == NTS_OK) {
        return NTS_OK;
    }
    return address_resolve(address, session->ntp_host, session->ntp_port, family, error);
}

void ke_session_wipe(struct ke_session *session)
{
    secret_wipe(&session->keys, sizeof(session->keys));
    secret_wipe(&session->legacy_keys, sizeof(session->legacy_keys));
    secret_wipe(&session->response.jar, sizeof(session->response.jar));
}

/* Section 1 of the conformance matrix: rows that show in the handshake itself. */
#include "ke_support.h"

#include "base/cursor.h"
#include "client/ke_tls.h"
#include "support/octets.h"

#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/evp.h>
#include <openssl/hkdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What a TLS 1.3 server says that neither resumes nor asks for a certificate (RFC 8446, section 4):
 * ServerHello, EncryptedExtensions, Certificate, CertificateVerify, Finished. */
#define FULL_HANDSHAKE "02080b0f14"
#define HELLO_RETRY    "02"
#define KEY_UPDATE     "18"

/* The types of the handshake messages that came in. */
struct message_log {
    size_t len;
    uint8_t types[64];
};

static void note_message(int is_write, int version, int content_type, const void *octets,
                         size_t len, SSL *ssl, void *arg)
{
    (void)version;
    (void)ssl;
    struct message_log *log = arg;
    if (!is_write && content_type == SSL3_RT_HANDSHAKE && len > 0) {
        cr_assert_lt(log->len, sizeof(log->types));
        log->types[log->len++] = *(const uint8_t *)octets;
    }
}

/* Connects as `options` say, with the octets of the handshake still to be sent. */
static void start(struct ke_dialog *dialog, struct message_log *log, SSL_CTX *context,
                  const struct ke_connection_options *options)
{
    struct error error = {0};
    log->len = 0;
    dialog->connection = (struct ke_connection){.fd = ke_tcp_open(), .alert_received = -1};
    cr_assert_eq(ke_tls_attach(&dialog->connection, context, options, &error), NTS_OK, "%s",
                 error.text);
    SSL_set_msg_callback(dialog->connection.ssl, note_message);
    SSL_set_msg_callback_arg(dialog->connection.ssl, log);
}

/* Drives the handshake until it is done or fails; returns what SSL_get_error says. */
static int shake_hands(struct ke_dialog *dialog)
{
    for (;;) {
        int result = SSL_do_handshake(dialog->connection.ssl);
        int ssl_error = SSL_get_error(dialog->connection.ssl, result);
        if (ssl_error != SSL_ERROR_WANT_READ) {
            return ssl_error;
        }
        cr_assert(deadline_wait(dialog->connection.fd, POLLIN, deadline_in_ms(PATIENCE_MS)));
    }
}

static void open_logged(struct ke_dialog *dialog, struct message_log *log,
                        const struct ke_connection_options *options)
{
    SSL_CTX *context;
    struct error error;
    cr_assert_eq(ke_tls_context_create(&context, options, &error), NTS_OK, "%s", error.text);
    start(dialog, log, context, options);
    SSL_CTX_free(context);
    cr_assert_eq(shake_hands(dialog), SSL_ERROR_NONE);
}

/* --- TLS-05: a session with early data, which only another server can give --- */

static SSL_SESSION *kept_session;

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept_session);
    kept_session = session;
    return 1;
}

static int select_ntske(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                        unsigned in_len, void *arg)
{
    (void)ssl;
    (void)in;
    (void)in_len;
    (void)arg;
    *out = (const uint8_t *)"ntske/1";
    *out_len = 7;
    return SSL_TLSEXT_ERR_OK;
}

/* A server in this process that has our server's certificate, but tickets and early data. */
static SSL_CTX *eager_server(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    cr_assert_not_null(context);
    cr_assert_eq(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION), 1);
    cr_assert_eq(SSL_CTX_use_certificate_chain_file(context, fixture_path("server.crt")), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey_file(context, fixture_path("server.key"), SSL_FILETYPE_PEM),
                 1);
    SSL_CTX_set_alpn_select_cb(context, select_ntske, NULL);
    SSL_CTX_set_early_data_enabled(context, 1);
    return context;
}

static SSL_SESSION *session_with_early_data(SSL_CTX *client_context)
{
    SSL_CTX *server_context = eager_server();
    SSL *client = SSL_new(client_context);
    SSL *server = SSL_new(server_context);
    BIO *client_end;
    BIO *server_end;
    uint8_t octet;
    cr_assert(client != NULL && server != NULL);
    cr_assert_eq(BIO_new_bio_pair(&client_end, 0, &server_end, 0), 1);
    SSL_set_bio(client, client_end, client_end);
    SSL_set_bio(server, server_end, server_end);
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    for (int i = 0; i < 8 && kept_session == NULL; i++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
        SSL_write(server, "x", 1); /* the ticket goes out with it */
        SSL_read(client, &octet, 1);
    }
    cr_assert_not_null(kept_session);
    cr_assert(SSL_SESSION_early_data_capable(kept_session));
    SSL_free(client);
    SSL_free(server);
    SSL_CTX_free(server_context);
    return kept_session;
}

KE_TEST(TLS_05_early_data_is_refused_and_skipped)
{
    struct ke_connection_options options = ke_options();
    struct ke_dialog dialog;
    struct message_log log;
    struct error error;
    SSL_CTX *context;
    cr_assert_eq(ke_tls_context_create(&context, &options, &error), NTS_OK, "%s", error.text);
    SSL_CTX_set_early_data_enabled(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(context, keep_session);
    SSL_SESSION *session = session_with_early_data(context);

    start(&dialog, &log, context, &options);
    SSL *ssl = dialog.connection.ssl;
    cr_assert_eq(SSL_set_session(ssl, session), 1);
    cr_assert_eq(shake_hands(&dialog), SSL_ERROR_NONE);
    cr_assert(SSL_in_early_data(ssl), "the test sends no early data");
    ke_dialog_send(&dialog, NP AE EOM);
    cr_assert_eq(shake_hands(&dialog), SSL_ERROR_EARLY_DATA_REJECTED);
    SSL_reset_early_data_reject(ssl);
    cr_assert_eq(shake_hands(&dialog), SSL_ERROR_NONE);
    cr_assert_not(SSL_early_data_accepted(ssl));
    cr_assert_not(SSL_session_reused(ssl));
    assert_octets(log.types, log.len, FULL_HANDSHAKE);

    /* The early request is not answered; the same one behind Finished is. */
    cr_assert_not(deadline_wait(dialog.connection.fd, POLLIN, deadline_in_ms(300)));
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
    SSL_SESSION_free(kept_session);
    SSL_CTX_free(context);
}

/* --- rows that are a list of messages --- */

KE_TEST(TLS_06_no_session_tickets)
{
    struct ke_connection_options options = ke_options();
    struct ke_dialog dialog;
    struct message_log log;
    open_logged(&dialog, &log, &options);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
    assert_octets(log.types, log.len, FULL_HANDSHAKE); /* all there was until FIN */
}

KE_TEST(TLS_10_key_update_is_answered_under_new_keys)
{
    struct ke_connection_options options = ke_options();
    struct ke_dialog dialog;
    struct message_log log;
    open_logged(&dialog, &log, &options);
    cr_assert_eq(SSL_key_update(dialog.connection.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
    assert_octets(log.types, log.len, FULL_HANDSHAKE KEY_UPDATE);

    open_logged(&dialog, &log, &options);
    cr_assert_eq(SSL_key_update(dialog.connection.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
    assert_octets(log.types, log.len, FULL_HANDSHAKE);
}

KE_TEST(TLS_11_no_certificate_request)
{
    struct ke_connection_options options = ke_options();
    struct ke_dialog dialog;
    struct message_log log;
    open_logged(&dialog, &log, &options);
    assert_octets(log.types, log.len, FULL_HANDSHAKE);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
}

KE_TEST(TLS_12_hello_retry_request)
{
    struct ke_connection_options options = ke_options();
    struct ke_dialog dialog;
    struct message_log log;
    options.groups = "P-521:P-256"; /* a key share for the first only, which the server lacks */
    open_logged(&dialog, &log, &options);
    assert_octets(log.types, log.len, HELLO_RETRY FULL_HANDSHAKE);
    cr_assert_str_eq(boringssl_group_name(dialog.connection.ssl), "P-256");
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
}

/* --- TLS-13: BoringSSL as a client cannot choose its suite, so OpenSSL's tool is the client --- */

/* HKDF-Expand-Label (RFC 8446, section 7.1). */
static void expand_label(uint8_t *out, size_t out_len, const EVP_MD *digest, const uint8_t *secret,
                         const char *label, const struct octets *context)
{
    uint8_t info[256];
    size_t info_len;
    CBB cbb;
    CBB child;
    cr_assert(CBB_init_fixed(&cbb, info, sizeof(info)) && CBB_add_u16(&cbb, (uint16_t)out_len) &&
              CBB_add_u8_length_prefixed(&cbb, &child) &&
              CBB_add_bytes(&child, (const uint8_t *)"tls13 ", 6) &&
              CBB_add_bytes(&child, (const uint8_t *)label, strlen(label)) &&
              CBB_add_u8_length_prefixed(&cbb, &child) &&
              CBB_add_bytes(&child, context->data, context->len) &&
              CBB_finish(&cbb, NULL, &info_len));
    cr_assert_eq(HKDF_expand(out, out_len, digest, secret, EVP_MD_size(digest), info, info_len), 1);
}

/* The TLS 1.3 exporter (RFC 8446, section 7.5) from the secret that a key log has. */
static void export_from_secret(uint8_t *key, size_t key_len, const EVP_MD *digest,
                               const uint8_t *secret, const char *context_hex)
{
    struct octets hash = {0};
    uint8_t derived[EVP_MAX_MD_SIZE];
    unsigned hash_len;
    struct octets context = octets_of(context_hex);
    cr_assert_eq(EVP_Digest("", 0, hash.data, &hash_len, digest, NULL), 1);
    hash.len = hash_len;
    expand_label(derived, hash_len, digest, secret, "EXPORTER-network-time-security", &hash);
    cr_assert_eq(EVP_Digest(context.data, context.len, hash.data, &hash_len, digest, NULL), 1);
    expand_label(key, key_len, digest, derived, "exporter", &hash);
}

/* Reads the exporter secret from the key log; returns its length. */
static size_t read_exporter_secret(uint8_t secret[EVP_MAX_MD_SIZE])
{
    char line[512];
    char hex[257];
    FILE *file = fopen(fixture_path("key.log"), "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "EXPORTER_SECRET %*s %256s", hex) == 1) {
            fclose(file);
            struct octets octets = octets_of(hex);
            cr_assert_leq(octets.len, (size_t)EVP_MAX_MD_SIZE);
            memcpy(secret, octets.data, octets.len);
            return octets.len;
        }
    }
    cr_assert_fail("no exporter secret in the key log");
    return 0;
}

/* Sends NP AE EOM with `openssl s_client` and that suite; returns the length of the answer. */
static size_t ask_with_suite(uint8_t *answer, size_t capacity, const char *suite)
{
    char command[1024];
    struct octets request = octets_of(NP AE EOM);
    FILE *file = fopen(fixture_path("request"), "w");
    cr_assert(file != NULL && fwrite(request.data, request.len, 1, file) == 1);
    fclose(file);
    unlink(fixture_path("key.log"));
    snprintf(command, sizeof(command),
             "cd '%s' && openssl s_client -quiet -connect %s:%d -alpn ntske/1 -tls1_3"
             " -ciphersuites %s -CAfile server.crt -verify_return_error -keylogfile key.log"
             " < request 2> s_client.log",
             fixture_directory, fixture_ip, FIXTURE_KE_PORT, suite);
    file = popen(command, "r");
    cr_assert_not_null(file);
    size_t len = fread(answer, 1, capacity, file);
    cr_assert_eq(pclose(file), 0, "s_client with %s failed", suite);
    return len;
}

static void assert_suite_serves(const char *suite, const EVP_MD *digest)
{
    struct octets head = octets_of(OK15);
    uint8_t answer[4096];
    uint8_t secret[EVP_MAX_MD_SIZE];
    struct ke_agreement agreement = {.keys.aead = aead_find(15)};
    size_t len = ask_with_suite(answer, sizeof(answer), suite);
    cr_assert_gt(len, head.len + 4, "%s", suite);
    cr_assert_arr_eq(answer, head.data, head.len);
    cr_assert_eq(read_exporter_secret(secret), EVP_MD_size(digest), "%s", suite);
    export_from_secret(agreement.keys.c2s, 32, digest, secret, "0000000f00");
    export_from_secret(agreement.keys.s2c, 32, digest, secret, "0000000f01");
    cr_assert_eq(load_u16(answer + head.len), 5);
    cr_assert(
        cookie_jar_put(&agreement.jar, answer + head.len + 4, load_u16(answer + head.len + 2)));
    cr_assert_eq(ke_ask_time(&agreement), NTS_OK, "%s", suite);
}

KE_TEST(TLS_13_exporter_follows_the_hash_of_the_suite)
{
    ke_start_time_server();
    assert_suite_serves("TLS_AES_128_GCM_SHA256", EVP_sha256());
    assert_suite_serves("TLS_AES_256_GCM_SHA384", EVP_sha384());
    assert_suite_serves("TLS_CHACHA20_POLY1305_SHA256", EVP_sha256());
}

/* Quirk Q-21: a client whose Nagle algorithm holds the request back until its Finished is
 * acknowledged. A delayed acknowledgement comes after 40 ms or more, every time; one exchange below
 * that shows that there is none, and a busy machine only takes more tries. */
KE_TEST(Q_21_finished_is_acknowledged_at_once)
{
    int64_t least_ns = INT64_MAX;
    for (int i = 0; i < 500 && least_ns > 30 * NS_PER_MS; i++) {
        struct ke_dialog dialog;
        int off = 0;
        ke_dialog_open(&dialog, NULL);
        cr_assert_eq(setsockopt(dialog.connection.fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off)),
                     0);
        int64_t start_ns = mono_time_ns();
        ke_dialog_send(&dialog, NP AE EOM);
        ke_dialog_agree(&dialog, OK15);
        int64_t took_ns = mono_time_ns() - start_ns;
        least_ns = took_ns < least_ns ? took_ns : least_ns;
    }
    cr_assert_leq(least_ns, 30 * NS_PER_MS);
}

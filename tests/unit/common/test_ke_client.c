#include "client/ke_client.h"
#include "client/ke_tls.h"

#include "support/patience.h"

#include <criterion/criterion.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* --- over TLS, with a server in a thread --- */

struct fake_server {
    int listener;
    uint16_t port;
    char ca_file[32];
    SSL_CTX *context;
    pthread_t thread;
    bool joined;
    bool silent;
    const char *response;
    size_t response_len;
    struct session_keys keys; /* AEAD 15, context 15 */
    struct session_keys gcm_keys;
    struct session_keys gcm_legacy_keys;
};

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 10 * 86400 + 60);
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"fake", -1, -1, 0);
    X509_set_subject_name(certificate, name);
    X509_set_issuer_name(certificate, name);
    X509_NAME_free(name);
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *names =
        X509V3_EXT_nconf_nid(NULL, &context, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    X509_add_ext(certificate, names, -1);
    X509_EXTENSION_free(names);
    X509_set_pubkey(certificate, key);
    cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    return certificate;
}

static int select_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                       unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    static const uint8_t ntske[] = "\x07ntske/1";
    return SSL_select_next_proto((uint8_t **)out, out_len, ntske, sizeof(ntske) - 1, in, in_len) ==
                   OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void serve(struct fake_server *server, SSL *ssl)
{
    uint8_t request[1024];
    if (SSL_accept(ssl) != 1 || SSL_read(ssl, request, sizeof(request)) <= 0) {
        return;
    }
    const struct aead_algorithm *gcm = aead_find(AEAD_AES_128_GCM_SIV);
    if (ke_export_keys(&server->keys, ssl, aead_find(15), 15) != NTS_OK ||
        ke_export_keys(&server->gcm_keys, ssl, gcm, 30) != NTS_OK ||
        ke_export_keys(&server->gcm_legacy_keys, ssl, gcm, 15) != NTS_OK) {
        return;
    }
    if (server->silent) {
        (void)SSL_read(ssl, request, sizeof(request)); /* until the client gives up */
        return;
    }
    SSL_write(ssl, server->response, (int)server->response_len);
    SSL_shutdown(ssl);
}

static void *run_server(void *arg)
{
    struct fake_server *server = arg;
    int fd = accept(server->listener, NULL, NULL);
    SSL *ssl = SSL_new(server->context);
    SSL_set_fd(ssl, fd);
    serve(server, ssl);
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static struct fake_server *start_server(const char *response, size_t response_len, bool silent)
{
    struct fake_server *server = calloc(1, sizeof(*server));
    signal(SIGPIPE, SIG_IGN); /* clients that refuse us hang up */
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();
    cr_assert(EC_KEY_generate_key(ec) == 1 && EVP_PKEY_set1_EC_KEY(key, ec) == 1);
    X509 *certificate = make_certificate(key);
    strcpy(server->ca_file, "/tmp/nts-fake-ca-XXXXXX");
    FILE *file = fdopen(mkstemp(server->ca_file), "w");
    PEM_write_X509(file, certificate);
    fclose(file);

    server->context = SSL_CTX_new(TLS_method());
    SSL_CTX_use_certificate(server->context, certificate);
    SSL_CTX_use_PrivateKey(server->context, key);
    SSL_CTX_set_alpn_select_cb(server->context, select_alpn, NULL);
    X509_free(certificate);
    EVP_PKEY_free(key);
    EC_KEY_free(ec);

    union net_address address;
    socklen_t len = sizeof(address.in);
    cr_assert(address_parse(&address, "127.0.0.1", 0));
    address.in.sin_port = 0;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(server->listener, &address.sa, len), 0);
    cr_assert_eq(listen(server->listener, 4), 0);
    getsockname(server->listener, &address.sa, &len);
    server->port = address_port(&address);
    server->response = response;
    server->response_len = response_len;
    server->silent = silent;
    cr_assert_eq(pthread_create(&server->thread, NULL, run_server, server), 0);
    return server;
}

/* After this the server's keys may be read. */
static void join_server(struct fake_server *server)
{
    if (!server->joined) {
        pthread_join(server->thread, NULL);
        server->joined = true;
    }
}

static void stop_server(struct fake_server *server)
{
    join_server(server);
    close(server->listener);
    SSL_CTX_free(server->context);
    unlink(server->ca_file);
    free(server);
}

static struct ke_client_options options_for(const struct fake_server *server)
{
    return (struct ke_client_options){.host = "127.0.0.1",
                                      .port = server->port,
                                      .ca_file = server->ca_file,
                                      .timeout_ms = PATIENCE_MS};
}

#define COOKIE                                                                                     \
    "\x00\x05\x00\x0c"                                                                             \
    "cookiecookie"
#define END      "\x80\x00\x00\x00"
#define OK15     "\x80\x01\x00\x02\x00\x00\x80\x04\x00\x02\x00\x0f" COOKIE END
#define OK30     "\x80\x01\x00\x02\x00\x00\x80\x04\x00\x02\x00\x1e" COOKIE END
#define OK30_RFC "\x80\x01\x00\x02\x00\x00\x80\x04\x00\x02\x00\x1e\x04\x00\x00\x00" COOKIE END

#define START(response) start_server(response, sizeof(response) - 1, false)

static bool same_keys(const struct session_keys *a, const struct session_keys *b)
{
    return a->aead == b->aead && memcmp(a->c2s, b->c2s, sizeof(a->c2s)) == 0 &&
           memcmp(a->s2c, b->s2c, sizeof(a->s2c)) == 0;
}

Test(ke_client, shares_keys_with_the_server_and_tells_what_it_saw)
{
    struct fake_server *server = START(OK15);
    struct ke_client_options options = options_for(server);
    struct ke_session session;
    struct error error;
    cr_assert_eq(ke_client_run(&session, &options, &error), NTS_OK, "%s", error.text);
    join_server(server);
    cr_assert(same_keys(&session.keys, &server->keys));
    cr_assert(memcmp(session.keys.c2s, session.keys.s2c, 32) != 0);
    cr_assert_null(session.legacy_keys.aead);
    cr_assert_str_eq(session.tls_version, "TLSv1.3");
    cr_assert_str_eq(session.subject, "CN=fake");
    cr_assert_str_eq(session.issuer, "CN=fake");
    cr_assert_eq(session.cert_left_s / 86400, 10);
    cr_assert_str_eq(session.ntp_host, "127.0.0.1");
    cr_assert_eq(session.ntp_port, 123);
    stop_server(server);
}

Test(ke_client, keeps_chronys_old_keys_when_record_1024_is_not_echoed)
{
    struct fake_server *server = START(OK30);
    struct ke_client_options options = options_for(server);
    struct ke_session session;
    struct error error;
    cr_assert_eq(ke_client_run(&session, &options, &error), NTS_OK, "%s", error.text);
    join_server(server);
    cr_assert(same_keys(&session.keys, &server->gcm_keys));
    cr_assert(same_keys(&session.legacy_keys, &server->gcm_legacy_keys));
    stop_server(server);
}

Test(ke_client, has_no_old_keys_when_record_1024_is_echoed)
{
    struct fake_server *server = START(OK30_RFC);
    struct ke_client_options options = options_for(server);
    struct ke_session session;
    struct error error;
    cr_assert_eq(ke_client_run(&session, &options, &error), NTS_OK, "%s", error.text);
    join_server(server);
    cr_assert(same_keys(&session.keys, &server->gcm_keys));
    cr_assert_null(session.legacy_keys.aead);
    stop_server(server);
}

/* Runs with a certificate that is expected not to do, and looks for the reason in the text. */
static void expect_refused(const struct ke_client_options *options, const char *reason)
{
    struct ke_session session;
    struct error error;
    cr_assert_eq(ke_client_run(&session, options, &error), NTS_ERR_TLS);
    cr_assert_not_null(strstr(error.text, reason), "%s", error.text);
    cr_assert_not_null(strstr(error.text, options->host));
    cr_assert_null(session.keys.aead);
}

Test(ke_client, accepts_the_name_in_the_certificate)
{
    struct fake_server *server = START(OK15);
    struct ke_client_options options = options_for(server);
    struct ke_session session;
    struct error error;
    options.server_name = "localhost.";
    cr_assert_eq(ke_client_run(&session, &options, &error), NTS_OK, "%s", error.text);
    stop_server(server);
}

Test(ke_client, rejects_a_certificate_for_another_name)
{
    struct fake_server *server = START(OK15);
    struct ke_client_options options = options_for(server);
    options.server_name = "fake"; /* the common name, which does not count */
    expect_refused(&options, "Hostname mismatch, it is not for fake");
    stop_server(server);
}

Test(ke_client, rejects_a_certificate_for_another_address)
{
    struct fake_server *server = START(OK15);
    struct ke_client_options options = options_for(server);
    options.server_name = "127.0.0.2";
    expect_refused(&options, "IP address mismatch");
    stop_server(server);
}

Test(ke_client, rejects_an_issuer_it_does_not_know)
{
    struct fake_server *server = START(OK15);
    struct ke_client_options options = options_for(server);
    options.ca_file = NULL;
    expect_refused(&options, "self signed certificate");
    stop_server(server);
}

Test(ke_client, gives_up_at_the_deadline)
{
    struct ke_session session = {0};
    /* On a busy machine the handshake may take longer than that. */
    for (int64_t ms = 300; session.tls_version[0] == '\0' && ms < PATIENCE_MS; ms *= 2) {
        struct fake_server *server = start_server(NULL, 0, true);
        struct ke_client_options options = options_for(server);
        struct error error;
        options.timeout_ms = ms;
        int64_t start_ns = mono_time_ns();
        cr_assert_eq(ke_client_run(&session, &options, &error), NTS_ERR_TIMEOUT);
        cr_assert_lt(mono_time_ns() - start_ns, PATIENCE_MS * NS_PER_MS);
        stop_server(server);
    }
    cr_assert_str_eq(session.tls_version, "TLSv1.3", "what was seen is told");
}

Test(ke_client, names_the_address_that_refuses)
{
    struct fake_server *server = START(OK15);
    struct ke_client_options options = options_for(server);
    struct ke_session session;
    struct error error;
    options.insecure = true;
    cr_assert_eq(ke_client_run(&session, &options, &error), NTS_OK, "%s", error.text);
    join_server(server);
    shutdown(server->listener, SHUT_RDWR);
    cr_assert_eq(ke_client_run(&session, &options, &error), NTS_ERR_SYSTEM);
    cr_assert_not_null(strstr(error.text, "Connection refused"), "%s", error.text);
    stop_server(server);
}

Test(ke_connection, refuses_a_server_that_selects_no_protocol)
{
    struct fake_server *server = START(OK15);
    SSL_CTX_set_alpn_select_cb(server->context, NULL, NULL);
    struct ke_client_options options = options_for(server);
    expect_refused(&options, "did not select ALPN ntske/1");
    stop_server(server);
}

Test(ke_connection, tells_the_alert_for_a_wrong_protocol)
{
    static const char *const h2[] = {"h2", NULL};
    struct fake_server *server = START(OK15);
    struct ke_connection_options options = {
        .host = "127.0.0.1", .port = server->port, .ca_file = server->ca_file, .alpn = h2};
    struct ke_connection connection;
    struct error error;
    cr_assert_eq(ke_connection_open(&connection, &options, deadline_in_ms(PATIENCE_MS), &error),
                 NTS_ERR_TLS);
    cr_assert_eq(connection.alert_received, 120, "%s", error.text);
    ke_connection_close(&connection);
    stop_server(server);
}

Test(ke_connection, writes_single_octets_and_reads_to_the_close)
{
    struct fake_server *server = START(OK15);
    struct ke_connection_options options = {
        .host = "127.0.0.1", .port = server->port, .ca_file = server->ca_file, .max_write_len = 1};
    struct ke_connection connection;
    struct error error;
    uint8_t data[256];
    size_t len;
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    cr_assert_eq(ke_connection_open(&connection, &options, deadline_ns, &error), NTS_OK, "%s",
                 error.text);
    cr_assert_eq(ke_connection_write(&connection, END, 4, deadline_ns, &error), NTS_OK);
    cr_assert_eq(ke_connection_read_all(&connection, data, &len, sizeof(data), deadline_ns, &error),
                 KE_READ_CLOSE_NOTIFY);
    cr_assert_eq(len, sizeof(OK15) - 1);
    cr_assert_arr_eq(data, OK15, len);
    cr_assert_eq(connection.num_data_records, 1);
    cr_assert_eq(connection.alert_received, 0, "close_notify");
    ke_connection_close(&connection);
    stop_server(server);
}

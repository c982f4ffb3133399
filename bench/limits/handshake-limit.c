/* handshake-limit: how many TLS 1.3 handshakes a second one core can do with this BoringSSL on the
 * server's side, in memory, with no socket and no client to pay for: the limit for nts-ke-server.
 *
 *   handshake-limit CERTIFICATE PRIVATE_KEY [SECONDS]   prints one JSON object */
#include "base/clock_time.h"
#include "crypto/boringssl.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_SECONDS 3
#define MAX_SECONDS     600
#define BATCH           100 /* handshakes between two looks at the clock */

/* Both ends of one connection, and what the server's end has cost. */
struct pair {
    SSL *client;
    SSL *server;
};

static int64_t cpu_time_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int select_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                       unsigned in_len, void *arg)
{
    static const uint8_t ntske[] = "\x07ntske/1";
    (void)ssl;
    (void)arg;
    return SSL_select_next_proto((uint8_t **)out, out_len, ntske, sizeof(ntske) - 1, in, in_len) ==
                   OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* As nts-ke-server sets its context up: TLS 1.3, no tickets, X25519 first. */
static SSL_CTX *server_context(const char *certificate, const char *private_key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, private_key, SSL_FILETYPE_PEM) != 1 ||
        !boringssl_set_groups(context, "X25519:P-256")) {
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, select_alpn, NULL);
    return context;
}

static SSL_CTX *client_context(void)
{
    static const uint8_t ntske[] = "\x07ntske/1";
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(context, ntske, sizeof(ntske) - 1) != 0 ||
        !boringssl_set_groups(context, "X25519")) {
        return NULL;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    return context;
}

static bool pair_open(struct pair *pair, SSL_CTX *client, SSL_CTX *server)
{
    BIO *client_bio;
    BIO *server_bio;
    pair->client = SSL_new(client);
    pair->server = SSL_new(server);
    if (pair->client == NULL || pair->server == NULL ||
        BIO_new_bio_pair(&client_bio, 0, &server_bio, 0) != 1) {
        return false;
    }
    SSL_set_bio(pair->client, client_bio, client_bio);
    SSL_set_bio(pair->server, server_bio, server_bio);
    SSL_set_connect_state(pair->client);
    SSL_set_accept_state(pair->server);
    return true;
}

/* One handshake; adds what the server's steps took to `*server_ns`. */
static bool handshake(SSL_CTX *client, SSL_CTX *server, int64_t *server_ns)
{
    struct pair pair;
    int64_t before_ns = cpu_time_ns();
    if (!pair_open(&pair, client, server)) {
        return false;
    }
    *server_ns += (cpu_time_ns() - before_ns) / 2; /* half of it is the client's */
    int client_done = 0;
    int server_done = 0;
    for (int turn = 0; turn < 8 && (client_done != 1 || server_done != 1); turn++) {
        client_done = client_done == 1 ? 1 : SSL_do_handshake(pair.client);
        before_ns = cpu_time_ns();
        server_done = server_done == 1 ? 1 : SSL_do_handshake(pair.server);
        *server_ns += cpu_time_ns() - before_ns;
    }
    SSL_free(pair.client);
    before_ns = cpu_time_ns();
    SSL_free(pair.server);
    *server_ns += cpu_time_ns() - before_ns;
    return client_done == 1 && server_done == 1;
}

static int fail(const char *text)
{
    fprintf(stderr, "handshake-limit: %s (%s)\n", text, boringssl_error_text());
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fputs("Usage: handshake-limit CERTIFICATE PRIVATE_KEY [SECONDS]\n", stderr);
        return 2;
    }
    long seconds = argc == 4 ? strtol(argv[3], NULL, 10) : DEFAULT_SECONDS;
    if (seconds < 1 || seconds > MAX_SECONDS) {
        fprintf(stderr, "handshake-limit: SECONDS: got '%s', expected 1 to %d\n", argv[3],
                MAX_SECONDS);
        return 2;
    }
    SSL_CTX *server = server_context(argv[1], argv[2]);
    SSL_CTX *client = client_context();
    if (server == NULL || client == NULL) {
        return fail("cannot use the certificate and key");
    }
    int64_t end_ns = mono_time_ns() + seconds * NS_PER_S;
    int64_t server_ns = 0;
    uint64_t num = 0;
    while (mono_time_ns() < end_ns) {
        for (int i = 0; i < BATCH; i++) {
            if (!handshake(client, server, &server_ns)) {
                return fail("the handshake fails");
            }
        }
        num += BATCH;
    }
    printf("{\"handshakes\": %llu, \"server_us\": %.1f, \"per_second\": %.0f, \"tls\": \"%s\"}\n",
           (unsigned long long)num, (double)server_ns / 1e3 / (double)num,
           (double)num * 1e9 / (double)server_ns, boringssl_version());
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    return 0;
}

/* light_tls against BoringSSL's server, without a network. */
#include "load/light_tls.h"

#include "base/cursor.h"
#include "crypto/boringssl.h"

#include <criterion/criterion.h>
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/x509.h>
#include <string.h>

#define REQUEST  "what is the time"
#define RESPONSE "late"

static struct light_shared shared;
static struct light_tls tls;
static struct error error;
static SSL *server;
static char seen[64];   /* what the server read */
static bool is_flipped; /* turn_client has changed something */

static int select_ntske(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                        unsigned in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    cr_assert(in_len == 8 && memcmp(in, "\x07ntske/1", 8) == 0);
    *out = in + 1;
    *out_len = 7;
    return SSL_TLSEXT_ERR_OK;
}

static void use_certificate(SSL_CTX *context)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    EVP_PKEY *key = EVP_PKEY_new();
    X509 *certificate = X509_new();
    cr_assert(EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec));
    X509_set_version(certificate, 2);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    cr_assert(SSL_CTX_use_certificate(context, certificate) &&
              SSL_CTX_use_PrivateKey(context, key));
    X509_free(certificate);
    EVP_PKEY_free(key);
}

/* `groups` and `max_version` are the server's. */
static void open_both(const char *groups, uint16_t max_version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    SSL_CTX_set_alpn_select_cb(context, select_ntske, NULL);
    cr_assert(boringssl_set_groups(context, groups));
    SSL_CTX_set_max_proto_version(context, max_version);
    use_certificate(context);
    server = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_bio(server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server);
    light_shared_init(&shared);
    shared.server_name = "ke.test";
    shared.request = (const uint8_t *)REQUEST;
    shared.request_len = strlen(REQUEST);
    light_tls_open(&tls, &shared);
}

static void close_both(void)
{
    light_tls_close(&tls);
    SSL_free(server);
}

/* Lets the server work on what the client has to send, and answer the request. */
static void turn_server(void)
{
    cr_assert_eq(BIO_write(SSL_get_rbio(server), tls.out, (int)tls.out_len), (int)tls.out_len);
    tls.out_len = 0;
    if (SSL_do_handshake(server) != 1) {
        return;
    }
    int len = SSL_read(server, seen, sizeof(seen) - 1);
    if (len > 0) {
        seen[len] = '\0';
        cr_assert_eq(SSL_write(server, RESPONSE, strlen(RESPONSE)), (int)strlen(RESPONSE));
    }
}

/* Gives the client what the server has to say, in pieces; flips a bit of octet `flip` of it. */
static enum nts_status turn_client(size_t piece_len, size_t flip)
{
    static uint8_t octets[LIGHT_MAX_IN];
    int len = BIO_read(SSL_get_wbio(server), octets, sizeof(octets));
    cr_assert_gt(len, 0);
    is_flipped = flip < (size_t)len;
    if (is_flipped) {
        octets[flip] ^= 0x10;
    }
    enum nts_status status = NTS_OK;
    for (size_t at = 0; at < (size_t)len && status == NTS_OK; at += piece_len) {
        size_t here = (size_t)len - at < piece_len ? (size_t)len - at : piece_len;
        memcpy(tls.in + tls.in_len, octets + at, here);
        status = light_tls_take(&tls, here, &error);
    }
    return status;
}

static void assert_exchange(size_t piece_len)
{
    open_both("X25519", TLS1_3_VERSION);
    turn_server();
    cr_assert_eq(turn_client(piece_len, SIZE_MAX), NTS_OK, "%s", error.text);
    cr_assert_eq(tls.state, LIGHT_ESTABLISHED);
    turn_server();
    cr_assert_str_eq(seen, REQUEST);
    cr_assert_str_eq(SSL_get_servername(server, TLSEXT_NAMETYPE_host_name), "ke.test");
    cr_assert_eq(turn_client(piece_len, SIZE_MAX), NTS_OK, "%s", error.text);
    cr_assert_eq(tls.data_len, strlen(RESPONSE));
    cr_assert_eq(memcmp(tls.data, RESPONSE, tls.data_len), 0);

    light_tls_end(&tls);
    turn_server();
    cr_assert_eq(SSL_get_shutdown(server), SSL_RECEIVED_SHUTDOWN);
    SSL_shutdown(server);
    cr_assert_eq(turn_client(piece_len, SIZE_MAX), NTS_OK, "%s", error.text);
    cr_assert_eq(tls.state, LIGHT_CLOSED);
    close_both();
}

Test(light_tls, speaks_tls_with_a_real_server)
{
    assert_exchange(SIZE_MAX / 2);
}

Test(light_tls, takes_the_stream_in_any_pieces)
{
    assert_exchange(1);
    assert_exchange(7);
    assert_exchange(300);
}

/* Whatever is changed on the way, the handshake does not complete. */
Test(light_tls, completes_no_handshake_that_was_tampered_with)
{
    size_t flip = 11;
    do {
        open_both("X25519", TLS1_3_VERSION);
        turn_server();
        enum nts_status status = turn_client(SIZE_MAX / 2, flip);
        cr_assert(!is_flipped || status == NTS_ERR_TLS || tls.state != LIGHT_ESTABLISHED,
                  "octet %zu", flip);
        close_both();
        flip += 13;
    } while (is_flipped);
    cr_assert_gt(flip, 300);
}

Test(light_tls, says_so_when_the_server_wants_something_else)
{
    open_both("P-256", TLS1_3_VERSION);
    turn_server();
    cr_assert_eq(turn_client(SIZE_MAX / 2, SIZE_MAX), NTS_ERR_TLS);
    close_both();
    open_both("X25519", TLS1_2_VERSION);
    turn_server();
    cr_assert_eq(turn_client(SIZE_MAX / 2, SIZE_MAX), NTS_ERR_TLS);
    cr_assert_not_null(strstr(error.text, "alert"), "%s", error.text);
    close_both();
}

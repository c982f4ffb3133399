/* A TLS 1.3 client (RFC 8446) that costs less than a server: for load only. It does a full
 * handshake that the server cannot tell from another, but uses one X25519 key pair for all
 * connections and does not verify the certificate, so it does not authenticate the server. It
 * offers X25519 and TLS_AES_128_GCM_SHA256 alone, no resumption and no retry. No I/O: octets from
 * the server go in, octets for the server come out. One thread. */
#ifndef NTS_LOAD_LIGHT_TLS_H
#define NTS_LOAD_LIGHT_TLS_H

#include "load/light_keys.h"

#include <openssl/aead.h>
#include <stdbool.h>

#define LIGHT_MAX_IN    20480 /* one record of any length, and the beginning of the next */
#define LIGHT_MAX_OUT   2048
#define LIGHT_MAX_DATA  8192
#define LIGHT_MAX_HELLO 8192 /* handshake messages that are not complete */

/* What all connections share. */
struct light_shared {
    uint8_t private_key[32];
    uint8_t public_key[32];
    uint8_t derived_early[LIGHT_HASH_LEN]; /* salt of the handshake secret, always the same */
    uint8_t empty_hash[LIGHT_HASH_LEN];
    const char *server_name; /* to be sent; NULL: none */
    const uint8_t *request;  /* goes out with the Finished message */
    size_t request_len;      /* LIGHT_MAX_OUT - 512 at most */
};

struct light_direction {
    EVP_AEAD_CTX aead;
    uint8_t iv[LIGHT_IV_LEN];
    uint64_t sequence;
    bool is_open;
};

enum light_state { LIGHT_HELLO, LIGHT_HANDSHAKE, LIGHT_ESTABLISHED, LIGHT_CLOSED };

struct light_tls {
    const struct light_shared *shared;
    enum light_state state;
    SHA256_CTX transcript;
    uint8_t handshake_secret[LIGHT_HASH_LEN];
    uint8_t client_secret[LIGHT_HASH_LEN];
    uint8_t server_secret[LIGHT_HASH_LEN];
    struct light_direction in_keys;
    struct light_direction out_keys;
    size_t in_len;
    size_t hello_len;
    size_t out_len;
    size_t data_len;
    uint8_t in[LIGHT_MAX_IN];       /* records as they came */
    uint8_t hello[LIGHT_MAX_HELLO]; /* handshake messages, as far as they are there */
    uint8_t out[LIGHT_MAX_OUT];     /* to be sent: the owner empties it */
    uint8_t data[LIGHT_MAX_DATA];   /* what the server said */
};

/* light_shared_init makes the key pair. The caller sets the name and the request. */
void light_shared_init(struct light_shared *shared);

/* light_tls_open begins a connection: the ClientHello is in `out`. */
void light_tls_open(struct light_tls *tls, const struct light_shared *shared);

/* light_tls_take processes what has been put at in + in_len, `len` octets. NTS_ERR_TLS with text if
 * the server breaks a rule, sends an alert or wants what is not offered. */
NTS_MUST_CHECK enum nts_status light_tls_take(struct light_tls *tls, size_t len,
                                              struct error *error);

/* light_tls_end puts close_notify in `out`. */
void light_tls_end(struct light_tls *tls);

/* light_tls_close frees what belongs to it. */
void light_tls_close(struct light_tls *tls);

#endif

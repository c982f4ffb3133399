#include "load/light_tls.h"

#include "base/cursor.h"
#include "load/light_hello.h"

#include <openssl/curve25519.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <string.h>

/* RFC 8446, sections 4, 5.1 and 6. */
enum { RECORD_CHANGE_CIPHER_SPEC = 20, RECORD_ALERT, RECORD_HANDSHAKE, RECORD_DATA };
enum { HELLO_SERVER = 2, HELLO_FINISHED = 20 };

#define VERSION_FIRST  0x0301 /* what the first record calls itself */
#define VERSION_OUTER  0x0303 /* and the others */
#define RECORD_HEADER  5
#define HELLO_HEADER   4
#define TAG_LEN        16
#define MAX_RECORD_LEN (16384 + 256)
#define CLOSE_NOTIFY   0
#define ALERT_WARNING  1

static enum nts_status fail(struct error *error, const char *text)
{
    ERR_clear_error();
    return error_set(error, NTS_ERR_TLS, "%s", text);
}

void light_shared_init(struct light_shared *shared)
{
    static const uint8_t zeros[LIGHT_HASH_LEN];
    uint8_t early_secret[LIGHT_HASH_LEN];
    *shared = (struct light_shared){0};
    X25519_keypair(shared->public_key, shared->private_key);
    SHA256(NULL, 0, shared->empty_hash);
    light_extract(early_secret, zeros, zeros);
    light_derive(shared->derived_early, early_secret, "derived", shared->empty_hash);
}

void light_tls_open(struct light_tls *tls, const struct light_shared *shared)
{
    tls->shared = shared;
    tls->state = LIGHT_HELLO;
    tls->in_len = tls->hello_len = tls->data_len = 0;
    tls->in_keys.is_open = tls->out_keys.is_open = false;

    struct writer w = writer_over(tls->out, sizeof(tls->out));
    uint8_t *record = write_space(&w, RECORD_HEADER);
    light_hello_write(&w, shared->public_key, shared->server_name);
    tls->out_len = writer_len(&w);
    record[0] = RECORD_HANDSHAKE;
    store_u16(record + 1, VERSION_FIRST);
    store_u16(record + 3, (uint16_t)(tls->out_len - RECORD_HEADER));
    SHA256_Init(&tls->transcript);
    SHA256_Update(&tls->transcript, tls->out + RECORD_HEADER, tls->out_len - RECORD_HEADER);
}

/* --- records --- */

static void open_direction(struct light_direction *direction, const uint8_t *secret)
{
    uint8_t key[LIGHT_KEY_LEN];
    if (direction->is_open) {
        EVP_AEAD_CTX_cleanup(&direction->aead);
    }
    light_expand(key, sizeof(key), secret, "key", NULL, 0);
    light_expand(direction->iv, sizeof(direction->iv), secret, "iv", NULL, 0);
    direction->sequence = 0;
    direction->is_open = EVP_AEAD_CTX_init(&direction->aead, EVP_aead_aes_128_gcm(), key,
                                           sizeof(key), TAG_LEN, NULL) == 1;
}

static void next_nonce(uint8_t nonce[LIGHT_IV_LEN], struct light_direction *direction)
{
    memcpy(nonce, direction->iv, LIGHT_IV_LEN);
    for (size_t i = 0; i < 8; i++) {
        nonce[LIGHT_IV_LEN - 1 - i] ^= (uint8_t)(direction->sequence >> 8 * i);
    }
    direction->sequence++;
}

/* Appends one sealed record to `out`. */
static void put_record(struct light_tls *tls, uint8_t type, const uint8_t *data, size_t len)
{
    uint8_t nonce[LIGHT_IV_LEN];
    uint8_t plaintext[LIGHT_MAX_OUT];
    size_t sealed_len = 0;
    uint8_t *record = tls->out + tls->out_len;
    size_t room = sizeof(tls->out) - tls->out_len;
    if (len + 1 > sizeof(plaintext) || RECORD_HEADER + len + 1 + TAG_LEN > room ||
        !tls->out_keys.is_open) {
        return;
    }
    memcpy(plaintext, data, len);
    plaintext[len] = type;
    record[0] = RECORD_DATA;
    store_u16(record + 1, VERSION_OUTER);
    store_u16(record + 3, (uint16_t)(len + 1 + TAG_LEN));
    next_nonce(nonce, &tls->out_keys);
    EVP_AEAD_CTX_seal(&tls->out_keys.aead, record + RECORD_HEADER, &sealed_len,
                      room - RECORD_HEADER, nonce, sizeof(nonce), plaintext, len + 1, record,
                      RECORD_HEADER);
    tls->out_len += RECORD_HEADER + sealed_len;
}

/* --- the handshake --- */

static void transcript_hash(uint8_t hash[LIGHT_HASH_LEN], const struct light_tls *tls)
{
    SHA256_CTX copy = tls->transcript;
    SHA256_Final(hash, &copy);
}

static enum nts_status take_server_hello(struct light_tls *tls, const uint8_t *body, size_t len,
                                         struct error *error)
{
    uint8_t shared_secret[32];
    uint8_t hash[LIGHT_HASH_LEN];
    const uint8_t *share = light_hello_find_share(body, len);
    if (share == NULL || !X25519(shared_secret, tls->shared->private_key, share)) {
        return fail(error, "the server does not take TLS 1.3 with X25519 and AES-128-GCM");
    }
    light_extract(tls->handshake_secret, tls->shared->derived_early, shared_secret);
    transcript_hash(hash, tls);
    light_derive(tls->client_secret, tls->handshake_secret, "c hs traffic", hash);
    light_derive(tls->server_secret, tls->handshake_secret, "s hs traffic", hash);
    open_direction(&tls->in_keys, tls->server_secret);
    open_direction(&tls->out_keys, tls->client_secret);
    tls->state = LIGHT_HANDSHAKE;
    return NTS_OK;
}

/* The transcript does not hold this message yet. */
static bool is_finished_right(const struct light_tls *tls, const uint8_t *body, size_t len)
{
    uint8_t hash[LIGHT_HASH_LEN];
    uint8_t expected[LIGHT_HASH_LEN];
    transcript_hash(hash, tls);
    light_finished(expected, tls->server_secret, hash);
    return len == sizeof(expected) && CRYPTO_memcmp(body, expected, len) == 0;
}

/* Answers the server's Finished, the transcript up to which is complete, and says the request. */
static void finish(struct light_tls *tls)
{
    static const uint8_t zeros[LIGHT_HASH_LEN];
    uint8_t hash[LIGHT_HASH_LEN];
    uint8_t salt[LIGHT_HASH_LEN];
    uint8_t master_secret[LIGHT_HASH_LEN];
    uint8_t message[HELLO_HEADER + LIGHT_HASH_LEN] = {HELLO_FINISHED, 0, 0, LIGHT_HASH_LEN};
    transcript_hash(hash, tls);
    light_finished(message + HELLO_HEADER, tls->client_secret, hash);
    put_record(tls, RECORD_HANDSHAKE, message, sizeof(message));

    light_derive(salt, tls->handshake_secret, "derived", tls->shared->empty_hash);
    light_extract(master_secret, salt, zeros);
    light_derive(tls->client_secret, master_secret, "c ap traffic", hash);
    light_derive(tls->server_secret, master_secret, "s ap traffic", hash);
    open_direction(&tls->in_keys, tls->server_secret);
    open_direction(&tls->out_keys, tls->client_secret);
    tls->state = LIGHT_ESTABLISHED;
    put_record(tls, RECORD_DATA, tls->shared->request, tls->shared->request_len);
}

/* Takes one whole handshake message. */
static enum nts_status take_message(struct light_tls *tls, const uint8_t *message, size_t len,
                                    struct error *error)
{
    const uint8_t *body = message + HELLO_HEADER;
    size_t body_len = len - HELLO_HEADER;
    if (tls->state == LIGHT_ESTABLISHED) {
        return NTS_OK; /* a ticket: we never come back */
    }
    if (tls->state == LIGHT_HELLO) {
        SHA256_Update(&tls->transcript, message, len);
        return message[0] == HELLO_SERVER ? take_server_hello(tls, body, body_len, error)
                                          : fail(error, "the server does not begin with its hello");
    }
    bool is_right = message[0] != HELLO_FINISHED || is_finished_right(tls, body, body_len);
    SHA256_Update(&tls->transcript, message, len);
    if (!is_right) {
        return fail(error, "the server's Finished message is wrong");
    }
    if (message[0] == HELLO_FINISHED) {
        finish(tls);
    }
    return NTS_OK; /* extensions and certificate are of no interest */
}

static enum nts_status take_handshake(struct light_tls *tls, const uint8_t *data, size_t len,
                                      struct error *error)
{
    if (tls->hello_len + len > sizeof(tls->hello)) {
        return fail(error, "the server's handshake is too long");
    }
    memcpy(tls->hello + tls->hello_len, data, len);
    tls->hello_len += len;
    size_t at = 0;
    while (tls->hello_len - at >= HELLO_HEADER) {
        const uint8_t *message = tls->hello + at;
        size_t message_len = HELLO_HEADER + (load_u32(message) & 0xffffff);
        if (message_len > tls->hello_len - at) {
            break;
        }
        enum nts_status status = take_message(tls, message, message_len, error);
        if (status != NTS_OK) {
            return status;
        }
        at += message_len;
    }
    tls->hello_len -= at;
    memmove(tls->hello, tls->hello + at, tls->hello_len);
    return NTS_OK;
}

static enum nts_status take_alert(struct light_tls *tls, const uint8_t *data, size_t len,
                                  struct error *error)
{
    if (len == 2 && data[1] == CLOSE_NOTIFY) {
        tls->state = LIGHT_CLOSED;
        return NTS_OK;
    }
    return error_set(error, NTS_ERR_TLS, "the server sent TLS alert %d", len == 2 ? data[1] : -1);
}

/* --- reading --- */

static enum nts_status take_content(struct light_tls *tls, uint8_t type, const uint8_t *data,
                                    size_t len, struct error *error)
{
    switch (type) {
    case RECORD_HANDSHAKE:
        return take_handshake(tls, data, len, error);
    case RECORD_ALERT:
        return take_alert(tls, data, len, error);
    case RECORD_CHANGE_CIPHER_SPEC:
        return NTS_OK; /* means nothing (RFC 8446, section 5) */
    default:
        break;
    }
    if (type != RECORD_DATA || tls->state != LIGHT_ESTABLISHED ||
        tls->data_len + len > sizeof(tls->data)) {
        return fail(error, "the server sent what is not expected");
    }
    memcpy(tls->data + tls->data_len, data, len);
    tls->data_len += len;
    return NTS_OK;
}

/* Takes one whole record, which it opens in place. */
static enum nts_status take_record(struct light_tls *tls, uint8_t *record, size_t len,
                                   struct error *error)
{
    uint8_t nonce[LIGHT_IV_LEN];
    uint8_t *body = record + RECORD_HEADER;
    size_t plain_len = 0;
    if (record[0] != RECORD_DATA) {
        return take_content(tls, record[0], body, len - RECORD_HEADER, error);
    }
    if (!tls->in_keys.is_open) {
        return fail(error, "the server sent data before its hello");
    }
    next_nonce(nonce, &tls->in_keys);
    if (!EVP_AEAD_CTX_open(&tls->in_keys.aead, body, &plain_len, len - RECORD_HEADER, nonce,
                           sizeof(nonce), body, len - RECORD_HEADER, record, RECORD_HEADER)) {
        return fail(error, "a record does not open");
    }
    while (plain_len > 0 && body[plain_len - 1] == 0) {
        plain_len--; /* padding */
    }
    if (plain_len == 0) {
        return fail(error, "a record has no content type");
    }
    return take_content(tls, body[plain_len - 1], body, plain_len - 1, error);
}

enum nts_status light_tls_take(struct light_tls *tls, size_t len, struct error *error)
{
    size_t at = 0;
    tls->in_len += len;
    while (tls->in_len - at >= RECORD_HEADER) {
        uint8_t *record = tls->in + at;
        size_t record_len = RECORD_HEADER + (size_t)load_u16(record + 3);
        if (record_len > RECORD_HEADER + MAX_RECORD_LEN) {
            return fail(error, "a record is too long");
        }
        if (record_len > tls->in_len - at) {
            break;
        }
        enum nts_status status = take_record(tls, record, record_len, error);
        if (status != NTS_OK) {
            return status;
        }
        at += record_len;
    }
    tls->in_len -= at;
    memmove(tls->in, tls->in + at, tls->in_len);
    return NTS_OK;
}

void light_tls_end(struct light_tls *tls)
{
    static const uint8_t alert[] = {ALERT_WARNING, CLOSE_NOTIFY};
    put_record(tls, RECORD_ALERT, alert, sizeof(alert));
}

void light_tls_close(struct light_tls *tls)
{
    if (tls->in_keys.is_open) {
        EVP_AEAD_CTX_cleanup(&tls->in_keys.aead);
    }
    if (tls->out_keys.is_open) {
        EVP_AEAD_CTX_cleanup(&tls->out_keys.aead);
    }
    tls->in_keys.is_open = tls->out_keys.is_open = false;
}

#include "load/light_hello.h"

#include "wire/ke_record.h"

#include <openssl/rand.h>

enum { HELLO_CLIENT = 1 };
enum {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_GROUPS = 10,
    EXTENSION_SIGNATURES = 13,
    EXTENSION_ALPN = 16,
    EXTENSION_VERSIONS = 43,
    EXTENSION_KEY_SHARE = 51,
};

#define VERSION_TLS12 0x0303 /* what TLS 1.3 calls itself outside of its extension */
#define VERSION_TLS13 0x0304
#define GROUP_X25519  0x001d
#define CIPHER_SUITE  0x1301 /* TLS_AES_128_GCM_SHA256 */
#define RANDOM_LEN    32

/* Begins something with a length of two octets in front; end_length fills it in. */
static uint8_t *begin_length(struct writer *w)
{
    return write_space(w, 2);
}

static void end_length(const struct writer *w, uint8_t *length)
{
    if (length != NULL) {
        store_u16(length, (uint16_t)(w->at - length - 2));
    }
}

static void write_u8(struct writer *w, uint8_t value)
{
    write_bytes(w, &value, 1);
}

static void write_key_share(struct writer *w, const uint8_t *public_key)
{
    write_u16(w, EXTENSION_KEY_SHARE);
    uint8_t *extension = begin_length(w);
    uint8_t *list = begin_length(w);
    write_u16(w, GROUP_X25519);
    write_u16(w, LIGHT_SHARE_LEN);
    write_bytes(w, public_key, LIGHT_SHARE_LEN);
    end_length(w, list);
    end_length(w, extension);
}

static void write_server_name(struct writer *w, const char *name)
{
    write_u16(w, EXTENSION_SERVER_NAME);
    uint8_t *extension = begin_length(w);
    uint8_t *list = begin_length(w);
    write_u8(w, 0); /* host_name */
    write_u16(w, (uint16_t)strlen(name));
    write_bytes(w, name, strlen(name));
    end_length(w, list);
    end_length(w, extension);
}

static void write_extensions(struct writer *w, const uint8_t *public_key, const char *server_name)
{
    static const uint8_t versions[] = {0, EXTENSION_VERSIONS, 0, 3, 2, 3, 4};
    static const uint8_t groups[] = {0, EXTENSION_GROUPS, 0, 4, 0, 2, 0, GROUP_X25519};
    /* Any signature algorithm: the signature is not verified. */
    static const uint8_t signatures[] = {0,    EXTENSION_SIGNATURES,
                                         0,    14,
                                         0,    12,
                                         0x04, 0x03,
                                         0x05, 0x03,
                                         0x08, 0x07,
                                         0x08, 0x04,
                                         0x08, 0x05,
                                         0x04, 0x01};
    write_bytes(w, versions, sizeof(versions));
    write_bytes(w, groups, sizeof(groups));
    write_bytes(w, signatures, sizeof(signatures));
    write_key_share(w, public_key);
    write_u16(w, EXTENSION_ALPN);
    write_u16(w, (uint16_t)(strlen(KE_ALPN) + 3));
    write_u16(w, (uint16_t)(strlen(KE_ALPN) + 1));
    write_u8(w, (uint8_t)strlen(KE_ALPN));
    write_bytes(w, KE_ALPN, strlen(KE_ALPN));
    if (server_name != NULL) {
        write_server_name(w, server_name);
    }
}

void light_hello_write(struct writer *w, const uint8_t public_key[LIGHT_SHARE_LEN],
                       const char *server_name)
{
    uint8_t random[RANDOM_LEN];
    RAND_bytes(random, sizeof(random));
    write_u8(w, HELLO_CLIENT);
    write_u8(w, 0); /* of the three octets of length */
    uint8_t *message = begin_length(w);
    write_u16(w, VERSION_TLS12);
    write_bytes(w, random, sizeof(random));
    write_u8(w, 0); /* no session id */
    write_u16(w, 2);
    write_u16(w, CIPHER_SUITE);
    write_u16(w, 0x0100); /* one method of compression: none */
    uint8_t *extensions = begin_length(w);
    write_extensions(w, public_key, server_name);
    end_length(w, extensions);
    end_length(w, message);
}

const uint8_t *light_hello_find_share(const uint8_t *body, size_t len)
{
    const uint8_t *share = NULL;
    bool is_tls13 = false;
    struct reader r = reader_over(body, len);
    read_bytes(&r, 2 + RANDOM_LEN);
    const uint8_t *session_id_len = read_bytes(&r, 1);
    read_bytes(&r, session_id_len != NULL ? *session_id_len : 0);
    bool is_suite = read_u16(&r) == CIPHER_SUITE;
    read_bytes(&r, 1 + 2);
    while (reader_more(&r)) {
        uint16_t type = read_u16(&r);
        uint16_t extension_len = read_u16(&r);
        const uint8_t *extension = read_bytes(&r, extension_len);
        if (extension == NULL) {
            return NULL;
        }
        if (type == EXTENSION_VERSIONS && extension_len == 2) {
            is_tls13 = load_u16(extension) == VERSION_TLS13;
        } else if (type == EXTENSION_KEY_SHARE && extension_len == 36 &&
                   load_u16(extension) == GROUP_X25519 && load_u16(extension + 2) == 32) {
            share = extension + 4;
        }
    }
    return reader_status(&r) == NTS_OK && is_suite && is_tls13 ? share : NULL;
}

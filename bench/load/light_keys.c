#include "load/light_keys.h"

#include "base/cursor.h"

#include <openssl/hmac.h>

#define LABEL_PREFIX     "tls13 "
#define MAX_HKDF_LABEL   80 /* two octets, a label and a hash with their lengths */
#define SINGLE_BLOCK_END 1  /* the counter behind the only block of HKDF-Expand */

void light_extract(uint8_t out[LIGHT_HASH_LEN], const uint8_t salt[LIGHT_HASH_LEN],
                   const uint8_t input[LIGHT_HASH_LEN])
{
    unsigned len;
    HMAC(EVP_sha256(), salt, LIGHT_HASH_LEN, input, LIGHT_HASH_LEN, out, &len);
}

void light_expand(uint8_t *out, size_t out_len, const uint8_t secret[LIGHT_HASH_LEN],
                  const char *label, const uint8_t *context, size_t context_len)
{
    uint8_t info[MAX_HKDF_LABEL];
    uint8_t block[LIGHT_HASH_LEN];
    unsigned block_len;
    uint8_t label_len = (uint8_t)(strlen(LABEL_PREFIX) + strlen(label));
    uint8_t short_context_len = (uint8_t)context_len;
    uint8_t counter = SINGLE_BLOCK_END;
    struct writer w = writer_over(info, sizeof(info));
    write_u16(&w, (uint16_t)out_len);
    write_bytes(&w, &label_len, 1);
    write_bytes(&w, LABEL_PREFIX, strlen(LABEL_PREFIX));
    write_bytes(&w, label, strlen(label));
    write_bytes(&w, &short_context_len, 1);
    write_bytes(&w, context, context_len);
    write_bytes(&w, &counter, 1);
    /* HKDF-Expand of one block (RFC 5869, section 2.3) is one HMAC. */
    HMAC(EVP_sha256(), secret, LIGHT_HASH_LEN, info, writer_len(&w), block, &block_len);
    memcpy(out, block, out_len);
}

void light_derive(uint8_t out[LIGHT_HASH_LEN], const uint8_t secret[LIGHT_HASH_LEN],
                  const char *label, const uint8_t transcript_hash[LIGHT_HASH_LEN])
{
    light_expand(out, LIGHT_HASH_LEN, secret, label, transcript_hash, LIGHT_HASH_LEN);
}

void light_finished(uint8_t out[LIGHT_HASH_LEN], const uint8_t traffic_secret[LIGHT_HASH_LEN],
                    const uint8_t transcript_hash[LIGHT_HASH_LEN])
{
    uint8_t key[LIGHT_HASH_LEN];
    unsigned len;
    light_expand(key, sizeof(key), traffic_secret, "finished", NULL, 0);
    HMAC(EVP_sha256(), key, sizeof(key), transcript_hash, LIGHT_HASH_LEN, out, &len);
}

/* The key schedule of TLS 1.3 (RFC 8446, section 7.1) for SHA-256, as far as light_tls needs it.
 * Pure; never allocates. */
#ifndef NTS_LOAD_LIGHT_KEYS_H
#define NTS_LOAD_LIGHT_KEYS_H

#include "base/status.h"

#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>

#define LIGHT_HASH_LEN SHA256_DIGEST_LENGTH
#define LIGHT_KEY_LEN  16 /* AES-128-GCM */
#define LIGHT_IV_LEN   12

/* light_extract is HKDF-Extract. */
void light_extract(uint8_t out[LIGHT_HASH_LEN], const uint8_t salt[LIGHT_HASH_LEN],
                   const uint8_t input[LIGHT_HASH_LEN]);

/* light_expand is HKDF-Expand-Label for up to LIGHT_HASH_LEN octets; `context` may be empty. */
void light_expand(uint8_t *out, size_t out_len, const uint8_t secret[LIGHT_HASH_LEN],
                  const char *label, const uint8_t *context, size_t context_len);

/* light_derive is Derive-Secret, given the hash of the messages so far. */
void light_derive(uint8_t out[LIGHT_HASH_LEN], const uint8_t secret[LIGHT_HASH_LEN],
                  const char *label, const uint8_t transcript_hash[LIGHT_HASH_LEN]);

/* light_finished computes the verify_data of a Finished message (section 4.4.4). */
void light_finished(uint8_t out[LIGHT_HASH_LEN], const uint8_t traffic_secret[LIGHT_HASH_LEN],
                    const uint8_t transcript_hash[LIGHT_HASH_LEN]);

#endif

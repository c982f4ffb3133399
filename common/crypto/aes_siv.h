/* AES-SIV (RFC 5297): deterministic authenticated encryption over a vector of strings.
 * The output is the 16-octet synthetic IV, then the ciphertext. Thread-safe, never allocates. */
#ifndef NTS_CRYPTO_AES_SIV_H
#define NTS_CRYPTO_AES_SIV_H

#include "base/status.h"

#include <openssl/aes.h>
#include <stddef.h>
#include <stdint.h>

#define SIV_TAG_LEN 16

/* Both halves of a key, expanded. */
struct siv_key {
    AES_KEY mac;
    AES_KEY ctr;
    uint8_t subkey_whole[16];   /* CMAC K1: the last block is whole */
    uint8_t subkey_partial[16]; /* CMAC K2: the last block was padded */
    uint8_t mac_of_zero[16];    /* S2V starts from CMAC(0^128) */
};

/* One string of the vector. Empty strings count: (empty, nonce) is not (nonce). */
struct siv_string {
    const uint8_t *data;
    size_t len;
};

/* siv_key_init expands `key` of 32, 48 or 64 octets (AES-128, -192, -256). Wipe it after use. */
void siv_key_init(struct siv_key *siv, const uint8_t *key, size_t key_len);

/* siv_sum runs S2V (RFC 5297, section 2.4) over the `num_ad` strings at `ad` alone: where a S2V
 * that begins with them can start from. */
void siv_sum(const struct siv_key *siv, uint8_t sum[16], const struct siv_string *ad,
             size_t num_ad);

/* siv_seal writes SIV_TAG_LEN + `plaintext_len` octets to `out`. `plaintext` may be
 * `out` + SIV_TAG_LEN. The vector is the `num_ad` strings at `ad`, the nonce last among them if
 * there is one (RFC 5297, section 3). */
void siv_seal(const struct siv_key *siv, uint8_t *out, const struct siv_string *ad, size_t num_ad,
              const uint8_t *plaintext, size_t plaintext_len);

/* siv_open checks the `len` octets (tag first) at `in` and writes `len` - SIV_TAG_LEN octets of
 * plaintext. NTS_ERR_FORGED, with the output zeroed, if they are not authentic. */
NTS_MUST_CHECK enum nts_status siv_open(const struct siv_key *siv, uint8_t *plaintext,
                                        const struct siv_string *ad, size_t num_ad,
                                        const uint8_t *in, size_t len);

#endif

#include "crypto/aes_siv.h"

#include <assert.h>
#include <openssl/mem.h>
#include <string.h>

#define BLOCK_LEN 16

static void xor_block(uint8_t *out, const uint8_t *in)
{
    for (int i = 0; i < BLOCK_LEN; i++) {
        out[i] ^= in[i];
    }
}

/* Multiplication by x in GF(2^128) (RFC 5297, section 2.3), without a branch on the secret bit. */
static void double_block(uint8_t block[BLOCK_LEN])
{
    uint8_t carry = block[0] >> 7;
    for (int i = 0; i < BLOCK_LEN - 1; i++) {
        block[i] = (uint8_t)(block[i] << 1 | block[i + 1] >> 7);
    }
    block[BLOCK_LEN - 1] = (uint8_t)(block[BLOCK_LEN - 1] << 1 ^ (0x87 & -carry));
}

/* AES-CMAC (RFC 4493) over a string that comes in pieces. The newest whole block is held back,
 * because the last one is treated differently. */
struct cmac {
    const struct siv_key *siv;
    uint8_t state[BLOCK_LEN];
    uint8_t held[BLOCK_LEN];
    size_t num_held;
};

static void cmac_block(struct cmac *cmac, const uint8_t *block)
{
    xor_block(cmac->state, block);
    AES_encrypt(cmac->state, cmac->state, &cmac->siv->mac);
}

static void cmac_update(struct cmac *cmac, const uint8_t *data, size_t len)
{
    if (len == 0) {
        return;
    }
    size_t room = BLOCK_LEN - cmac->num_held;
    if (len > room) {
        memcpy(cmac->held + cmac->num_held, data, room);
        cmac_block(cmac, cmac->held);
        data += room;
        len -= room;
        cmac->num_held = 0;
        while (len > BLOCK_LEN) {
            cmac_block(cmac, data);
            data += BLOCK_LEN;
            len -= BLOCK_LEN;
        }
    }
    memcpy(cmac->held + cmac->num_held, data, len);
    cmac->num_held += len;
}

static void cmac_final(struct cmac *cmac, uint8_t out[BLOCK_LEN])
{
    if (cmac->num_held == BLOCK_LEN) {
        xor_block(cmac->held, cmac->siv->subkey_whole);
    } else {
        cmac->held[cmac->num_held] = 0x80;
        memset(cmac->held + cmac->num_held + 1, 0, BLOCK_LEN - cmac->num_held - 1);
        xor_block(cmac->held, cmac->siv->subkey_partial);
    }
    cmac_block(cmac, cmac->held);
    memcpy(out, cmac->state, BLOCK_LEN);
}

void siv_sum(const struct siv_key *siv, uint8_t sum[BLOCK_LEN], const struct siv_string *ad,
             size_t num_ad)
{
    memcpy(sum, siv->mac_of_zero, BLOCK_LEN);
    for (size_t i = 0; i < num_ad; i++) {
        struct cmac cmac = {.siv = siv};
        uint8_t mac[BLOCK_LEN];
        cmac_update(&cmac, ad[i].data, ad[i].len);
        cmac_final(&cmac, mac);
        double_block(sum);
        xor_block(sum, mac);
    }
}

/* S2V (RFC 5297, section 2.4): the synthetic IV of the vector (ad..., plaintext). */
static void s2v(const struct siv_key *siv, uint8_t iv[BLOCK_LEN], const struct siv_string *ad,
                size_t num_ad, const uint8_t *plaintext, size_t plaintext_len)
{
    uint8_t sum[BLOCK_LEN];
    siv_sum(siv, sum, ad, num_ad);
    struct cmac cmac = {.siv = siv};
    if (plaintext_len >= BLOCK_LEN) {
        /* The sum is xored onto the end of the plaintext. */
        size_t head_len = plaintext_len - BLOCK_LEN;
        xor_block(sum, plaintext + head_len);
        cmac_update(&cmac, plaintext, head_len);
        cmac_update(&cmac, sum, BLOCK_LEN);
    } else {
        uint8_t padded[BLOCK_LEN] = {0};
        if (plaintext_len > 0) {
            memcpy(padded, plaintext, plaintext_len);
        }
        padded[plaintext_len] = 0x80;
        double_block(sum);
        xor_block(sum, padded);
        cmac_update(&cmac, sum, BLOCK_LEN);
    }
    cmac_final(&cmac, iv);
}

/* CTR mode from the synthetic IV with two bits cleared (RFC 5297, section 2.5). */
static void siv_ctr(const struct siv_key *siv, uint8_t *out, const uint8_t *iv, const uint8_t *in,
                    size_t len)
{
    uint8_t counter[BLOCK_LEN];
    uint8_t keystream[BLOCK_LEN];
    unsigned num_used = 0;
    memcpy(counter, iv, BLOCK_LEN);
    counter[8] &= 0x7f;
    counter[12] &= 0x7f;
    AES_ctr128_encrypt(in, out, len, &siv->ctr, counter, keystream, &num_used);
}

void siv_key_init(struct siv_key *siv, const uint8_t *key, size_t key_len)
{
    assert(key_len == 32 || key_len == 48 || key_len == 64);
    size_t half_len = key_len / 2;
    AES_set_encrypt_key(key, (unsigned)half_len * 8, &siv->mac);
    AES_set_encrypt_key(key + half_len, (unsigned)half_len * 8, &siv->ctr);

    /* CMAC subkeys (RFC 4493, section 2.3). */
    memset(siv->subkey_whole, 0, BLOCK_LEN);
    AES_encrypt(siv->subkey_whole, siv->subkey_whole, &siv->mac);
    double_block(siv->subkey_whole);
    memcpy(siv->subkey_partial, siv->subkey_whole, BLOCK_LEN);
    double_block(siv->subkey_partial);

    static const uint8_t zero[BLOCK_LEN];
    struct cmac cmac = {.siv = siv};
    cmac_update(&cmac, zero, BLOCK_LEN);
    cmac_final(&cmac, siv->mac_of_zero);
}

void siv_seal(const struct siv_key *siv, uint8_t *out, const struct siv_string *ad, size_t num_ad,
              const uint8_t *plaintext, size_t plaintext_len)
{
    uint8_t iv[BLOCK_LEN];
    s2v(siv, iv, ad, num_ad, plaintext, plaintext_len);
    if (plaintext_len > 0) {
        siv_ctr(siv, out + SIV_TAG_LEN, iv, plaintext, plaintext_len);
    }
    memcpy(out, iv, SIV_TAG_LEN);
}

enum nts_status siv_open(const struct siv_key *siv, uint8_t *plaintext, const struct siv_string *ad,
                         size_t num_ad, const uint8_t *in, size_t len)
{
    if (len < SIV_TAG_LEN) {
        return NTS_ERR_FORGED;
    }
    size_t plaintext_len = len - SIV_TAG_LEN;
    uint8_t claimed[BLOCK_LEN]; /* the plaintext may be written over the input */
    uint8_t actual[BLOCK_LEN];
    memcpy(claimed, in, SIV_TAG_LEN);
    if (plaintext_len > 0) {
        siv_ctr(siv, plaintext, claimed, in + SIV_TAG_LEN, plaintext_len);
    }
    s2v(siv, actual, ad, num_ad, plaintext, plaintext_len);
    if (CRYPTO_memcmp(claimed, actual, SIV_TAG_LEN) != 0) {
        OPENSSL_cleanse(plaintext, plaintext_len);
        return NTS_ERR_FORGED;
    }
    return NTS_OK;
}

/* What every path of the AEADs works on: an algorithm, a key that is expanded once, and one
 * operation. The verbs are in aead.h. */
#ifndef NTS_CRYPTO_AEAD_JOB_H
#define NTS_CRYPTO_AEAD_JOB_H

#include "base/status.h"
#include "crypto/aes_siv.h"
#include "crypto/lanes/lanes_key.h"

#include <openssl/aead.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum aead_id {
    AEAD_AES_SIV_CMAC_256 = 15,
    AEAD_AES_SIV_CMAC_384 = 16,
    AEAD_AES_SIV_CMAC_512 = 17,
    AEAD_AES_128_GCM_SIV = 30,
};

#define AEAD_NUM_ALGORITHMS 4
#define AEAD_MAX_KEY_LEN    64
#define AEAD_MAX_NONCE_LEN  16 /* of the nonces that we make */
#define AEAD_TAG_LEN        16 /* of every algorithm here */

struct aead_algorithm {
    uint8_t index; /* 0 .. AEAD_NUM_ALGORITHMS - 1, for tables */
    uint8_t key_len;
    uint8_t nonce_len;     /* what we generate */
    uint8_t max_nonce_len; /* N_MAX; 0: any length (RFC 5297, section 6) */
    uint16_t id;
    const char *name;
};

/* A key that is expanded once and used for many jobs: a master key. Its place must not move, and
 * aead_expanded_cleanup ends its life. */
struct aead_expanded {
    const struct aead_algorithm *aead;
    bool omits_ad;
    union {
        struct siv_key siv;
        EVP_AEAD_CTX gcm_siv;
    } boringssl;
    struct lanes_key lanes; /* the same for the processor's own instructions, if it has them */
};

/* One operation. Sealing writes in_len + AEAD_TAG_LEN octets to `out`, opening in_len -
 * AEAD_TAG_LEN. `in` and `out` must not overlap. The key must outlive the call. */
struct aead_job {
    const struct aead_algorithm *aead;
    const uint8_t *key;                   /* aead->key_len octets; unused with `expanded` */
    const struct aead_expanded *expanded; /* of `aead`, or NULL; ad_len has to be zero with it */
    uint8_t *out;
    const uint8_t *nonce;
    size_t nonce_len;
    const uint8_t *ad;
    size_t ad_len;
    const uint8_t *in;
    size_t in_len;
    /* Set by the batch: NTS_OK, NTS_ERR_FORGED when opening, or NTS_ERR_INTERNAL: associated data
     * with `expanded`, which would not be authenticated, or no memory. */
    enum nts_status status;
};

#endif

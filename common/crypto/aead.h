/* The AEAD algorithms that NTS can negotiate (RFC 8915, section 5.1; IANA AEAD registry), and one
 * way to call them all, one at a time or as a batch. Thread-safe, never allocates. */
#ifndef NTS_CRYPTO_AEAD_H
#define NTS_CRYPTO_AEAD_H

#include "base/status.h"

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

/* aead_find returns the algorithm with that IANA number, NULL if it is none of ours. */
const struct aead_algorithm *aead_find(uint16_t id);

/* aead_at returns the algorithm with that index (below AEAD_NUM_ALGORITHMS). */
const struct aead_algorithm *aead_at(size_t index);

/* aead_required_nonce_room returns N_REQ = min(16, N_MAX), rounded up to a multiple of four: what a
 * padded nonce and the Additional Padding must reach together (RFC 8915, section 5.6). */
size_t aead_required_nonce_room(const struct aead_algorithm *aead);

/* aead_nonce_fits judges the nonce of a request. `nonce_room` is the padded nonce and the
 * Additional Padding together; an empty nonce is below N_MIN. */
bool aead_nonce_fits(const struct aead_algorithm *aead, size_t nonce_len, size_t nonce_room);

/* One operation. Sealing writes in_len + AEAD_TAG_LEN octets to `out`, opening in_len -
 * AEAD_TAG_LEN. `in` and `out` must not overlap. The key must outlive the call. */
struct aead_job {
    const struct aead_algorithm *aead;
    const uint8_t *key; /* aead->key_len octets */
    uint8_t *out;
    const uint8_t *nonce;
    size_t nonce_len;
    const uint8_t *ad;
    size_t ad_len;
    const uint8_t *in;
    size_t in_len;
    enum nts_status status; /* set by the batch: NTS_OK, or NTS_ERR_FORGED when opening */
};

/* aead_seal_batch and aead_open_batch do each of the `num` jobs, in any order. What is not
 * authentic is NTS_ERR_FORGED in its job's status, its output zeroed. */
void aead_seal_batch(struct aead_job *jobs, size_t num);
void aead_open_batch(struct aead_job *jobs, size_t num);

#endif

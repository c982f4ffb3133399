/* The AEAD algorithms that NTS can negotiate (RFC 8915, section 5.1; IANA AEAD registry), and one
 * way to call them all, one at a time or as a batch. Thread-safe, never allocates. */
#ifndef NTS_CRYPTO_AEAD_H
#define NTS_CRYPTO_AEAD_H

#include "crypto/aead_job.h"

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

/* aead_expand takes the aead->key_len octets at `key`: AEAD_AES_SIV_CMAC_256 or
 * AEAD_AES_128_GCM_SIV. With `omits_ad` the vector of SIV is (nonce, plaintext), without the empty
 * string in front that stands for "no associated data". False if there is no memory. */
NTS_MUST_CHECK bool aead_expand(struct aead_expanded *expanded, const struct aead_algorithm *aead,
                                const uint8_t *key, bool omits_ad);

/* aead_expanded_cleanup wipes; zeroed memory that was never expanded is allowed. */
void aead_expanded_cleanup(struct aead_expanded *expanded);

/* aead_seal_batch and aead_open_batch do each of the `num` jobs, in any order, many at a time where
 * the processor can. What is not authentic is NTS_ERR_FORGED in its job's status, its output
 * zeroed. */
void aead_seal_batch(struct aead_job *jobs, size_t num);
void aead_open_batch(struct aead_job *jobs, size_t num);

/* How the work is done. All give the same octets. */
#define AEAD_PATH_TABLE(X)                                                                         \
    X(BORINGSSL, "boringssl") /* one job after the other, on every machine; the reference */       \
    X(AESNI, "aesni")         /* x86-64 with AES-NI, PCLMULQDQ and AVX: eight streams at once */   \
    X(VAES, "vaes")           /* x86-64 with VAES, VPCLMULQDQ and AVX-512: four in a register */

enum aead_path {
#define AEAD_PATH_ENUM(name, label) AEAD_PATH_##name,
    AEAD_PATH_TABLE(AEAD_PATH_ENUM)
#undef AEAD_PATH_ENUM
        AEAD_NUM_PATHS
};

/* aead_path_name returns the label of a path. */
const char *aead_path_name(enum aead_path path);

/* aead_path_is_present tells whether this build and this processor have the path. */
bool aead_path_is_present(enum aead_path path);

/* aead_path_current returns the path in use, chosen at first use: the last one that is present, or
 * the one that the environment variable NTS_AEAD_PATH names, if that is present. */
enum aead_path aead_path_current(void);

/* aead_path_select replaces the choice, for tests and benchmarks; the path must be present. */
void aead_path_select(enum aead_path path);

#endif

/* AEAD_AES_SIV_CMAC_256 and AEAD_AES_128_GCM_SIV with the processor's own instructions, many jobs
 * side by side: an AES round takes several cycles to finish, but one or two can start in each, so
 * that a chain of dependent blocks keeps the unit idle most of the time, and eight chains do not.
 *
 * One vector is as many 128-bit lanes as a register has, and each lane belongs to one job:
 *   vec.h       what a vector can do, for registers of one and of four lanes
 *   aes.h       key expansion, and encryption under a key of each lane's own
 *   chain.h     chains of dependent blocks (CMAC, POLYVAL), several vectors in flight, each one
 *               that ends replaced by the next
 *   ctr.h       counter mode: the blocks of one job are independent, and fill the lanes themselves
 *   siv.h       RFC 5297;  gcm_siv.h   RFC 8452
 * They are templates: aesni.c and vaes.c include them with their own LANES and compiler options.
 *
 * Constant time: secrets are neither branched on nor used as an address. Lengths are public, and so
 * is the verdict on a tag. tests/constant-time shows it. */
#ifndef NTS_CRYPTO_LANES_H
#define NTS_CRYPTO_LANES_H

#include "crypto/aead_job.h"

#define LANES_MAX_JOBS 32

struct lanes {
    /* Whether this processor has the instructions. */
    bool (*is_present)(void);
    /* Both seal or open 1 .. LANES_MAX_JOBS jobs and set their statuses. Jobs of one call are all
     * with `expanded` or all without; in_len is at least AEAD_TAG_LEN when opening. */
    void (*siv)(struct aead_job *const *jobs, size_t num, bool seal);
    void (*gcm_siv)(struct aead_job *const *jobs, size_t num, bool seal);
};

extern const struct lanes lanes_aesni;
extern const struct lanes lanes_vaes;

/* lanes_key_expand expands `num` (1 or 2) AES-128 keys into key->first and key->ctr. Needs
 * lanes_aesni.is_present(). */
void lanes_key_expand(struct lanes_key *key, const uint8_t *octets, size_t num);

#endif

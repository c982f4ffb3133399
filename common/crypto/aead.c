#include "crypto/aead.h"

#include "base/cursor.h"
#include "crypto/aes_siv.h"

#include <openssl/aead.h>
#include <openssl/err.h>
#include <openssl/mem.h>

static const struct aead_algorithm algorithms[AEAD_NUM_ALGORITHMS] = {
    {0, 32, 16, 0, AEAD_AES_SIV_CMAC_256, "AEAD_AES_SIV_CMAC_256"},
    {1, 48, 16, 0, AEAD_AES_SIV_CMAC_384, "AEAD_AES_SIV_CMAC_384"},
    {2, 64, 16, 0, AEAD_AES_SIV_CMAC_512, "AEAD_AES_SIV_CMAC_512"},
    {3, 16, 12, 12, AEAD_AES_128_GCM_SIV, "AEAD_AES_128_GCM_SIV"},
};

const struct aead_algorithm *aead_find(uint16_t id)
{
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        if (algorithms[i].id == id) {
            return &algorithms[i];
        }
    }
    return NULL;
}

const struct aead_algorithm *aead_at(size_t index)
{
    return &algorithms[index];
}

size_t aead_required_nonce_room(const struct aead_algorithm *aead)
{
    size_t required = 16;
    return aead->max_nonce_len != 0 && aead->max_nonce_len < required ? pad4(aead->max_nonce_len)
                                                                      : required;
}

bool aead_nonce_fits(const struct aead_algorithm *aead, size_t nonce_len, size_t nonce_room)
{
    /* AES-GCM-SIV takes nonces of exactly 96 bits (RFC 8452, section 6). */
    if (aead->max_nonce_len != 0 && nonce_len != aead->max_nonce_len) {
        return false;
    }
    return nonce_len > 0 && nonce_room >= aead_required_nonce_room(aead);
}

static enum nts_status siv_job(const struct aead_job *job, bool seal)
{
    /* RFC 5297, section 3: the nonce is the last string before the plaintext. */
    const struct siv_string ad[] = {{job->ad, job->ad_len}, {job->nonce, job->nonce_len}};
    struct siv_key key;
    enum nts_status status = NTS_OK;
    siv_key_init(&key, job->key, job->aead->key_len);
    if (seal) {
        siv_seal(&key, job->out, ad, 2, job->in, job->in_len);
    } else {
        status = siv_open(&key, job->out, ad, 2, job->in, job->in_len);
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return status;
}

static enum nts_status gcm_siv_job(const struct aead_job *job, bool seal)
{
    EVP_AEAD_CTX ctx;
    size_t out_len;
    if (!EVP_AEAD_CTX_init(&ctx, EVP_aead_aes_128_gcm_siv(), job->key, job->aead->key_len,
                           AEAD_TAG_LEN, NULL)) {
        return NTS_ERR_INTERNAL;
    }
    int done =
        seal ? EVP_AEAD_CTX_seal(&ctx, job->out, &out_len, job->in_len + AEAD_TAG_LEN, job->nonce,
                                 job->nonce_len, job->in, job->in_len, job->ad, job->ad_len)
             : EVP_AEAD_CTX_open(&ctx, job->out, &out_len, job->in_len, job->nonce, job->nonce_len,
                                 job->in, job->in_len, job->ad, job->ad_len);
    EVP_AEAD_CTX_cleanup(&ctx);
    if (done != 1) {
        ERR_clear_error();
        return NTS_ERR_FORGED;
    }
    return NTS_OK;
}

static void run_batch(struct aead_job *jobs, size_t num, bool seal)
{
    for (size_t i = 0; i < num; i++) {
        jobs[i].status = jobs[i].aead->id == AEAD_AES_128_GCM_SIV ? gcm_siv_job(&jobs[i], seal)
                                                                  : siv_job(&jobs[i], seal);
    }
}

void aead_seal_batch(struct aead_job *jobs, size_t num)
{
    run_batch(jobs, num, true);
}

void aead_open_batch(struct aead_job *jobs, size_t num)
{
    run_batch(jobs, num, false);
}

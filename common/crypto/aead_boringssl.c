#include "crypto/aead_boringssl.h"

#include <openssl/err.h>
#include <openssl/mem.h>

static enum nts_status siv_run(const struct aead_job *job, const struct siv_key *key, bool omits_ad,
                               bool seal)
{
    /* RFC 5297, section 3: the nonce is the last string before the plaintext. */
    const struct siv_string strings[] = {{job->ad, job->ad_len}, {job->nonce, job->nonce_len}};
    const struct siv_string *first = omits_ad ? &strings[1] : &strings[0];
    size_t num = omits_ad ? 1 : 2;
    if (seal) {
        siv_seal(key, job->out, first, num, job->in, job->in_len);
        return NTS_OK;
    }
    return siv_open(key, job->out, first, num, job->in, job->in_len);
}

static enum nts_status gcm_siv_run(const struct aead_job *job, const EVP_AEAD_CTX *ctx, bool seal)
{
    size_t out_len;
    if (!seal && job->in_len < AEAD_TAG_LEN) {
        return NTS_ERR_FORGED;
    }
    int done =
        seal ? EVP_AEAD_CTX_seal(ctx, job->out, &out_len, job->in_len + AEAD_TAG_LEN, job->nonce,
                                 job->nonce_len, job->in, job->in_len, job->ad, job->ad_len)
             : EVP_AEAD_CTX_open(ctx, job->out, &out_len, job->in_len - AEAD_TAG_LEN, job->nonce,
                                 job->nonce_len, job->in, job->in_len, job->ad, job->ad_len);
    if (done != 1) {
        ERR_clear_error();
        return NTS_ERR_FORGED;
    }
    return NTS_OK;
}

static enum nts_status expanded_run(const struct aead_job *job, bool seal)
{
    const struct aead_expanded *expanded = job->expanded;
    if (job->ad_len > 0) {
        return NTS_ERR_INTERNAL; /* a key that omits it would leave it unauthenticated */
    }
    return expanded->aead->id == AEAD_AES_128_GCM_SIV
               ? gcm_siv_run(job, &expanded->boringssl.gcm_siv, seal)
               : siv_run(job, &expanded->boringssl.siv, expanded->omits_ad, seal);
}

static enum nts_status fresh_siv_run(const struct aead_job *job, bool seal)
{
    struct siv_key key;
    siv_key_init(&key, job->key, job->aead->key_len);
    enum nts_status status = siv_run(job, &key, false, seal);
    OPENSSL_cleanse(&key, sizeof(key));
    return status;
}

static enum nts_status fresh_gcm_siv_run(const struct aead_job *job, bool seal)
{
    EVP_AEAD_CTX ctx;
    if (!EVP_AEAD_CTX_init(&ctx, EVP_aead_aes_128_gcm_siv(), job->key, job->aead->key_len,
                           AEAD_TAG_LEN, NULL)) {
        return NTS_ERR_INTERNAL;
    }
    enum nts_status status = gcm_siv_run(job, &ctx, seal);
    EVP_AEAD_CTX_cleanup(&ctx);
    return status;
}

void boringssl_run(struct aead_job *job, bool seal)
{
    if (job->expanded != NULL) {
        job->status = expanded_run(job, seal);
    } else if (job->aead->id == AEAD_AES_128_GCM_SIV) {
        job->status = fresh_gcm_siv_run(job, seal);
    } else {
        job->status = fresh_siv_run(job, seal);
    }
}

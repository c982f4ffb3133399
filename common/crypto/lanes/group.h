/* The jobs that share a vector, one in each lane. Part of the template of lanes.h. */
#ifndef NTS_CRYPTO_LANES_GROUP_H
#define NTS_CRYPTO_LANES_GROUP_H

#include "crypto/lanes/lanes.h"
#include "crypto/lanes/vec.h"
#include "crypto/secret_mem.h"

#define MAX_GROUPS ((LANES_MAX_JOBS + LANES - 1) / LANES)

struct group {
    size_t num; /* lanes behind them repeat the first job; the result is dropped */
    struct aead_job *jobs[LANES];
    bool same_key;  /* one expanded key for all lanes */
    bool same_text; /* one length of text for all lanes */
    const uint8_t *ad[LANES];
    size_t ad_len[LANES];
    const uint8_t *text[LANES]; /* the plaintext: given when sealing, decrypted when opening */
    size_t text_len[LANES];
};

static ALWAYS_INLINE void group_fill(struct group *group, struct aead_job *const *jobs,
                                     size_t num_left, bool seal)
{
    group->num = num_left < LANES ? num_left : LANES;
    group->same_key = jobs[0]->expanded != NULL;
    group->same_text = true;
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        struct aead_job *job = jobs[lane < group->num ? lane : 0];
        group->jobs[lane] = job;
        group->ad[lane] = job->ad;
        group->ad_len[lane] = job->ad_len;
        group->text[lane] = seal ? job->in : job->out;
        group->text_len[lane] = seal ? job->in_len : job->in_len - AEAD_TAG_LEN;
        group->same_key &= job->expanded == jobs[0]->expanded;
        group->same_text &= job->in_len == jobs[0]->in_len;
    }
}

/* Compares the tags all at once. The verdict is public: everyone sees it in the reply. */
static inline void group_judge(const struct group *group, size_t lane, const uint8_t *actual,
                               const uint8_t *claimed)
{
    struct aead_job *job = group->jobs[lane];
    block difference = _mm_xor_si128(block_load(actual), block_load(claimed));
    job->status = NTS_OK;
    if (!_mm_testz_si128(difference, difference)) {
        job->status = NTS_ERR_FORGED;
        if (group->text_len[lane] > 0) {
            memset(job->out, 0, group->text_len[lane]);
        }
    }
}

#endif

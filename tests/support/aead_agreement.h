/* The claim that every path of the AEADs gives the same octets as BoringSSL, on batches drawn from
 * a source of octets: a seed in the unit tests, the fuzzer's input in tests/fuzz. */
#ifndef NTS_TESTS_AEAD_AGREEMENT_H
#define NTS_TESTS_AEAD_AGREEMENT_H

#include "crypto/aead.h"

#include <stdlib.h>
#include <string.h>

#define AGREEMENT_MAX_JOBS 64
#define AGREEMENT_MAX_LEN  400
#define AGREEMENT_OUT_LEN  (AGREEMENT_MAX_LEN + 2 * AEAD_TAG_LEN) /* and a margin to watch */

/* Gives out `data`, then octets of its own that follow from `state`. */
struct octet_source {
    const uint8_t *data;
    size_t num_left;
    uint64_t state;
};

static inline uint8_t draw_octet(struct octet_source *source)
{
    if (source->num_left > 0) {
        source->num_left--;
        return *source->data++;
    }
    source->state = source->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint8_t)(source->state >> 56);
}

static inline size_t draw_below(struct octet_source *source, size_t limit)
{
    size_t high = draw_octet(source);
    return (high << 8 | draw_octet(source)) % limit;
}

/* Mostly lengths near the blocks' ends, sometimes any. */
static inline size_t draw_len(struct octet_source *source, size_t limit)
{
    return draw_octet(source) % 4 == 0 ? draw_below(source, limit) : draw_below(source, 50);
}

struct agreement_job {
    uint8_t key[AEAD_MAX_KEY_LEN];
    uint8_t nonce[64];
    uint8_t ad[AGREEMENT_MAX_LEN];
    uint8_t text[AGREEMENT_MAX_LEN];
    uint8_t sealed[AGREEMENT_OUT_LEN];
    uint8_t opened[AGREEMENT_OUT_LEN];
    struct aead_expanded expanded;
    struct aead_job job; /* what it asks for, but for the input and the output */
    size_t text_len;
    uint8_t forgery; /* 0: none */
};

static inline void agreement_fill(struct octet_source *source, uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        octets[i] = draw_octet(source);
    }
}

static inline void agreement_draw_job(struct octet_source *source, struct agreement_job *job)
{
    const struct aead_algorithm *aead = aead_at(draw_below(source, AEAD_NUM_ALGORITHMS));
    uint8_t choices = draw_octet(source);
    bool expands = (aead->id == AEAD_AES_SIV_CMAC_256 || aead->id == AEAD_AES_128_GCM_SIV) &&
                   (choices & 1) != 0;
    agreement_fill(source, job->key, aead->key_len);
    job->text_len = draw_len(source, AGREEMENT_MAX_LEN + 1);
    job->forgery = draw_octet(source) % 3 == 0 ? draw_octet(source) : 0;
    job->job = (struct aead_job){
        .aead = aead,
        .key = job->key,
        .nonce = job->nonce,
        .nonce_len = aead->nonce_len,
        .ad = job->ad,
        .ad_len = expands ? 0 : draw_len(source, AGREEMENT_MAX_LEN + 1),
    };
    if (aead->max_nonce_len == 0 || draw_octet(source) == 0) {
        job->job.nonce_len = draw_below(source, sizeof(job->nonce) + 1);
    }
    if (expands) {
        if (!aead_expand(&job->expanded, aead, job->key, (choices & 2) != 0)) {
            abort();
        }
        job->job.expanded = &job->expanded;
    }
    agreement_fill(source, job->nonce, job->job.nonce_len);
    agreement_fill(source, job->ad, job->job.ad_len);
    agreement_fill(source, job->text, job->text_len);
}

/* Spoils one bit of the tag, the ciphertext, the associated data or the nonce. */
static inline void agreement_forge(struct agreement_job *job)
{
    uint8_t bit = (uint8_t)(1u << job->forgery % 8);
    if (job->forgery == 0) {
        return;
    }
    if (job->forgery % 5 == 0 && job->job.ad_len > 0) {
        job->ad[job->forgery % job->job.ad_len] ^= bit;
    } else if (job->forgery % 5 == 1 && job->job.nonce_len > 0) {
        job->nonce[job->forgery % job->job.nonce_len] ^= bit;
    } else {
        job->sealed[job->forgery % (job->text_len + AEAD_TAG_LEN)] ^= bit;
    }
}

/* Runs the batch on one path. The outputs are `out[i]`, with a margin of 0xee behind them. */
static inline void agreement_run(struct agreement_job *batch, size_t num, bool seal,
                                 enum aead_path path, uint8_t (*out)[AGREEMENT_OUT_LEN],
                                 struct aead_job *jobs)
{
    memset(out, 0xee, num * sizeof(out[0]));
    for (size_t i = 0; i < num; i++) {
        jobs[i] = batch[i].job;
        jobs[i].in = seal ? batch[i].text : batch[i].sealed;
        jobs[i].in_len = seal ? batch[i].text_len : batch[i].text_len + AEAD_TAG_LEN;
        jobs[i].out = out[i];
    }
    aead_path_select(path);
    if (seal) {
        aead_seal_batch(jobs, num);
    } else {
        aead_open_batch(jobs, num);
    }
}

/* One direction of all paths; true if they agree. Leaves the reference's outputs in the batch. */
static inline bool agreement_compare(struct agreement_job *batch, size_t num, bool seal)
{
    static uint8_t out[AGREEMENT_MAX_JOBS][AGREEMENT_OUT_LEN];
    static struct aead_job jobs[AGREEMENT_MAX_JOBS];
    enum nts_status expected[AGREEMENT_MAX_JOBS];
    agreement_run(batch, num, seal, AEAD_PATH_BORINGSSL, out, jobs);
    for (size_t i = 0; i < num; i++) {
        expected[i] = jobs[i].status;
        memcpy(seal ? batch[i].sealed : batch[i].opened, out[i], AGREEMENT_OUT_LEN);
    }
    for (int path = AEAD_PATH_BORINGSSL + 1; path < AEAD_NUM_PATHS; path++) {
        if (!aead_path_is_present((enum aead_path)path)) {
            continue;
        }
        agreement_run(batch, num, seal, (enum aead_path)path, out, jobs);
        for (size_t i = 0; i < num; i++) {
            const uint8_t *reference = seal ? batch[i].sealed : batch[i].opened;
            if (jobs[i].status != expected[i] ||
                memcmp(out[i], reference, AGREEMENT_OUT_LEN) != 0) {
                return false;
            }
        }
    }
    return true;
}

/* Seals, spoils some and opens; true if all paths agree and exactly the spoilt are forged. */
static inline bool agreement_holds(struct agreement_job *batch, size_t num)
{
    bool agree = agreement_compare(batch, num, true);
    for (size_t i = 0; i < num; i++) {
        agreement_forge(&batch[i]);
    }
    agree = agree && agreement_compare(batch, num, false);
    for (size_t i = 0; i < num; i++) {
        static const uint8_t zeros[AGREEMENT_MAX_LEN];
        const struct agreement_job *job = &batch[i];
        bool is_refused =
            job->job.aead->max_nonce_len != 0 && job->job.nonce_len != job->job.aead->max_nonce_len;
        const uint8_t *expected = job->forgery != 0 || is_refused ? zeros : job->text;
        agree = agree && memcmp(job->opened, expected, job->text_len) == 0 &&
                job->opened[job->text_len] == 0xee;
        if (job->job.expanded != NULL) {
            aead_expanded_cleanup(&batch[i].expanded);
        }
    }
    return agree;
}

#endif

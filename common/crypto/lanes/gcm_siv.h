/* AES-128-GCM-SIV (RFC 8452) over a group of jobs for each vector. Part of the template of lanes.h.
 */
#ifndef NTS_CRYPTO_LANES_GCM_SIV_H
#define NTS_CRYPTO_LANES_GCM_SIV_H

#include "crypto/lanes/chain.h"
#include "crypto/lanes/ctr.h"
#include "crypto/lanes/group.h"

struct gcm_siv_group {
    struct group members;
    struct aes_keys generating;
    struct aes_keys encryption; /* of this nonce, and so is all that follows */
    vec authentication[2];      /* the key and its square */
    vec state;                  /* POLYVAL so far, then the tag */
    vec nonce;                  /* its 12 octets, then zeros */
};

#define GCM_SIV_NONCE_LEN 12

static inline void gcm_siv_load(struct gcm_siv_group *group)
{
    const uint8_t *keys[LANES];
    block nonces[LANES];
    bool is_fresh = group->members.jobs[0]->expanded == NULL;
    for (size_t lane = 0; lane < LANES; lane++) {
        const struct aead_job *job = group->members.jobs[lane];
        keys[lane] = is_fresh ? job->key : job->expanded->lanes.first[0];
        nonces[lane] = block_load_part(job->nonce, GCM_SIV_NONCE_LEN);
    }
    group->nonce = vec_of_blocks(nonces);
    group->state = vec_zero();
    if (is_fresh) {
        aes_expand(&group->generating, vec_gather(keys, 0));
    } else {
        aes_gather(&group->generating, keys, group->members.same_key);
    }
}

/* RFC 8452, section 4: half of each of four blocks (counter, nonce) makes the keys of a nonce. */
static inline void gcm_siv_derive_keys(struct gcm_siv_group *group)
{
    vec halves[4];
    for (int i = 0; i < 4; i++) {
        halves[i] = vec_xor(vec_shift_up(group->nonce, 4), vec_repeat(_mm_set_epi32(0, 0, 0, i)));
    }
    aes_encrypt(&group->generating, halves, 4);
    vec authentication = vec_low64s(halves[0], halves[1]);
    group->authentication[0] = authentication;
    group->authentication[1] = polyval_multiply(authentication, authentication);
    aes_expand(&group->encryption, vec_low64s(halves[2], halves[3]));
}

static ALWAYS_INLINE void gcm_siv_crypt(const struct gcm_siv_group *group, size_t lane,
                                        uint8_t *out, const uint8_t *in, const uint8_t *tag)
{
    const block top_bit = _mm_set_epi32((int)0x80000000, 0, 0, 0);
    struct ctr_keys keys = {(const uint8_t *)&group->encryption + lane * BLOCK_LEN, sizeof(vec)};
    ctr_crypt(out, in, group->members.text_len[lane], _mm_or_si128(block_load(tag), top_bit), false,
              keys);
}

static inline void gcm_siv_decrypt(const struct gcm_siv_group *group)
{
    for (size_t lane = 0; lane < group->members.num; lane++) {
        const struct aead_job *job = group->members.jobs[lane];
        size_t len = group->members.text_len[lane];
        if (len > 0) {
            gcm_siv_crypt(group, lane, job->out, job->in, job->in + len);
        }
    }
}

static ALWAYS_INLINE void gcm_siv_push(struct gcm_siv_group *group, struct chain_queue *queue,
                                       const uint8_t *const at[LANES], const size_t len[LANES])
{
    size_t num[LANES];
    for (size_t lane = 0; lane < LANES; lane++) {
        num[lane] = len[lane] / BLOCK_LEN;
    }
    chain_queue_push(queue, group->authentication, &group->state, at, num);
}

/* Takes in what is left behind the whole blocks, filled up with zeros. */
static inline void gcm_siv_take_rest(struct gcm_siv_group *group, const uint8_t *const at[LANES],
                                     const size_t len[LANES])
{
    block rest[LANES];
    lane_mask has_rest = 0;
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t rest_len = len[lane] % BLOCK_LEN;
        rest[lane] = _mm_setzero_si128();
        if (rest_len > 0) {
            rest[lane] = block_load_part(at[lane] + len[lane] - rest_len, rest_len);
            has_rest |= LANE_BIT(lane);
        }
    }
    if (has_rest != 0) {
        vec next =
            polyval_multiply(vec_xor(group->state, vec_of_blocks(rest)), group->authentication[0]);
        group->state = vec_select(has_rest, next, group->state);
    }
}

static inline void gcm_siv_absorb(struct gcm_siv_group *groups, size_t num_groups,
                                  struct chain_queue *queue)
{
    for (size_t i = 0; i < num_groups; i++) {
        gcm_siv_push(&groups[i], queue, groups[i].members.ad, groups[i].members.ad_len);
    }
    chain_queue_run(queue, CHAIN_POLYVAL);
    for (size_t i = 0; i < num_groups; i++) {
        gcm_siv_take_rest(&groups[i], groups[i].members.ad, groups[i].members.ad_len);
        gcm_siv_push(&groups[i], queue, groups[i].members.text, groups[i].members.text_len);
    }
    chain_queue_run(queue, CHAIN_POLYVAL);
    for (size_t i = 0; i < num_groups; i++) {
        gcm_siv_take_rest(&groups[i], groups[i].members.text, groups[i].members.text_len);
    }
}

/* The block of lengths ends POLYVAL; with the nonce added and the top bit cleared it is encrypted
 * to the tag. */
static inline void gcm_siv_finish(struct gcm_siv_group *group)
{
    block lengths[LANES];
    for (size_t lane = 0; lane < LANES; lane++) {
        lengths[lane] = _mm_set_epi64x((int64_t)group->members.text_len[lane] * 8,
                                       (int64_t)group->members.ad_len[lane] * 8);
    }
    vec state =
        polyval_multiply(vec_xor(group->state, vec_of_blocks(lengths)), group->authentication[0]);
    state =
        vec_and(vec_xor(state, group->nonce), vec_repeat(_mm_set_epi32(0x7fffffff, -1, -1, -1)));
    aes_encrypt(&group->encryption, &state, 1);
    group->state = state;
}

static inline void gcm_siv_deliver(struct gcm_siv_group *group, bool seal)
{
    uint8_t tags[sizeof(vec)];
    vec_store(tags, group->state);
    for (size_t lane = 0; lane < group->members.num; lane++) {
        struct aead_job *job = group->members.jobs[lane];
        const uint8_t *tag = tags + lane * BLOCK_LEN;
        size_t len = group->members.text_len[lane];
        if (!seal) {
            group_judge(&group->members, lane, tag, job->in + len);
            continue;
        }
        if (len > 0) {
            gcm_siv_crypt(group, lane, job->out, job->in, tag);
        }
        memcpy(job->out + len, tag, AEAD_TAG_LEN);
        job->status = NTS_OK;
    }
}

static void gcm_siv_run(struct aead_job *const *jobs, size_t num, bool seal)
{
    struct gcm_siv_group groups[MAX_GROUPS];
    struct chain_queue queue;
    size_t num_groups = (num + LANES - 1) / LANES;
    queue.num = 0;
    for (size_t i = 0; i < num_groups; i++) {
        group_fill(&groups[i].members, jobs + i * LANES, num - i * LANES, seal);
        gcm_siv_load(&groups[i]);
    }
    for (size_t i = 0; i < num_groups; i++) {
        gcm_siv_derive_keys(&groups[i]);
    }
    for (size_t i = 0; i < num_groups && !seal; i++) {
        gcm_siv_decrypt(&groups[i]);
    }
    gcm_siv_absorb(groups, num_groups, &queue);
    for (size_t i = 0; i < num_groups; i++) {
        gcm_siv_finish(&groups[i]);
    }
    for (size_t i = 0; i < num_groups; i++) {
        gcm_siv_deliver(&groups[i], seal);
    }
    secret_wipe(groups, num_groups * sizeof(groups[0]));
}

#endif

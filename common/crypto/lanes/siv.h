/* AES-SIV (RFC 5297) with 256-bit keys over a group of jobs for each vector. Part of the template
 * of lanes.h.
 *
 * A job is three chains that do not wait for each other: CMAC of the associated data, of the nonce,
 * and of the plaintext up to the block where S2V adds the sum of the others. Their last blocks,
 * then the last two of the plaintext, follow for all groups one after the other; there the
 * processor itself finds enough that is independent. */
#ifndef NTS_CRYPTO_LANES_SIV_H
#define NTS_CRYPTO_LANES_SIV_H

#include "crypto/lanes/chain.h"
#include "crypto/lanes/ctr.h"
#include "crypto/lanes/group.h"

struct siv_group {
    struct group members;
    const struct aes_keys *mac;
    const struct aes_keys *ctr; /* of jobs whose key was not expanded, if they have text */
    vec subkey_whole;
    vec subkey_partial;
    vec sum; /* S2V so far */
    vec ad;
    vec nonce;
    vec text;
};

/* All groups of a call, and the keys that they point to. */
struct siv_batch {
    size_t num_groups;
    size_t num_keys;
    bool is_fresh; /* the keys are not expanded yet */
    struct siv_group groups[MAX_GROUPS];
    struct aes_keys keys[2 * MAX_GROUPS];
    struct chain_queue queue;
};

/* Multiplication by x in GF(2^128) (RFC 5297, section 2.3). */
static ALWAYS_INLINE vec siv_double(vec v)
{
    v = vec_reverse(v);
    /* The top bit of the lower half moves into the upper, that of the upper becomes x^7+x^2+x+1. */
    vec carry = vec_and(vec_sign32(vec_shuffle32(v, _MM_SHUFFLE(0, 1, 0, 3))),
                        vec_repeat(_mm_set_epi32(0, 1, 0, 0x87)));
    return vec_reverse(vec_xor(vec_shift_bits64(v, 1), carry));
}

static ALWAYS_INLINE void siv_load_fresh(struct siv_batch *batch, struct siv_group *group)
{
    const uint8_t *keys[LANES];
    size_t any_text = 0;
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        keys[lane] = group->members.jobs[lane]->key;
        any_text |= group->members.text_len[lane];
    }
    struct aes_keys *mac = &batch->keys[batch->num_keys++];
    if (any_text != 0) {
        struct aes_keys *ctr = &batch->keys[batch->num_keys++];
        aes_expand_two(mac, ctr, vec_gather(keys, 0), vec_gather(keys, BLOCK_LEN));
        group->ctr = ctr;
    } else {
        aes_expand(mac, vec_gather(keys, 0));
    }
    group->mac = mac;
    vec zero = vec_zero();
    aes_encrypt(mac, &zero, 1);
    group->subkey_whole = siv_double(zero);
    group->subkey_partial = siv_double(group->subkey_whole);
}

static ALWAYS_INLINE void siv_load_expanded(struct siv_batch *batch, struct siv_group *group)
{
    const uint8_t *keys[LANES];
    const uint8_t *subkeys[LANES];
    bool same = group->members.same_key;
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        const struct lanes_key *key = &group->members.jobs[lane]->expanded->lanes;
        keys[lane] = key->first[0];
        subkeys[lane] = key->subkey_whole;
    }
    const struct siv_group *before = group > batch->groups ? group - 1 : NULL;
    if (before != NULL && same && before->members.same_key &&
        before->members.jobs[0]->expanded == group->members.jobs[0]->expanded) {
        group->mac = before->mac;
    } else {
        struct aes_keys *mac = &batch->keys[batch->num_keys++];
        aes_gather(mac, keys, same);
        group->mac = mac;
    }
    group->subkey_whole = vec_gather_like(subkeys, same, 0);
    group->subkey_partial = vec_gather_like(subkeys, same, BLOCK_LEN);
    group->sum = vec_gather_like(subkeys, same, (size_t)2 * BLOCK_LEN);
}

_Static_assert(offsetof(struct lanes_key, subkey_partial) ==
                       offsetof(struct lanes_key, subkey_whole) + BLOCK_LEN &&
                   offsetof(struct lanes_key, sum) ==
                       offsetof(struct lanes_key, subkey_whole) + (size_t)2 * BLOCK_LEN,
               "one pointer reaches all three");

/* Counter mode from the synthetic IV at `tag` with two bits cleared (RFC 5297, section 2.5). */
static inline void siv_crypt(const struct siv_group *group, size_t lane, uint8_t *out,
                             const uint8_t *in, const uint8_t *tag)
{
    const struct aead_job *job = group->members.jobs[lane];
    const block cleared = _mm_set_epi32(-1, -1, 0x7fffffff, 0x7fffffff);
    block first = _mm_shuffle_epi8(
        block_load(tag), _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    struct ctr_keys keys = {NULL, sizeof(vec)};
    if (job->expanded != NULL) {
        keys = (struct ctr_keys){job->expanded->lanes.ctr[0], BLOCK_LEN};
    } else {
        keys.first = (const uint8_t *)group->ctr + lane * BLOCK_LEN;
    }
    ctr_crypt(out, in, group->members.text_len[lane], _mm_and_si128(first, cleared), true, keys);
}

static inline void siv_decrypt(const struct siv_group *group)
{
    for (size_t lane = 0; lane < group->members.num; lane++) {
        const struct aead_job *job = group->members.jobs[lane];
        if (group->members.text_len[lane] > 0) {
            siv_crypt(group, lane, job->out, job->in + AEAD_TAG_LEN, job->in);
        }
    }
}

/* The whole blocks in front of the last one, which CMAC treats differently. */
static ALWAYS_INLINE size_t num_head_blocks(size_t len)
{
    return len > 0 ? (len - 1) / BLOCK_LEN : 0;
}

static ALWAYS_INLINE void siv_push_chains(struct siv_group *group, struct chain_queue *queue)
{
    const struct group *members = &group->members;
    const uint8_t *nonce[LANES];
    size_t num_ad[LANES];
    size_t num_text[LANES];
    size_t num_nonce[LANES];
    group->ad = group->nonce = group->text = vec_zero();
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t num_head = num_head_blocks(members->text_len[lane]);
        num_ad[lane] = num_head_blocks(members->ad_len[lane]);
        num_text[lane] = num_head > 0 ? num_head - 1 : 0;
        nonce[lane] = members->jobs[lane]->nonce;
        num_nonce[lane] = num_head_blocks(members->jobs[lane]->nonce_len);
    }
    chain_queue_push(queue, group->mac->round, &group->ad, members->ad, num_ad);
    chain_queue_push(queue, group->mac->round, &group->text, members->text, num_text);
    chain_queue_push(queue, group->mac->round, &group->nonce, nonce, num_nonce);
}

/* What the last block adds to a CMAC state: the block, padded, and the subkey that it calls for. */
static ALWAYS_INLINE block cmac_last(lane_mask *whole, size_t lane, const uint8_t *data, size_t len)
{
    if (len == 0) {
        return block_padding(0);
    }
    size_t head_len = num_head_blocks(len) * BLOCK_LEN;
    size_t last_len = len - head_len;
    *whole |= last_len == BLOCK_LEN ? LANE_BIT(lane) : 0;
    return _mm_or_si128(block_load_part(data + head_len, last_len), block_padding(last_len));
}

/* Ends the CMACs of the strings in front of the plaintext, and adds them up as S2V does. */
static ALWAYS_INLINE void siv_sum_strings(struct siv_group *group, bool is_fresh)
{
    lane_mask ad_whole = 0;
    lane_mask nonce_whole = 0;
    block ad[LANES];
    block nonce[LANES];
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        const struct aead_job *job = group->members.jobs[lane];
        ad[lane] =
            is_fresh ? cmac_last(&ad_whole, lane, job->ad, job->ad_len) : _mm_setzero_si128();
        nonce[lane] = cmac_last(&nonce_whole, lane, job->nonce, job->nonce_len);
    }
    vec whole = group->subkey_whole;
    vec partial = group->subkey_partial;
    vec macs[3];
    macs[0] = vec_xor(vec_xor(group->nonce, vec_of_blocks(nonce)),
                      vec_select(nonce_whole, whole, partial));
    if (is_fresh) {
        macs[1] =
            vec_xor(vec_xor(group->ad, vec_of_blocks(ad)), vec_select(ad_whole, whole, partial));
        macs[2] = whole; /* S2V begins with the CMAC of a zero block */
        aes_encrypt(group->mac, macs, 3);
        group->sum = vec_xor(siv_double(macs[2]), macs[1]);
    } else {
        aes_encrypt(group->mac, macs, 1);
    }
    group->sum = vec_xor(siv_double(group->sum), macs[0]);
}

/* Brings `shift_window` to where it spreads the sum over two blocks, `last_len` octets of it on the
 * second: vec_shuffle8 of the sum by `to_first` and `to_last`. */
static ALWAYS_INLINE void siv_spread(const struct group *members, vec *to_first, vec *to_last)
{
    const uint8_t *windows[LANES];
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t len = members->text_len[lane];
        size_t last_len = len < BLOCK_LEN ? BLOCK_LEN : len - num_head_blocks(len) * BLOCK_LEN;
        windows[lane] = shift_window + BLOCK_LEN - last_len;
    }
    *to_first = vec_gather_like(windows, members->same_text, 0);
    *to_last = vec_gather_like(windows, members->same_text, BLOCK_LEN);
}

/* Ends the CMAC of the plaintext with the sum on its last 16 octets, or doubled and on all of it
 * where there are fewer: group->text becomes the synthetic IV. */
static ALWAYS_INLINE void siv_finish(struct siv_group *group)
{
    lane_mask whole = 0;
    lane_mask has_two = 0;
    lane_mask is_short = 0;
    block first[LANES];
    block last[LANES];
    UNROLL
    for (size_t lane = 0; lane < LANES; lane++) {
        const uint8_t *text = group->members.text[lane];
        size_t len = group->members.text_len[lane];
        size_t num_head = num_head_blocks(len);
        last[lane] = cmac_last(&whole, lane, text, len);
        first[lane] = _mm_setzero_si128();
        if (num_head > 0) {
            first[lane] = block_load(text + (num_head - 1) * BLOCK_LEN);
            has_two |= LANE_BIT(lane);
        }
        is_short |= len < BLOCK_LEN ? LANE_BIT(lane) : 0;
    }
    whole |= is_short; /* padded before the sum is added */
    vec sum = group->sum;
    vec state = group->text;
    if (is_short != 0) {
        sum = vec_select(is_short, siv_double(sum), sum);
    }
    if (has_two != 0) {
        vec to_first;
        vec to_last;
        siv_spread(&group->members, &to_first, &to_last);
        vec next = vec_xor(vec_xor(vec_of_blocks(first), vec_shuffle8(sum, to_first)), state);
        aes_encrypt(group->mac, &next, 1);
        state = vec_select(has_two, next, state);
        sum = vec_shuffle8(sum, to_last);
    }
    state = vec_xor(state, vec_xor(vec_of_blocks(last), sum));
    state = vec_xor(state, vec_select(whole, group->subkey_whole, group->subkey_partial));
    aes_encrypt(group->mac, &state, 1);
    group->text = state;
}

static inline void siv_deliver(struct siv_group *group, bool seal)
{
    uint8_t tags[sizeof(vec)];
    vec_store(tags, group->text);
    for (size_t lane = 0; lane < group->members.num; lane++) {
        struct aead_job *job = group->members.jobs[lane];
        const uint8_t *tag = tags + lane * BLOCK_LEN;
        if (!seal) {
            group_judge(&group->members, lane, tag, job->in);
            continue;
        }
        if (group->members.text_len[lane] > 0) {
            siv_crypt(group, lane, job->out + AEAD_TAG_LEN, job->in, tag);
        }
        memcpy(job->out, tag, AEAD_TAG_LEN);
        job->status = NTS_OK;
    }
}

static void siv_run(struct aead_job *const *jobs, size_t num, bool seal)
{
    struct siv_batch batch;
    batch.num_groups = (num + LANES - 1) / LANES;
    batch.num_keys = 0;
    batch.is_fresh = jobs[0]->expanded == NULL;
    batch.queue.num = 0;
    for (size_t i = 0; i < batch.num_groups; i++) {
        struct siv_group *group = &batch.groups[i];
        group_fill(&group->members, jobs + i * LANES, num - i * LANES, seal);
        if (batch.is_fresh) {
            siv_load_fresh(&batch, group);
        } else {
            siv_load_expanded(&batch, group);
        }
    }
    for (size_t i = 0; i < batch.num_groups && !seal; i++) {
        siv_decrypt(&batch.groups[i]);
    }
    for (size_t i = 0; i < batch.num_groups; i++) {
        siv_push_chains(&batch.groups[i], &batch.queue);
    }
    chain_queue_run(&batch.queue, CHAIN_CMAC);
    for (size_t i = 0; i < batch.num_groups; i++) {
        siv_sum_strings(&batch.groups[i], batch.is_fresh);
    }
    for (size_t i = 0; i < batch.num_groups; i++) {
        siv_finish(&batch.groups[i]);
    }
    for (size_t i = 0; i < batch.num_groups; i++) {
        siv_deliver(&batch.groups[i], seal);
    }
    secret_wipe(batch.groups, batch.num_groups * sizeof(batch.groups[0]));
    secret_wipe(batch.keys, batch.num_keys * sizeof(batch.keys[0]));
}

#endif

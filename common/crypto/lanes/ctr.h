/* Counter mode. The blocks of one job are independent, so here the lanes are its blocks, four at a
 * time, under one key. Part of the template of lanes.h. */
#ifndef NTS_CRYPTO_LANES_CTR_H
#define NTS_CRYPTO_LANES_CTR_H

#include "crypto/lanes/aes.h"

#define QUAD_LEN ((size_t)4 * BLOCK_LEN)

/* Where the round keys of one job are: among those of its neighbours, or by themselves. */
struct ctr_keys {
    const uint8_t *first;
    size_t stride;
};

static ALWAYS_INLINE block ctr_round_key(struct ctr_keys keys, int r)
{
    return block_load(keys.first + (size_t)r * keys.stride);
}

#if LANES == 4

typedef struct {
    vec v;
} quad;

static ALWAYS_INLINE quad ctr_quad(block first, bool is_big_endian, struct ctr_keys keys)
{
    vec v = vec_add32(vec_repeat(first),
                      _mm512_set_epi32(0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0));
    v = is_big_endian ? vec_reverse(v) : v;
    v = vec_xor(v, vec_repeat(ctr_round_key(keys, 0)));
    UNROLL
    for (int r = 1; r < AES128_NUM_ROUND_KEYS - 1; r++) {
        v = vec_aes_round(v, vec_repeat(ctr_round_key(keys, r)));
    }
    v = vec_aes_last(v, vec_repeat(ctr_round_key(keys, AES128_NUM_ROUND_KEYS - 1)));
    return (quad){v};
}

/* Adds `len` (1 .. QUAD_LEN) octets of the key stream to `in`. */
static ALWAYS_INLINE void ctr_apply(uint8_t *out, const uint8_t *in, size_t len, quad stream)
{
    __mmask64 mask = ~UINT64_C(0) >> (QUAD_LEN - len);
    _mm512_mask_storeu_epi8(out, mask, vec_xor(_mm512_maskz_loadu_epi8(mask, in), stream.v));
}

#else

typedef struct {
    vec v[4];
} quad;

static ALWAYS_INLINE quad ctr_quad(block first, bool is_big_endian, struct ctr_keys keys)
{
    quad q;
    UNROLL
    for (int i = 0; i < 4; i++) {
        block counter = vec_add32(first, _mm_set_epi32(0, 0, 0, i));
        counter = is_big_endian ? vec_reverse(counter) : counter;
        q.v[i] = vec_xor(counter, ctr_round_key(keys, 0));
    }
    UNROLL
    for (int r = 1; r < AES128_NUM_ROUND_KEYS - 1; r++) {
        block key = ctr_round_key(keys, r);
        UNROLL
        for (int i = 0; i < 4; i++) {
            q.v[i] = vec_aes_round(q.v[i], key);
        }
    }
    block key = ctr_round_key(keys, AES128_NUM_ROUND_KEYS - 1);
    UNROLL
    for (int i = 0; i < 4; i++) {
        q.v[i] = vec_aes_last(q.v[i], key);
    }
    return q;
}

static ALWAYS_INLINE void ctr_apply(uint8_t *out, const uint8_t *in, size_t len, quad stream)
{
    size_t i = 0;
    for (; len >= BLOCK_LEN; len -= BLOCK_LEN, in += BLOCK_LEN, out += BLOCK_LEN) {
        block_store(out, vec_xor(block_load(in), stream.v[i++]));
    }
    if (len > 0) {
        uint8_t last[BLOCK_LEN];
        block_store(last, vec_xor(block_load_part(in, len), stream.v[i]));
        memcpy(out, last, len);
    }
}

#endif

/* En- or decrypts `len` octets. The counter is the 32 lowest bits of `first`, and the blocks are
 * that number in big-endian (SIV) or little-endian (GCM-SIV) octets. */
static ALWAYS_INLINE void ctr_crypt(uint8_t *out, const uint8_t *in, size_t len, block first,
                                    bool is_big_endian, struct ctr_keys keys)
{
    const block four = _mm_set_epi32(0, 0, 0, 4);
    while (len > QUAD_LEN) {
        block second = _mm_add_epi32(first, four);
        size_t second_len = len - QUAD_LEN < QUAD_LEN ? len - QUAD_LEN : QUAD_LEN;
        quad a = ctr_quad(first, is_big_endian, keys);
        quad b = ctr_quad(second, is_big_endian, keys);
        ctr_apply(out, in, QUAD_LEN, a);
        ctr_apply(out + QUAD_LEN, in + QUAD_LEN, second_len, b);
        out += QUAD_LEN + second_len;
        in += QUAD_LEN + second_len;
        len -= QUAD_LEN + second_len;
        first = _mm_add_epi32(second, four);
    }
    if (len > 0) {
        ctr_apply(out, in, len, ctr_quad(first, is_big_endian, keys));
    }
}

#endif

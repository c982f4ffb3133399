/* AES-128 under a key of each lane's own. Part of the template of lanes.h. */
#ifndef NTS_CRYPTO_LANES_AES_H
#define NTS_CRYPTO_LANES_AES_H

#include "crypto/lanes/lanes_key.h"
#include "crypto/lanes/vec.h"

struct aes_keys {
    vec round[AES128_NUM_ROUND_KEYS];
};

/* One round of the key expansion (FIPS 197, section 5.2). The last AES round, on a block whose four
 * columns are all RotWord of the last word, is SubWord, because ShiftRows changes nothing then; its
 * key is the round constant. */
static ALWAYS_INLINE vec aes_next_round_key(vec key, int constant)
{
    const vec rotate_last = vec_repeat(_mm_set1_epi32(0x0c0f0e0d));
    vec word = vec_aes_last(vec_shuffle8(key, rotate_last), vec_repeat(_mm_set1_epi32(constant)));
    /* Each word is the sum of all up to it. */
    key = vec_xor(key, vec_shift_up(key, 4));
    key = vec_xor(key, vec_shift_up(key, 8));
    return vec_xor(key, word);
}

static const uint8_t aes_round_constants[AES128_NUM_ROUND_KEYS] = {
    0, 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36,
};

static ALWAYS_INLINE void aes_expand(struct aes_keys *keys, vec key)
{
    keys->round[0] = key;
    UNROLL
    for (int r = 1; r < AES128_NUM_ROUND_KEYS; r++) {
        key = aes_next_round_key(key, aes_round_constants[r]);
        keys->round[r] = key;
    }
}

/* Two expansions, so that each waits for the other and not for itself. */
static ALWAYS_INLINE void aes_expand_two(struct aes_keys *a, struct aes_keys *b, vec a_key,
                                         vec b_key)
{
    a->round[0] = a_key;
    b->round[0] = b_key;
    UNROLL
    for (int r = 1; r < AES128_NUM_ROUND_KEYS; r++) {
        a_key = aes_next_round_key(a_key, aes_round_constants[r]);
        b_key = aes_next_round_key(b_key, aes_round_constants[r]);
        a->round[r] = a_key;
        b->round[r] = b_key;
    }
}

/* Brings LANES expanded keys side by side; `same`: they are one. */
static ALWAYS_INLINE void aes_gather(struct aes_keys *keys, const uint8_t *const at[LANES],
                                     bool same)
{
    UNROLL
    for (int r = 0; r < AES128_NUM_ROUND_KEYS; r++) {
        keys->round[r] = vec_gather_like(at, same, (size_t)r * BLOCK_LEN);
    }
}

/* Encrypts `num` vectors, a constant, under the same keys. */
static ALWAYS_INLINE void aes_encrypt(const struct aes_keys *keys, vec *v, int num)
{
    UNROLL
    for (int i = 0; i < num; i++) {
        v[i] = vec_xor(v[i], keys->round[0]);
    }
    UNROLL
    for (int r = 1; r < AES128_NUM_ROUND_KEYS - 1; r++) {
        UNROLL
        for (int i = 0; i < num; i++) {
            v[i] = vec_aes_round(v[i], keys->round[r]);
        }
    }
    UNROLL
    for (int i = 0; i < num; i++) {
        v[i] = vec_aes_last(v[i], keys->round[AES128_NUM_ROUND_KEYS - 1]);
    }
}

#endif

/* What a vector can do. LANES is 1 (SSE registers) or 4 (AVX-512 registers); all operations work on
 * each 128-bit lane by itself. Part of the template of lanes.h. */
#ifndef NTS_CRYPTO_LANES_VEC_H
#define NTS_CRYPTO_LANES_VEC_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_LEN     16
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* Loops over the vectors in flight, whose number is a constant: they are to live in registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef __m128i block;

static ALWAYS_INLINE block block_load(const uint8_t *from)
{
    return _mm_loadu_si128((const __m128i *)from);
}

static ALWAYS_INLINE void block_store(uint8_t *to, block b)
{
    _mm_storeu_si128((__m128i *)to, b);
}

#if LANES == 4

typedef __m512i vec;
typedef __mmask8 lane_mask; /* two bits a lane: one for each 64-bit word */

#define LANE_BIT(lane) ((lane_mask)(3u << 2 * (lane)))
#define ALL_LANES      ((lane_mask)0xff)

static ALWAYS_INLINE vec vec_load(const void *from)
{
    return _mm512_loadu_si512(from);
}

static ALWAYS_INLINE void vec_store(void *to, vec v)
{
    _mm512_storeu_si512(to, v);
}

static ALWAYS_INLINE vec vec_of_blocks(const block b[LANES])
{
    __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(b[0]), b[1], 1);
    __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(b[2]), b[3], 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* The same block in every lane. */
static ALWAYS_INLINE vec vec_repeat(block b)
{
    return _mm512_broadcast_i32x4(b);
}

static ALWAYS_INLINE vec vec_zero(void)
{
    return _mm512_setzero_si512();
}

/* Lanes of `a` where the mask has them, else of `b`. */
static ALWAYS_INLINE vec vec_select(lane_mask mask, vec a, vec b)
{
    return _mm512_mask_mov_epi64(b, mask, a);
}

#define vec_xor(a, b)           _mm512_xor_si512(a, b)
#define vec_and(a, b)           _mm512_and_si512(a, b)
#define vec_add32(a, b)         _mm512_add_epi32(a, b)
#define vec_shift_bits64(v, n)  _mm512_slli_epi64(v, n)
#define vec_sign32(v)           _mm512_srai_epi32(v, 31)
#define vec_shuffle32(v, order) _mm512_shuffle_epi32(v, (_MM_PERM_ENUM)(order))
#define vec_shuffle8(v, order)  _mm512_shuffle_epi8(v, order)
#define vec_shift_up(v, n)      _mm512_bslli_epi128(v, n)
#define vec_shift_down(v, n)    _mm512_bsrli_epi128(v, n)
#define vec_low64s(a, b)        _mm512_unpacklo_epi64(a, b)
#define vec_aes_round(v, key)   _mm512_aesenc_epi128(v, key)
#define vec_aes_last(v, key)    _mm512_aesenclast_epi128(v, key)
#define vec_clmul(a, b, halves) _mm512_clmulepi64_epi128(a, b, halves)

#else

typedef __m128i vec;
typedef unsigned lane_mask;

#define LANE_BIT(lane) (1u << (lane))
#define ALL_LANES      1u

static ALWAYS_INLINE vec vec_load(const void *from)
{
    return _mm_loadu_si128(from);
}

static ALWAYS_INLINE void vec_store(void *to, vec v)
{
    _mm_storeu_si128(to, v);
}

static ALWAYS_INLINE vec vec_of_blocks(const block b[LANES])
{
    return b[0];
}

static ALWAYS_INLINE vec vec_repeat(block b)
{
    return b;
}

static ALWAYS_INLINE vec vec_zero(void)
{
    return _mm_setzero_si128();
}

/* Masks come from lengths, so this may be a branch. */
static ALWAYS_INLINE vec vec_select(lane_mask mask, vec a, vec b)
{
    return mask != 0 ? a : b;
}

#define vec_xor(a, b)           _mm_xor_si128(a, b)
#define vec_and(a, b)           _mm_and_si128(a, b)
#define vec_add32(a, b)         _mm_add_epi32(a, b)
#define vec_shift_bits64(v, n)  _mm_slli_epi64(v, n)
#define vec_sign32(v)           _mm_srai_epi32(v, 31)
#define vec_shuffle32(v, order) _mm_shuffle_epi32(v, order)
#define vec_shuffle8(v, order)  _mm_shuffle_epi8(v, order)
#define vec_shift_up(v, n)      _mm_slli_si128(v, n)
#define vec_shift_down(v, n)    _mm_srli_si128(v, n)
#define vec_low64s(a, b)        _mm_unpacklo_epi64(a, b)
#define vec_aes_round(v, key)   _mm_aesenc_si128(v, key)
#define vec_aes_last(v, key)    _mm_aesenclast_si128(v, key)
#define vec_clmul(a, b, halves) _mm_clmulepi64_si128(a, b, halves)

#endif

/* One block from each of LANES places. */
static ALWAYS_INLINE vec vec_gather(const uint8_t *const at[LANES], size_t offset)
{
    block b[LANES];
    UNROLL
    for (int lane = 0; lane < LANES; lane++) {
        b[lane] = block_load(at[lane] + offset);
    }
    return vec_of_blocks(b);
}

/* As above, from one place for all lanes if they are the same. */
static ALWAYS_INLINE vec vec_gather_like(const uint8_t *const at[LANES], bool same, size_t offset)
{
    return same ? vec_repeat(block_load(at[0] + offset)) : vec_gather(at, offset);
}

/* Two windows into each of these tables, at a distance that a length chooses, make masks. */
static const uint8_t padding_window[32] = {[16] = 0x80};

#define NONE_8      0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80
#define COUNT_TO_16 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
static const uint8_t shift_window[48] = {NONE_8, NONE_8, COUNT_TO_16, NONE_8, NONE_8};

/* 10...0, beginning behind `len` octets (0 .. 16) of a block. */
static ALWAYS_INLINE block block_padding(size_t len)
{
    return block_load(padding_window + 16 - len);
}

static ALWAYS_INLINE uint64_t load_le(const uint8_t *from, size_t width)
{
    uint64_t value = 0;
    memcpy(&value, from, width);
    return value;
}

/* The `len` octets (0 .. 16) at `from`, then zeros; touches nothing else. */
static ALWAYS_INLINE block block_load_part(const uint8_t *from, size_t len)
{
#if LANES == 4
    return _mm_maskz_loadu_epi8((__mmask16)((1u << len) - 1), from);
#else
    if (len == 16) {
        return block_load(from);
    }
    if (len >= 8) { /* two loads that overlap; what both have is the same */
        uint64_t high = len > 8 ? load_le(from + len - 8, 8) >> 8 * (16 - len) : 0;
        return _mm_set_epi64x((int64_t)high, (int64_t)load_le(from, 8));
    }
    uint64_t low = 0;
    if (len >= 4) {
        low = load_le(from, 4) | load_le(from + len - 4, 4) << 8 * (len - 4);
    } else if (len > 0) {
        low = from[0] | (uint64_t)from[len / 2] << 8 * (len / 2) |
              (uint64_t)from[len - 1] << 8 * (len - 1);
    }
    return _mm_cvtsi64_si128((int64_t)low);
#endif
}

/* Octets of each lane in reverse: between big-endian blocks and little-endian numbers. */
static ALWAYS_INLINE vec vec_reverse(vec v)
{
    return vec_shuffle8(
        v, vec_repeat(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)));
}

#endif

/* Multiplication for POLYVAL (RFC 8452, section 3). Part of the template of lanes.h. */
#ifndef NTS_CRYPTO_LANES_POLYVAL_H
#define NTS_CRYPTO_LANES_POLYVAL_H

#include "crypto/lanes/vec.h"

/* Divides by x^64 modulo x^128 + x^127 + x^126 + x^121 + 1: the lower half times the polynomial
 * cancels the lower half; of the rest, x^57 + x^62 + x^63 is the constant, and x^64 the swap. */
static ALWAYS_INLINE vec polyval_fold(vec v)
{
    const vec constant = vec_repeat(_mm_set_epi64x(0, (int64_t)0xc200000000000000));
    return vec_xor(vec_shuffle32(v, 0x4e), vec_clmul(v, constant, 0x00));
}

/* Products that are added up before they are reduced together. */
struct polyval_sum {
    vec low;
    vec middle; /* times x^64 */
    vec high;   /* times x^128 */
};

static ALWAYS_INLINE struct polyval_sum polyval_product(vec a, vec b)
{
    return (struct polyval_sum){
        .low = vec_clmul(a, b, 0x00),
        .middle = vec_xor(vec_clmul(a, b, 0x01), vec_clmul(a, b, 0x10)),
        .high = vec_clmul(a, b, 0x11),
    };
}

/* Times x^-128. */
static ALWAYS_INLINE vec polyval_reduce(struct polyval_sum sum)
{
    vec low = vec_xor(sum.low, vec_shift_up(sum.middle, 8));
    vec high = vec_xor(sum.high, vec_shift_down(sum.middle, 8));
    return vec_xor(high, polyval_fold(polyval_fold(low)));
}

/* dot(a, b) = a * b * x^-128. */
static ALWAYS_INLINE vec polyval_multiply(vec a, vec b)
{
    return polyval_reduce(polyval_product(a, b));
}

/* dot(a, b) + dot(c, d), with one reduction. */
static ALWAYS_INLINE vec polyval_multiply_two(vec a, vec b, vec c, vec d)
{
    struct polyval_sum first = polyval_product(a, b);
    struct polyval_sum second = polyval_product(c, d);
    return polyval_reduce((struct polyval_sum){
        .low = vec_xor(first.low, second.low),
        .middle = vec_xor(first.middle, second.middle),
        .high = vec_xor(first.high, second.high),
    });
}

#endif

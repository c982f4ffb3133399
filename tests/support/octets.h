/* Test vectors are written in hexadecimal; here they become octets. */
#ifndef NTS_TESTS_OCTETS_H
#define NTS_TESTS_OCTETS_H

#include "base/hex.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

struct octets {
    size_t len;
    uint8_t data[2048];
};

static inline struct octets octets_of(const char *hex)
{
    struct octets octets = {.len = strlen(hex) / 2};
    cr_assert_leq(octets.len, sizeof(octets.data));
    cr_assert(hex_decode(octets.data, octets.len, hex), "not hexadecimal: %s", hex);
    return octets;
}

/* Counts up: first, first + 1, ... as the vectors of the conformance matrix like it. */
static inline struct octets octets_counting(uint8_t first, size_t len)
{
    struct octets octets = {.len = len};
    for (size_t i = 0; i < len; i++) {
        octets.data[i] = (uint8_t)(first + i);
    }
    return octets;
}

static inline void assert_octets(const uint8_t *actual, size_t actual_len, const char *expected_hex)
{
    char hex[4097];
    cr_assert_leq(actual_len, (sizeof(hex) - 1) / 2);
    hex_encode(hex, actual, actual_len);
    cr_assert_str_eq(hex, expected_hex);
}

#endif

#include "base/hex.h"

#include <string.h>

void hex_encode(char *text, const uint8_t *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * len] = '\0';
}

/* The value of one digit in bits 0 to 3, or bit 8 set if it is none; by arithmetic, no table. */
static unsigned digit_value(unsigned char c)
{
    unsigned lower = c | 0x20u;
    unsigned is_digit = ((unsigned)c - '0') <= 9u;
    unsigned is_letter = (lower - 'a') <= 5u;
    unsigned value = is_digit * ((unsigned)c - '0') + is_letter * (lower - 'a' + 10u);
    return (value & 15u) | (is_digit | is_letter ? 0u : 0x100u);
}

bool hex_decode(uint8_t *data, size_t len, const char *text)
{
    if (strlen(text) != 2 * len) {
        return false;
    }
    unsigned bad = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned high = digit_value((unsigned char)text[2 * i]);
        unsigned low = digit_value((unsigned char)text[2 * i + 1]);
        bad |= high | low;
        data[i] = (uint8_t)((high & 15u) << 4 | (low & 15u));
    }
    return (bad & 0x100u) == 0;
}

/* Hexadecimal text, lower case out, either case in. */
#ifndef NTS_BASE_HEX_H
#define NTS_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* hex_encode writes 2 * len digits and a terminating NUL to `text`. */
void hex_encode(char *text, const uint8_t *data, size_t len);

/* hex_decode fills exactly `len` octets from `text`; false if it is not exactly 2 * len digits.
 * The running time does not depend on the digits (key files hold secrets). */
bool hex_decode(uint8_t *data, size_t len, const char *text);

#endif

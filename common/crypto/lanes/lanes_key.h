/* A key expanded for the processor's own AES instructions. */
#ifndef NTS_CRYPTO_LANES_KEY_H
#define NTS_CRYPTO_LANES_KEY_H

#include <stdint.h>

#define AES128_NUM_ROUND_KEYS 11

struct lanes_key {
    uint8_t first[AES128_NUM_ROUND_KEYS][16]; /* SIV: the MAC key; GCM-SIV: the generating key */
    uint8_t ctr[AES128_NUM_ROUND_KEYS][16];   /* SIV alone, and so is all that follows */
    uint8_t subkey_whole[16];
    uint8_t subkey_partial[16];
    uint8_t sum[16]; /* S2V over the strings in front of the nonce, which are always the same */
};

#endif

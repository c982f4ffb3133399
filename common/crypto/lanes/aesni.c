/* The lanes of lanes.h in 128-bit registers: one job a vector, eight vectors in flight. */
#define LANES            1
#define CHAINS_IN_FLIGHT 8

#include "crypto/lanes/cpu.h"
#include "crypto/lanes/gcm_siv.h"
#include "crypto/lanes/siv.h"

static void expand_one(uint8_t rounds[AES128_NUM_ROUND_KEYS][16], const uint8_t *octets)
{
    struct aes_keys keys;
    aes_expand(&keys, block_load(octets));
    memcpy(rounds, &keys, sizeof(keys));
    secret_wipe(&keys, sizeof(keys));
}

void lanes_key_expand(struct lanes_key *key, const uint8_t *octets, size_t num)
{
    expand_one(key->first, octets);
    if (num > 1) {
        expand_one(key->ctr, octets + BLOCK_LEN);
    }
}

const struct lanes lanes_aesni = {cpu_has_aesni, siv_run, gcm_siv_run};

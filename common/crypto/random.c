#include "crypto/random.h"

#include <assert.h>
#include <openssl/rand.h>
#include <string.h>

void random_take(struct random_pool *pool, uint8_t *out, size_t len)
{
    assert(len <= RANDOM_POOL_LEN);
    if (pool->num_left < len) {
        RAND_bytes(pool->octets, RANDOM_POOL_LEN);
        pool->num_left = RANDOM_POOL_LEN;
    }
    pool->num_left -= len;
    memcpy(out, pool->octets + pool->num_left, len);
    memset(pool->octets + pool->num_left, 0, len);
}

uint32_t random_below(struct random_pool *pool, uint32_t limit)
{
    /* Reject the incomplete last interval, so that every value is equally likely. */
    uint32_t first_rejected = UINT32_MAX - UINT32_MAX % limit;
    uint32_t value;
    do {
        random_take(pool, (uint8_t *)&value, sizeof(value));
    } while (value >= first_rejected);
    return value % limit;
}

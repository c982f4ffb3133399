/* Random octets from BoringSSL's CSPRNG, buffered for the packet path. One pool per thread. */
#ifndef NTS_CRYPTO_RANDOM_H
#define NTS_CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_POOL_LEN 4096

/* Zero-initialised: an empty pool is filled when it is first used. Safe across fork(): a child
 * throws away what its parent had in store. */
struct random_pool {
    uint8_t octets[RANDOM_POOL_LEN];
    size_t num_left;
    uint64_t process; /* whose store this is, as random.c numbers the processes of a family */
};

/* random_take fills `out` with `len` (up to RANDOM_POOL_LEN) octets that were never given out
 * before, in this process or another. Cannot fail: BoringSSL aborts the process when the system has
 * no entropy. */
void random_take(struct random_pool *pool, uint8_t *out, size_t len);

/* random_below returns a uniform number in 0 .. limit - 1 (limit > 0). */
uint32_t random_below(struct random_pool *pool, uint32_t limit);

#endif

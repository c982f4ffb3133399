#include "crypto/random.h"

#include <assert.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The number of this process is kept twice: where fork() copies it, and in a page that the kernel
 * gives to a child as zeros. So a child sees that it is one, whatever has made it. */
static atomic_uint_least64_t last_process;
static atomic_uint_least64_t *own_process;
static atomic_uint_least64_t own_process_fallback;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;

static void forget_process(void)
{
    atomic_store(&own_process_fallback, 0);
}

static void watch_forks(void)
{
    size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, page_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED && madvise(page, page_len, MADV_WIPEONFORK) == 0) {
        own_process = page;
        return;
    }
    if (page != MAP_FAILED) {
        munmap(page, page_len);
    }
    /* A sandbox can refuse that; then fork() itself has to tell, as the C library allows. */
    own_process = &own_process_fallback;
    pthread_atfork(NULL, NULL, forget_process);
}

/* Never zero. In a child that has just been made only one thread runs. */
static uint64_t this_process(void)
{
    pthread_once(&watch_once, watch_forks);
    uint64_t process = atomic_load_explicit(own_process, memory_order_relaxed);
    if (process == 0) {
        uint64_t next = atomic_fetch_add(&last_process, 1) + 1;
        /* Threads that number the first process at once agree on one number. */
        return atomic_compare_exchange_strong(own_process, &process, next) ? next : process;
    }
    return process;
}

void random_take(struct random_pool *pool, uint8_t *out, size_t len)
{
    assert(len <= RANDOM_POOL_LEN);
    uint64_t process = this_process();
    if (pool->num_left < len || pool->process != process) {
        RAND_bytes(pool->octets, RANDOM_POOL_LEN);
        pool->num_left = RANDOM_POOL_LEN;
        pool->process = process;
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

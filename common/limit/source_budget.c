#include "limit/source_budget.h"

#include "base/clock_time.h"

#include <openssl/siphash.h>
#include <string.h>
#include <sys/mman.h>

/* A bucket: 20 bits of hash, then 44 bits of time in units of 256 ns, which go round in 52 days. A
 * bucket that was not used for half of that may then seem to be one to be filled in the future;
 * it is recognised by being further from full than a bucket can be, except for a source that comes
 * back at the wrong hour and finds it empty, once. */
#define TIME_BITS 44
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)
#define UNIT_BITS 8

#define TABLE_LEN (SOURCE_BUDGET_SETS * SOURCE_BUDGET_WAYS * sizeof(uint64_t))

_Static_assert(SOURCE_BUDGET_WAYS * sizeof(uint64_t) == 64, "a set is a cache line");
_Static_assert((SOURCE_BUDGET_MAX_BURST * UINT64_C(1000000000) >> UNIT_BITS) < TIME_MASK / 4,
               "the longest time to fill a bucket is told from a time that went round");

enum nts_status source_budget_open(struct source_budget *budget,
                                   const uint8_t key[SOURCE_BUDGET_KEY_LEN], int64_t now_ns)
{
    void *memory =
        mmap(NULL, TABLE_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NTS_ERR_NO_MEMORY;
    }
    *budget = (struct source_budget){.start_ns = now_ns, .buckets = memory};
    memcpy(budget->key, key, sizeof(budget->key));
    return NTS_OK;
}

void source_budget_close(struct source_budget *budget)
{
    if (budget->buckets != NULL) {
        munmap(budget->buckets, TABLE_LEN);
    }
    *budget = (struct source_budget){0};
}

/* How long a bucket takes to be full again; 0 if it is, or if its time is of another round. */
static uint64_t time_to_full(uint64_t bucket, uint64_t now, uint64_t longest)
{
    uint64_t ahead = (bucket - now) & TIME_MASK;
    return ahead <= longest ? ahead : 0;
}

/* The source's bucket among those of its set, or else the fullest one. */
static _Atomic uint64_t *find_bucket(_Atomic uint64_t *set, uint64_t tag, uint64_t now,
                                     uint64_t longest, uint64_t *value)
{
    _Atomic uint64_t *fullest = NULL;
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < SOURCE_BUDGET_WAYS; i++) {
        uint64_t bucket = atomic_load_explicit(&set[i], memory_order_relaxed);
        if (bucket >> TIME_BITS == tag) {
            *value = bucket;
            return &set[i];
        }
        uint64_t left = time_to_full(bucket, now, longest);
        if (left < least) {
            least = left;
            fullest = &set[i];
            *value = bucket;
        }
    }
    return fullest;
}

bool source_budget_take(struct source_budget *budget, const struct budget_terms *terms,
                        struct ip_bits source, int64_t now_ns)
{
    uint8_t octets[sizeof(source)];
    memcpy(octets, &source, sizeof(source));
    uint64_t hash = SIPHASH_24(budget->key, octets, sizeof(octets));
    _Atomic uint64_t *set = &budget->buckets[hash % SOURCE_BUDGET_SETS * SOURCE_BUDGET_WAYS];
    uint64_t tag = hash >> TIME_BITS;
    uint64_t now = (uint64_t)(now_ns - budget->start_ns) >> UNIT_BITS & TIME_MASK;
    uint64_t one = (uint64_t)(NS_PER_S / terms->rate) >> UNIT_BITS;
    uint64_t longest = one * (uint64_t)terms->burst;
    uint64_t bucket = 0;
    for (;;) {
        _Atomic uint64_t *place = find_bucket(set, tag, now, longest, &bucket);
        bool is_own = bucket >> TIME_BITS == tag;
        uint64_t left = is_own ? time_to_full(bucket, now, longest) : 0;
        if (left + one > longest) {
            return false;
        }
        uint64_t taken = tag << TIME_BITS | ((now + left + one) & TIME_MASK);
        if (atomic_compare_exchange_weak_explicit(place, &bucket, taken, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            return true;
        }
    }
}

/* Counters with one writer each and any number of readers: a worker adds, the control thread sums.
 * Costs the writer an ordinary load and store. */
#ifndef NTS_BASE_COUNTER_H
#define NTS_BASE_COUNTER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint64_t counter;

static inline void counter_add(counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline uint64_t counter_read(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* counters_sum adds `num` counters to `sums`, one by one. */
static inline void counters_sum(uint64_t *sums, const counter *counters, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        sums[i] += counter_read(&counters[i]);
    }
}

#endif

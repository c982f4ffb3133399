/* Counts what a program asks of the allocator and of locks: preloaded into it, prints one line to
 * standard error when the program ends. Threads count together; what the C library does inside
 * itself is not seen.
 *
 *   LD_PRELOAD=libcall-counter.so PROGRAM ...     call-counter: allocations=412 locks=97 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* The C library's own names for what is defined here. */
extern void *__libc_malloc(size_t len);
extern void *__libc_calloc(size_t num, size_t len);
extern void *__libc_realloc(void *memory, size_t len);
extern int __pthread_mutex_lock(pthread_mutex_t *mutex);

static atomic_ulong allocations;
static atomic_ulong locks;

static void count(atomic_ulong *calls)
{
    atomic_fetch_add_explicit(calls, 1, memory_order_relaxed);
}

void *malloc(size_t len)
{
    count(&allocations);
    return __libc_malloc(len);
}

void *calloc(size_t num, size_t len)
{
    count(&allocations);
    return __libc_calloc(num, len);
}

void *realloc(void *memory, size_t len)
{
    count(&allocations);
    return __libc_realloc(memory, len);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    count(&locks);
    return __pthread_mutex_lock(mutex);
}

__attribute__((destructor)) static void report(void)
{
    fprintf(stderr, "call-counter: allocations=%lu locks=%lu\n", atomic_load(&allocations),
            atomic_load(&locks));
}

/* Memory for long-lived secrets: locked, left out of core dumps, wiped when freed. */
#ifndef NTS_CRYPTO_SECRET_MEM_H
#define NTS_CRYPTO_SECRET_MEM_H

#include <stdbool.h>
#include <stddef.h>

/* secret_alloc returns zeroed memory in pages of its own, NULL if there is none. */
void *secret_alloc(size_t size);

/* secret_free wipes and returns memory of secret_alloc; NULL is allowed. */
void secret_free(void *memory);

/* secret_memory_is_locked is false once mlock was refused (RLIMIT_MEMLOCK): worth a warning. */
bool secret_memory_is_locked(void);

/* secret_wipe overwrites memory in a way that the compiler does not remove. */
void secret_wipe(void *memory, size_t len);

#endif

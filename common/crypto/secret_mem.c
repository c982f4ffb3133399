#include "crypto/secret_mem.h"

#include <openssl/mem.h>
#include <stdatomic.h>
#include <sys/mman.h>

/* In front of every block, so that freeing knows how much to wipe. Keeps 64-byte alignment. */
struct block_header {
    _Alignas(64) size_t total_len;
};

static atomic_bool lock_was_refused;

void *secret_alloc(size_t size)
{
    size_t total_len = size + sizeof(struct block_header);
    void *pages = mmap(NULL, total_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) {
        return NULL;
    }
    if (mlock(pages, total_len) != 0) {
        atomic_store(&lock_was_refused, true);
    }
    madvise(pages, total_len, MADV_DONTDUMP);
    struct block_header *header = pages;
    header->total_len = total_len;
    return header + 1;
}

void secret_free(void *memory)
{
    if (memory == NULL) {
        return;
    }
    struct block_header *header = (struct block_header *)memory - 1;
    size_t total_len = header->total_len;
    OPENSSL_cleanse(header, total_len);
    munmap(header, total_len);
}

bool secret_memory_is_locked(void)
{
    return !atomic_load(&lock_was_refused);
}

void secret_wipe(void *memory, size_t len)
{
    OPENSSL_cleanse(memory, len);
}

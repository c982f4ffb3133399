/* Bounded reader and writer over octets, network byte order, with a sticky error: what was read
 * means nothing unless the status at the end is NTS_OK. Header-only, for the packet path.
 * No function here allocates or touches memory outside the given bounds. */
#ifndef NTS_BASE_CURSOR_H
#define NTS_BASE_CURSOR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    enum nts_status status;
};

static inline struct reader reader_over(const uint8_t *data, size_t len)
{
    return (struct reader){.at = data, .end = data + len, .status = NTS_OK};
}

static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}

/* reader_more is true while there is something left and nothing has failed. */
static inline bool reader_more(const struct reader *r)
{
    return r->status == NTS_OK && r->at < r->end;
}

static inline enum nts_status reader_status(const struct reader *r)
{
    return r->status;
}

/* reader_fail records the first error and makes every later read return zero. */
static inline void reader_fail(struct reader *r, enum nts_status status)
{
    if (r->status == NTS_OK) {
        r->status = status;
    }
    r->at = r->end;
}

/* read_bytes returns the `len` octets at the cursor, or NULL (NTS_ERR_TRUNCATED). */
static inline const uint8_t *read_bytes(struct reader *r, size_t len)
{
    if (r->status != NTS_OK || reader_left(r) < len) {
        reader_fail(r, NTS_ERR_TRUNCATED);
        return NULL;
    }
    const uint8_t *bytes = r->at;
    r->at += len;
    return bytes;
}

static inline uint16_t load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)load_u16(p) << 16 | load_u16(p + 2);
}

static inline uint64_t load_u64(const uint8_t *p)
{
    return (uint64_t)load_u32(p) << 32 | load_u32(p + 4);
}

static inline void store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void store_u32(uint8_t *p, uint32_t v)
{
    store_u16(p, (uint16_t)(v >> 16));
    store_u16(p + 2, (uint16_t)v);
}

static inline void store_u64(uint8_t *p, uint64_t v)
{
    store_u32(p, (uint32_t)(v >> 32));
    store_u32(p + 4, (uint32_t)v);
}

static inline uint16_t read_u16(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 2);
    return p != NULL ? load_u16(p) : 0;
}

struct writer {
    uint8_t *start;
    uint8_t *at;
    uint8_t *end;
    enum nts_status status;
};

static inline struct writer writer_over(uint8_t *data, size_t capacity)
{
    return (struct writer){.start = data, .at = data, .end = data + capacity, .status = NTS_OK};
}

static inline size_t writer_len(const struct writer *w)
{
    return (size_t)(w->at - w->start);
}

static inline enum nts_status writer_status(const struct writer *w)
{
    return w->status;
}

/* write_space reserves `len` octets for the caller to fill; NULL (NTS_ERR_NO_SPACE) if they do not
 * fit. */
static inline uint8_t *write_space(struct writer *w, size_t len)
{
    if (w->status != NTS_OK || (size_t)(w->end - w->at) < len) {
        w->status = NTS_ERR_NO_SPACE;
        return NULL;
    }
    uint8_t *space = w->at;
    w->at += len;
    return space;
}

static inline void write_bytes(struct writer *w, const void *bytes, size_t len)
{
    uint8_t *space = write_space(w, len);
    if (space != NULL && len > 0) {
        memcpy(space, bytes, len);
    }
}

static inline void write_zeros(struct writer *w, size_t len)
{
    uint8_t *space = write_space(w, len);
    if (space != NULL && len > 0) {
        memset(space, 0, len);
    }
}

static inline void write_u16(struct writer *w, uint16_t v)
{
    uint8_t *space = write_space(w, 2);
    if (space != NULL) {
        store_u16(space, v);
    }
}

/* pad4 rounds a length up to the next multiple of four. */
static inline size_t pad4(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

#endif

/* One io_uring for one thread: set up restricted to the operations that its owner uses, and nothing
 * else for the rest of its life. */
#ifndef NTS_NET_RING_H
#define NTS_NET_RING_H

#include "base/status.h"

#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ring_open creates a disabled ring (SINGLE_ISSUER, DEFER_TASKRUN) with `num_sqes` submission
 * entries and `num_cqes` completion entries. NTS_ERR_SYSTEM, with a text that tells a forbidden
 * io_uring from a kernel that is too old. Call on the thread that will use the ring. */
NTS_MUST_CHECK enum nts_status ring_open(struct io_uring *ring, unsigned num_sqes,
                                         unsigned num_cqes, struct error *error);

/* ring_probe opens a ring as ring_open does, enables it, and closes it: whether this host permits
 * what the servers need. NTS_ERR_SYSTEM with the text of what does not. */
NTS_MUST_CHECK enum nts_status ring_probe(struct error *error);

/* ring_register_files lets entries name the descriptors by their positions (IOSQE_FIXED_FILE),
 * which spares the kernel looking them up. Before ring_enable. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status ring_register_files(struct io_uring *ring, const int *fds,
                                                   unsigned num, struct error *error);

/* ring_enable restricts the ring to the operations listed and starts it. Whatever is to be
 * registered is registered before. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status ring_enable(struct io_uring *ring, const uint8_t *operations,
                                           size_t num, struct error *error);

/* ring_close ends it. */
void ring_close(struct io_uring *ring);

/* ring_submitted judges what liburing has returned of a submission: NTS_OK also where it is to be
 * repeated (interrupted, timed out, or ring_is_refusal); NTS_ERR_SYSTEM with a text if the ring has
 * failed for good. */
NTS_MUST_CHECK enum nts_status ring_submitted(int result, struct error *error);

/* ring_is_refusal tells whether the kernel took nothing for the moment: it is short of memory, or
 * completions are to be taken first. To ask again at once would only cost time. */
bool ring_is_refusal(int result);

/* ring_pause waits for a moment after a refusal. */
void ring_pause(void);

/* ring_sqe returns a submission entry, submitting what is queued if there is none left; it pauses
 * while the kernel refuses that. If the ring has failed for good, the entry goes nowhere, and the
 * owner's next submission returns the error. */
struct io_uring_sqe *ring_sqe(struct io_uring *ring);

/* A completion's user data is a tag that the owner chooses and an index. */
static inline uint64_t ring_user_data(uint32_t tag, uint32_t index)
{
    return (uint64_t)tag << 32 | index;
}

static inline uint32_t ring_tag(uint64_t user_data)
{
    return (uint32_t)(user_data >> 32);
}

static inline uint32_t ring_index(uint64_t user_data)
{
    return (uint32_t)user_data;
}

/* Buffers that the kernel picks from when something arrives. */
struct ring_buffers {
    struct io_uring_buf_ring *ring;
    uint8_t *memory;
    unsigned num;  /* a power of two */
    size_t length; /* of each */
    uint16_t group;
};

/* ring_buffers_open registers `num` buffers of `length` octets as `group`, before ring_enable.
 * NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status ring_buffers_open(struct ring_buffers *buffers,
                                                 struct io_uring *ring, uint16_t group,
                                                 unsigned num, size_t length, struct error *error);

/* ring_buffers_close frees the memory, after the ring is closed. */
void ring_buffers_close(struct ring_buffers *buffers);

static inline uint8_t *ring_buffer_at(const struct ring_buffers *buffers, unsigned id)
{
    return buffers->memory + (size_t)id * buffers->length;
}

/* ring_buffers_give returns one buffer to the kernel; it sees it at the next
 * ring_buffers_commit(num given). */
static inline void ring_buffers_give(struct ring_buffers *buffers, unsigned id, unsigned num_given)
{
    io_uring_buf_ring_add(buffers->ring, ring_buffer_at(buffers, id), (unsigned)buffers->length,
                          (uint16_t)id, (int)(buffers->num - 1), (int)num_given);
}

static inline void ring_buffers_commit(struct ring_buffers *buffers, unsigned num_given)
{
    io_uring_buf_ring_advance(buffers->ring, (int)num_given);
}

#endif

#include "net/ring.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_OPERATIONS 16
#define PAUSE_MS       1

enum nts_status ring_open(struct io_uring *ring, unsigned num_sqes, unsigned num_cqes,
                          struct error *error)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = num_cqes,
    };
    int result = io_uring_queue_init_params(num_sqes, ring, &params);
    switch (-result) {
    case 0:
        return NTS_OK;
    case EPERM:
    case EACCES:
    case ENOSYS:
        return error_set(error, NTS_ERR_SYSTEM,
                         "io_uring is not permitted here (%s): see sysctl kernel.io_uring_disabled "
                         "and the seccomp profile of the container",
                         strerror(-result));
    case EINVAL:
        return error_set(error, NTS_ERR_SYSTEM,
                         "io_uring of this kernel is too old: Linux 6.1 or newer is needed");
    default:
        return error_set(error, NTS_ERR_SYSTEM, "cannot set up io_uring: %s", strerror(-result));
    }
}

/* liburing declares these two, but the shared library of Debian 12 does not export them. */
static int ring_register(struct io_uring *ring, unsigned operation, void *argument, unsigned num)
{
    return (int)syscall(__NR_io_uring_register, ring->ring_fd, operation, argument, num);
}

enum nts_status ring_enable(struct io_uring *ring, const uint8_t *operations, size_t num,
                            struct error *error)
{
    struct io_uring_restriction restrictions[MAX_OPERATIONS + 1] = {0};
    assert(num <= MAX_OPERATIONS);
    for (size_t i = 0; i < num; i++) {
        restrictions[i].opcode = IORING_RESTRICTION_SQE_OP;
        restrictions[i].sqe_op = operations[i];
    }
    restrictions[num].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    restrictions[num].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS | IOSQE_FIXED_FILE;

    io_uring_register_ring_fd(ring); /* spares a look-up per system call; fails harmlessly */
    if (ring_register(ring, IORING_REGISTER_RESTRICTIONS, restrictions, (unsigned)num + 1) != 0 ||
        ring_register(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot restrict and enable io_uring: %s",
                         strerror(errno));
    }
    return NTS_OK;
}

enum nts_status ring_probe(struct error *error)
{
    static const uint8_t operations[] = {IORING_OP_NOP};
    struct io_uring ring;
    enum nts_status status = ring_open(&ring, 8, 8, error);
    if (status == NTS_OK) {
        status = ring_enable(&ring, operations, sizeof(operations), error);
        ring_close(&ring);
    }
    return status;
}

enum nts_status ring_register_files(struct io_uring *ring, const int *fds, unsigned num,
                                    struct error *error)
{
    int result = io_uring_register_files(ring, fds, num);
    return result == 0
               ? NTS_OK
               : error_set(error, NTS_ERR_SYSTEM, "cannot register sockets: %s", strerror(-result));
}

void ring_close(struct io_uring *ring)
{
    io_uring_queue_exit(ring);
}

enum nts_status ring_submitted(int result, struct error *error)
{
    if (result >= 0 || result == -ETIME || result == -EINTR || ring_is_refusal(result)) {
        return NTS_OK;
    }
    return error_set(error, NTS_ERR_SYSTEM, "io_uring failed: %s", strerror(-result));
}

bool ring_is_refusal(int result)
{
    return result == -EAGAIN || result == -EBUSY;
}

void ring_pause(void)
{
    poll(NULL, 0, PAUSE_MS);
}

struct io_uring_sqe *ring_sqe(struct io_uring *ring)
{
    static _Thread_local struct io_uring_sqe nowhere;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    while (sqe == NULL) {
        struct error error;
        int result = io_uring_submit(ring);
        if (ring_submitted(result, &error) != NTS_OK) {
            return &nowhere;
        }
        if (ring_is_refusal(result)) {
            ring_pause();
        }
        sqe = io_uring_get_sqe(ring);
    }
    return sqe;
}

static void *map_pages(size_t len)
{
    void *pages = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages != MAP_FAILED ? pages : NULL;
}

enum nts_status ring_buffers_open(struct ring_buffers *buffers, struct io_uring *ring,
                                  uint16_t group, unsigned num, size_t length, struct error *error)
{
    *buffers = (struct ring_buffers){.num = num, .length = length, .group = group};
    buffers->ring = map_pages(num * sizeof(struct io_uring_buf));
    buffers->memory = map_pages(num * length);
    if (buffers->ring == NULL || buffers->memory == NULL) {
        ring_buffers_close(buffers);
        return error_set(error, NTS_ERR_NO_MEMORY, "no memory for %u receive buffers", num);
    }
    io_uring_buf_ring_init(buffers->ring);
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)buffers->ring, .ring_entries = num, .bgid = group};
    int result = io_uring_register_buf_ring(ring, &registration, 0);
    if (result < 0) {
        ring_buffers_close(buffers);
        return error_set(error, NTS_ERR_SYSTEM, "cannot register receive buffers: %s",
                         strerror(-result));
    }
    for (unsigned id = 0; id < num; id++) {
        ring_buffers_give(buffers, id, id);
    }
    ring_buffers_commit(buffers, num);
    return NTS_OK;
}

void ring_buffers_close(struct ring_buffers *buffers)
{
    if (buffers->ring != NULL) {
        munmap(buffers->ring, buffers->num * sizeof(struct io_uring_buf));
    }
    if (buffers->memory != NULL) {
        munmap(buffers->memory, buffers->num * buffers->length);
    }
    buffers->ring = NULL;
    buffers->memory = NULL;
}

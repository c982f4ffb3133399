/* As nts-time-server does it: multishot recvmsg into provided buffers, and a sendmsg for each
 * reply, submitted together with the wait for more. */
#include "load/echo.h"

#include "base/address.h"
#include "load/run_control.h"
#include "net/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NUM_BUFFERS  1024 /* a power of two */
#define BUFFER_GROUP 1
#define NUM_SQES     (2 * ECHO_BATCH)
#define NUM_CQES     (4 * NUM_BUFFERS)
#define PEER_LEN     32 /* struct sockaddr_in6, and what follows it is aligned */
#define WAIT_MS      100

enum tag { TAG_RECEIVE, TAG_SEND };

/* A reply on its way out, from the buffer it came in. */
struct reply_slot {
    struct msghdr message;
    struct iovec part;
    unsigned buffer_id;
};

struct uring_echo {
    struct io_uring ring;
    struct ring_buffers buffers;
    struct msghdr template;
    struct echo_counts *counts;
    int fd;
    size_t num_slots;
    struct reply_slot slots[ECHO_BATCH];
};

static void arm_receive(struct uring_echo *echo)
{
    struct io_uring_sqe *sqe = ring_sqe(&echo->ring);
    io_uring_prep_recvmsg_multishot(sqe, echo->fd, &echo->template, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_RECEIVE, 0));
}

/* Takes a datagram in and queues its reply. The buffer stays in use until the next batch. */
static void take_datagram(struct uring_echo *echo, int len, unsigned buffer_id)
{
    uint8_t *buffer = ring_buffer_at(&echo->buffers, buffer_id);
    struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(buffer, len, &echo->template);
    struct reply_slot *slot = &echo->slots[echo->num_slots++];
    slot->buffer_id = buffer_id;
    echo->counts->received++;
    if (out == NULL || (out->flags & MSG_TRUNC) != 0 || out->namelen > PEER_LEN) {
        return;
    }
    uint8_t *data = io_uring_recvmsg_payload(out, &echo->template);
    size_t data_len = io_uring_recvmsg_payload_length(out, len, &echo->template);
    if (!echo_turn(data, data_len)) {
        return;
    }
    slot->part = (struct iovec){.iov_base = data, .iov_len = data_len};
    slot->message = (struct msghdr){
        .msg_name = io_uring_recvmsg_name(out),
        .msg_namelen = out->namelen,
        .msg_iov = &slot->part,
        .msg_iovlen = 1,
    };
    struct io_uring_sqe *sqe = ring_sqe(&echo->ring);
    io_uring_prep_sendmsg(sqe, echo->fd, &slot->message, MSG_DONTWAIT);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_SEND, 0));
    echo->counts->echoed++;
}

static void take_completion(struct uring_echo *echo, const struct io_uring_cqe *cqe)
{
    if (ring_tag(cqe->user_data) == TAG_SEND) {
        echo->counts->echoed--; /* successes are skipped */
        return;
    }
    if (cqe->res >= 0) {
        take_datagram(echo, cqe->res, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        arm_receive(echo);
    }
}

/* Sends never wait, so what was queued is done when the system call that submits it returns. */
static void wait_and_give_back(struct uring_echo *echo)
{
    struct __kernel_timespec time = {.tv_nsec = WAIT_MS * NS_PER_MS};
    struct io_uring_cqe *cqe;
    do {
        io_uring_submit_and_wait_timeout(&echo->ring, &cqe, 1, &time, NULL);
    } while (io_uring_sq_ready(&echo->ring) > 0 && !run_control_is_stopped());
    for (size_t i = 0; i < echo->num_slots; i++) {
        ring_buffers_give(&echo->buffers, echo->slots[i].buffer_id, (unsigned)i);
    }
    ring_buffers_commit(&echo->buffers, (unsigned)echo->num_slots);
    echo->num_slots = 0;
}

static void serve(struct uring_echo *echo, int64_t end_ns)
{
    arm_receive(echo);
    while (!run_control_is_stopped() && mono_time_ns() < end_ns) {
        struct io_uring_cqe *cqe;
        unsigned head;
        unsigned num_seen = 0;
        wait_and_give_back(echo);
        io_uring_for_each_cqe(&echo->ring, head, cqe)
        {
            if (echo->num_slots == ECHO_BATCH) {
                break;
            }
            take_completion(echo, cqe);
            num_seen++;
        }
        io_uring_cq_advance(&echo->ring, num_seen);
    }
}

enum nts_status echo_io_uring(struct echo_counts *counts, int fd, int64_t end_ns,
                              struct error *error)
{
    static const uint8_t operations[] = {IORING_OP_RECVMSG, IORING_OP_SENDMSG};
    static struct uring_echo echo;
    echo = (struct uring_echo){.counts = counts, .fd = fd, .template.msg_namelen = PEER_LEN};
    enum nts_status status = ring_open(&echo.ring, NUM_SQES, NUM_CQES, error);
    if (status != NTS_OK) {
        return status;
    }
    status = ring_buffers_open(&echo.buffers, &echo.ring, BUFFER_GROUP, NUM_BUFFERS,
                               ECHO_BUFFER_LEN, error);
    if (status == NTS_OK) {
        status = ring_enable(&echo.ring, operations, sizeof(operations), error);
    }
    if (status == NTS_OK) {
        serve(&echo, end_ns);
    }
    ring_close(&echo.ring);
    ring_buffers_close(&echo.buffers);
    return status;
}

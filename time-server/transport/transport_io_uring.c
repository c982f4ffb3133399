/* io_uring: multishot recvmsg into provided buffers, one sendmsg per reply, all of a batch
 * submitted with the wait for the next. */
#include "base/clock_time.h"
#include "limit/ip_prefix.h"
#include "net/ring.h"
#include "service/host_check.h"
#include "time-server/transport/transports.h"
#include "time-server/transport/tx_sampler.h"
#include "time-server/transport/udp_binding.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NUM_BUFFERS  1024 /* a power of two */
#define BUFFER_GROUP 1
#define NUM_CQES     (4 * NUM_BUFFERS)
#define MAX_REFUSALS 1000 /* submissions in a row of which the kernel takes nothing, 1 ms apart */
#define PEER_LEN     32   /* struct sockaddr_in6, and what follows it is aligned */
#define BUFFER_LEN                                                                                 \
    (sizeof(struct io_uring_recvmsg_out) + PEER_LEN + UDP_CONTROL_LEN + REQUEST_MAX_LEN)

#define URING_EVENT_TABLE(X)                                                                       \
    X(NO_BUFFERS, "receive_enobufs", "times that the kernel had no buffer of ours left")           \
    X(REARMS, "receive_rearms", "multishot receives that ended and were started again")            \
    X(SUBMIT_RETRIES, "submit_retries", "times that the kernel took no operations for a moment")   \
    UDP_EVENT_TABLE(X)

enum uring_event {
#define URING_EVENT_ENUM(name, label, text) URING_##name,
    URING_EVENT_TABLE(URING_EVENT_ENUM)
#undef URING_EVENT_ENUM
        URING_NUM_EVENTS
};

enum tag { TAG_RECEIVE, TAG_SEND, TAG_WAKE, TAG_CANCEL };

/* A reply on its way out. Sends never wait (MSG_DONTWAIT), so all of a batch are done when the
 * system call that submits them returns, and the slots can be used again. */
struct reply_slot {
    struct msghdr message;
    struct iovec iov;
    union net_address peer;
    struct udp_received received;
    unsigned buffer_id;
    uint32_t socket_index;
    _Alignas(struct cmsghdr) uint8_t control[UDP_CONTROL_LEN];
    uint8_t reply[REQUEST_MAX_LEN];
};

struct uring_socket {
    struct msghdr template; /* how much room names and control messages get */
    uint32_t num_dropped;   /* as the kernel reported last */
    int64_t resume_at_ns;   /* receiving pauses until then; 0: it does not */
};

struct uring_transport {
    struct io_uring ring;
    struct ring_buffers buffers;
    counter *events;
    struct uring_socket *sockets;
    uint32_t num_sockets;
    uint32_t num_paused;
    unsigned num_refusals; /* in a row */
    int wake_result;       /* of the last read of wake_fd: an error means that no other follows */
    const int *fds;
    int wake_fd;
    uint64_t wake_count;
    size_t num_armed;     /* receive operations in flight */
    bool is_finishing;    /* receive does not wait any more */
    bool takes_no_more;   /* nor arm anything */
    bool is_cancelling;   /* a cancel operation is in flight */
    size_t num_to_finish; /* completions until takes_no_more */
    struct tx_sampler sampler;
    size_t num_datagrams;
    struct datagram batch[TRANSPORT_BATCH];
    struct reply_slot slots[TRANSPORT_BATCH];
};

static void uring_count(struct uring_transport *t, enum uring_event event)
{
    counter_add(&t->events[event], 1);
}

/* The ring has an entry for each socket, each reply of a batch, the wake-up and the cancel; of each
 * there is one at most that the kernel has not taken yet. */
static unsigned num_sqes(size_t num_sockets)
{
    return (unsigned)num_sockets + TRANSPORT_BATCH + 2;
}

static void arm_receive(struct uring_transport *t, uint32_t socket_index)
{
    struct io_uring_sqe *sqe = ring_sqe(&t->ring);
    io_uring_prep_recvmsg_multishot(sqe, (int)socket_index, &t->sockets[socket_index].template, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
    sqe->buf_group = BUFFER_GROUP;
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_RECEIVE, socket_index));
    t->num_armed++;
}

static void arm_wake(struct uring_transport *t)
{
    struct io_uring_sqe *sqe = ring_sqe(&t->ring);
    io_uring_prep_read(sqe, t->wake_fd, &t->wake_count, sizeof(t->wake_count), 0);
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_WAKE, 0));
}

/* After ring_close nothing can write to the memory: with DEFER_TASKRUN an operation goes on only
 * while this thread is in a system call of its ring. */
static void uring_close(void *transport)
{
    struct uring_transport *t = transport;
    ring_close(&t->ring);
    ring_buffers_close(&t->buffers);
    free(t->sockets);
    free(t);
}

static enum nts_status prepare_ring(struct uring_transport *t, const struct udp_part *sockets,
                                    struct error *error)
{
    static const uint8_t operations[] = {IORING_OP_RECVMSG, IORING_OP_SEND, IORING_OP_SENDMSG,
                                         IORING_OP_READ, IORING_OP_ASYNC_CANCEL};
    t->sockets = calloc(sockets->num, sizeof(*t->sockets));
    if (t->sockets == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status =
        ring_buffers_open(&t->buffers, &t->ring, BUFFER_GROUP, NUM_BUFFERS, BUFFER_LEN, error);
    if (status == NTS_OK) {
        status = ring_register_files(&t->ring, sockets->fds, (unsigned)sockets->num, error);
    }
    return status == NTS_OK ? ring_enable(&t->ring, operations, sizeof(operations), error) : status;
}

static enum nts_status uring_open(void **transport, const struct transport_part *part,
                                  struct error *error)
{
    const struct udp_part *sockets = &((const struct udp_bound *)part->bound)->parts[part->worker];
    struct uring_transport *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status = ring_open(&t->ring, num_sqes(sockets->num), NUM_CQES, error);
    if (status != NTS_OK) {
        free(t);
        return status;
    }
    status = prepare_ring(t, sockets, error);
    if (status != NTS_OK) {
        uring_close(t);
        return status;
    }
    t->events = part->events;
    tx_sampler_init(&t->sampler);
    t->fds = sockets->fds;
    t->num_sockets = (uint32_t)sockets->num;
    t->wake_fd = part->wake_fd;
    for (uint32_t i = 0; i < t->num_sockets; i++) {
        t->sockets[i].template.msg_namelen = PEER_LEN;
        t->sockets[i].template.msg_controllen = UDP_CONTROL_LEN;
        arm_receive(t, i);
    }
    arm_wake(t);
    *transport = t;
    return NTS_OK;
}

/* Takes in one received datagram. */
static void take_datagram(struct uring_transport *t, uint32_t socket_index, int len,
                          unsigned buffer_id)
{
    struct msghdr *template = &t->sockets[socket_index].template;
    uint8_t *buffer = ring_buffer_at(&t->buffers, buffer_id);
    struct io_uring_recvmsg_out *out = io_uring_recvmsg_validate(buffer, len, template);
    struct reply_slot *slot = &t->slots[t->num_datagrams];
    struct datagram *datagram = &t->batch[t->num_datagrams];
    if (out == NULL || (out->flags & MSG_TRUNC) != 0 || out->namelen > sizeof(slot->peer)) {
        uring_count(t, URING_TRUNCATED);
        ring_buffers_give(&t->buffers, buffer_id, 0);
        ring_buffers_commit(&t->buffers, 1);
        return;
    }
    struct msghdr message = {
        .msg_control = (uint8_t *)io_uring_recvmsg_name(out) + template->msg_namelen,
        .msg_controllen = out->controllen,
    };
    udp_control_read(&slot->received, &message);
    udp_count_drops(&t->events[URING_RECEIVE_DROPS], &t->sockets[socket_index].num_dropped,
                    &slot->received);
    memcpy(&slot->peer, io_uring_recvmsg_name(out), out->namelen);
    slot->buffer_id = buffer_id;
    slot->socket_index = socket_index;
    *datagram = (struct datagram){
        .data = io_uring_recvmsg_payload(out, template),
        .len = io_uring_recvmsg_payload_length(out, len, template),
        .rx_time_ns = slot->received.rx_time_ns,
        .source = ip_bits_of(&slot->peer),
        .reply = slot->reply,
    };
    t->num_datagrams++;
}

/* A receive has ended; whether because of an error that may stay. */
static void rearm(struct uring_transport *t, uint32_t socket_index, bool is_error)
{
    t->num_armed--;
    if (t->takes_no_more) {
        return;
    }
    if (is_error) {
        t->sockets[socket_index].resume_at_ns = mono_time_ns() + UDP_PAUSE_NS;
        t->num_paused++;
        return;
    }
    uring_count(t, URING_REARMS);
    arm_receive(t, socket_index);
}

static void take_receive(struct uring_transport *t, const struct io_uring_cqe *cqe)
{
    uint32_t socket_index = ring_index(cqe->user_data);
    bool is_error = false;
    if (cqe->res >= 0) {
        take_datagram(t, socket_index, cqe->res, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    } else if (cqe->res == -ENOBUFS) {
        uring_count(t, URING_NO_BUFFERS); /* they are given back with this batch */
    } else if (cqe->res != -EINTR && !t->takes_no_more) {
        is_error = true;
        uring_count(t, URING_RECEIVE_ERRORS);
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        rearm(t, socket_index, is_error);
    }
}

static void take_wake(struct uring_transport *t, int result)
{
    if (t->takes_no_more) {
        return;
    }
    if (result >= 0 || result == -EINTR || result == -EAGAIN) {
        arm_wake(t);
    } else {
        t->wake_result = result;
    }
}

static void take_completion(struct uring_transport *t, const struct io_uring_cqe *cqe)
{
    switch ((enum tag)ring_tag(cqe->user_data)) {
    case TAG_RECEIVE:
        take_receive(t, cqe);
        break;
    case TAG_SEND: /* successes are skipped */
        uring_count(t, cqe->res == -EAGAIN ? URING_SEND_DROPPED : URING_SEND_ERRORS);
        break;
    case TAG_CANCEL:
        t->is_cancelling = false;
        break;
    case TAG_WAKE:
        take_wake(t, cqe->res);
        break;
    }
}

/* Arms the sockets whose pause is over, and returns when the next one ends. */
static int64_t resume_sockets(struct uring_transport *t, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    for (uint32_t i = 0; i < t->num_sockets; i++) {
        int64_t resume_at_ns = t->sockets[i].resume_at_ns;
        if (resume_at_ns != 0 && resume_at_ns <= now_ns) {
            t->sockets[i].resume_at_ns = 0;
            t->num_paused--;
            uring_count(t, URING_REARMS);
            arm_receive(t, i);
        } else if (resume_at_ns != 0 && resume_at_ns < next_ns) {
            next_ns = resume_at_ns;
        }
    }
    return next_ns;
}

/* One system call, which waits for a completion or the end of a pause. */
static int enter(struct uring_transport *t, bool waits)
{
    if (!waits) {
        return io_uring_submit_and_get_events(&t->ring);
    }
    if (t->num_paused == 0) {
        return io_uring_submit_and_wait(&t->ring, 1);
    }
    struct io_uring_cqe *cqe;
    struct __kernel_timespec timeout = {0};
    int64_t now_ns = mono_time_ns();
    int64_t next_ns = resume_sockets(t, now_ns);
    if (next_ns == INT64_MAX) {
        return io_uring_submit_and_wait(&t->ring, 1);
    }
    timeout.tv_nsec = next_ns - now_ns; /* less than a second */
    return io_uring_submit_and_wait_timeout(&t->ring, &cqe, 1, &timeout, NULL);
}

/* The kernel is asked again with the next turn, after a pause, but not for ever. */
static enum nts_status refused(struct uring_transport *t, int result, struct error *error)
{
    uring_count(t, URING_SUBMIT_RETRIES);
    if (++t->num_refusals > MAX_REFUSALS) {
        return error_set(error, NTS_ERR_SYSTEM,
                         "io_uring failed: the kernel takes no operations%s%s",
                         result < 0 ? ": " : "", result < 0 ? strerror(-result) : "");
    }
    ring_pause();
    return NTS_OK;
}

/* Submits, and waits for a completion if `waits`. The replies of the last batch leave with that
 * system call. `*is_taken`: the kernel has taken every entry, so their slots are free and
 * completions may be taken. */
static enum nts_status submit(struct uring_transport *t, bool waits, bool *is_taken,
                              struct error *error)
{
    unsigned num_left = UINT_MAX;
    unsigned num_before;
    int result;
    do {
        num_before = num_left;
        result = enter(t, waits);
        num_left = io_uring_sq_ready(&t->ring);
    } while (num_left > 0 && num_left < num_before && result >= 0);
    tx_sampler_end(&t->sampler);
    *is_taken = num_left == 0;
    enum nts_status status = ring_submitted(result, error);
    if (status != NTS_OK) {
        return status;
    }
    if (num_left > 0 || (ring_is_refusal(result) && io_uring_cq_ready(&t->ring) == 0)) {
        return refused(t, result, error);
    }
    t->num_refusals = 0;
    return NTS_OK;
}

/* Takes completions until there is no other, or the batch is full. Returns how many there were. */
static unsigned take_completions(struct uring_transport *t)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned num_seen = 0;
    io_uring_for_each_cqe(&t->ring, head, cqe)
    {
        if (t->num_datagrams == TRANSPORT_BATCH) {
            break;
        }
        take_completion(t, cqe);
        num_seen++;
    }
    io_uring_cq_advance(&t->ring, num_seen);
    return num_seen;
}

static void uring_finish(void *transport)
{
    struct uring_transport *t = transport;
    t->is_finishing = true;
    t->num_to_finish = TRANSPORT_FINISH_MAX;
    resume_sockets(t, INT64_MAX - 1); /* a last try */
}

static void cancel_all(struct uring_transport *t)
{
    struct io_uring_sqe *sqe = ring_sqe(&t->ring);
    io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY);
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_CANCEL, 0));
    t->takes_no_more = true;
    t->is_cancelling = true;
}

/* An armed receive brings at once what its socket holds, so a look that brings nothing found it
 * empty. What was received before a cancel took effect has its completion, which comes here too. */
static enum nts_status receive_rest(struct uring_transport *t, struct error *error)
{
    for (;;) {
        bool is_taken;
        enum nts_status status = submit(t, t->is_cancelling, &is_taken, error);
        if (status != NTS_OK) {
            return status;
        }
        if (!is_taken) {
            continue;
        }
        unsigned num_seen = take_completions(t); /* datagrams that are too long are among them */
        t->num_to_finish -= num_seen < t->num_to_finish ? num_seen : t->num_to_finish;
        bool is_enough = t->takes_no_more || num_seen == 0 || t->num_to_finish == 0;
        /* Again, should one have been between two places where a cancel looks for it. */
        if (is_enough && !t->is_cancelling && t->num_armed > 0) {
            cancel_all(t);
        }
        if (t->num_datagrams > 0 || (t->num_armed == 0 && is_enough)) {
            return NTS_OK;
        }
    }
}

static enum nts_status receive_next(struct uring_transport *t, struct error *error)
{
    bool is_taken;
    enum nts_status status = submit(t, true, &is_taken, error);
    if (status == NTS_OK && is_taken) {
        take_completions(t);
    }
    if (status == NTS_OK && t->wake_result < 0) {
        status = error_set(error, NTS_ERR_SYSTEM, "io_uring cannot read a wake-up: %s",
                           strerror(-t->wake_result));
    }
    return status;
}

static enum nts_status uring_receive(void *transport, struct datagram **batch, size_t *num,
                                     struct error *error)
{
    struct uring_transport *t = transport;
    t->num_datagrams = 0;
    enum nts_status status = t->is_finishing ? receive_rest(t, error) : receive_next(t, error);
    *batch = t->batch;
    *num = t->num_datagrams;
    return status;
}

/* Most replies need no control message, and then no message header either. */
static void queue_reply(struct uring_transport *t, struct reply_slot *slot, size_t reply_len,
                        bool wants_tx_time)
{
    struct io_uring_sqe *sqe = ring_sqe(&t->ring);
    if (slot->received.has_local || wants_tx_time) {
        slot->iov = (struct iovec){.iov_base = slot->reply, .iov_len = reply_len};
        slot->message = (struct msghdr){
            .msg_name = &slot->peer,
            .msg_namelen = address_len(&slot->peer),
            .msg_iov = &slot->iov,
            .msg_iovlen = 1,
        };
        udp_control_write(&slot->message, slot->control, &slot->received, wants_tx_time);
        io_uring_prep_sendmsg(sqe, (int)slot->socket_index, &slot->message, MSG_DONTWAIT);
    } else {
        io_uring_prep_send(sqe, (int)slot->socket_index, slot->reply, reply_len, MSG_DONTWAIT);
        io_uring_prep_send_set_addr(sqe, &slot->peer.sa, (uint16_t)address_len(&slot->peer));
    }
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS | IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_SEND, 0));
    uring_count(t, URING_SENT);
}

static void uring_send(void *transport)
{
    struct uring_transport *t = transport;
    size_t num_replies = datagrams_with_reply(t->batch, t->num_datagrams);
    size_t position = 0;
    for (size_t i = 0; i < t->num_datagrams; i++) {
        const struct datagram *datagram = &t->batch[i];
        struct reply_slot *slot = &t->slots[i];
        if (datagram->reply_len > 0) {
            bool wants_tx_time = tx_sampler_wants(&t->sampler, position++, num_replies,
                                                  t->fds[slot->socket_index], datagram->leaves_ns);
            queue_reply(t, slot, datagram->reply_len, wants_tx_time);
        }
        ring_buffers_give(&t->buffers, slot->buffer_id, (unsigned)i);
    }
    ring_buffers_commit(&t->buffers, (unsigned)t->num_datagrams);
    t->num_datagrams = 0;
}

static const struct send_prediction *uring_prediction(const void *transport)
{
    return &((const struct uring_transport *)transport)->sampler.prediction;
}

static const struct metric_row uring_events[] = {URING_EVENT_TABLE(METRIC_ROW)};

_Static_assert(URING_NUM_EVENTS <= TRANSPORT_MAX_EVENTS, "each event has a counter");

/* It needs no system calls of its own: its rings are made before the filter is closed. */
const struct transport_ops transport_io_uring = {
    .name = "io_uring",
    .is_automatic = true,
    .binding = &udp_binding,
    .events = uring_events,
    .num_events = URING_NUM_EVENTS,
    .check = host_check_io_uring,
    .open = uring_open,
    .receive = uring_receive,
    .send = uring_send,
    .finish = uring_finish,
    .prediction = uring_prediction,
    .close = uring_close,
};

/* io_uring: multishot recvmsg into provided buffers, one sendmsg per reply, all of a batch
 * submitted with the wait for the next. */
#include "limit/ip_prefix.h"
#include "net/ring.h"
#include "service/host_check.h"
#include "time-server/transport/transports.h"
#include "time-server/transport/tx_sampler.h"
#include "time-server/transport/udp_binding.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NUM_BUFFERS  1024 /* a power of two */
#define BUFFER_GROUP 1
#define NUM_SQES     (2 * TRANSPORT_BATCH)
#define NUM_CQES     (4 * NUM_BUFFERS)
#define PEER_LEN     32 /* struct sockaddr_in6, and what follows it is aligned */
#define BUFFER_LEN                                                                                 \
    (sizeof(struct io_uring_recvmsg_out) + PEER_LEN + UDP_CONTROL_LEN + REQUEST_MAX_LEN)

#define URING_EVENT_TABLE(X)                                                                       \
    X(NO_BUFFERS, "receive_enobufs", "times that the kernel had no buffer of ours left")           \
    X(REARMS, "receive_rearms", "multishot receives that ended and were started again")            \
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

struct uring_transport {
    struct io_uring ring;
    struct ring_buffers buffers;
    counter *events;
    struct msghdr *templates; /* one per socket: how much room names and control messages get */
    uint32_t *num_dropped;    /* one per socket: as the kernel said last */
    const int *fds;
    int wake_fd;
    uint64_t wake_count;
    size_t num_armed;     /* receive operations in flight */
    bool is_finishing;    /* receive does not wait any more */
    bool takes_no_more;   /* nor arm anything */
    bool is_cancelling;   /* a cancel operation is in flight */
    size_t num_to_finish; /* datagrams until takes_no_more */
    struct tx_sampler sampler;
    size_t num_datagrams;
    struct datagram batch[TRANSPORT_BATCH];
    struct reply_slot slots[TRANSPORT_BATCH];
};

static void uring_count(struct uring_transport *t, enum uring_event event)
{
    counter_add(&t->events[event], 1);
}

static void arm_receive(struct uring_transport *t, uint32_t socket_index)
{
    struct io_uring_sqe *sqe = ring_sqe(&t->ring);
    io_uring_prep_recvmsg_multishot(sqe, (int)socket_index, &t->templates[socket_index], 0);
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

static void uring_close(void *transport)
{
    struct uring_transport *t = transport;
    ring_close(&t->ring);
    ring_buffers_close(&t->buffers);
    free(t->templates);
    free(t->num_dropped);
    free(t);
}

static enum nts_status uring_open(void **transport, const struct transport_part *part,
                                  struct error *error)
{
    const struct udp_part *sockets = &((const struct udp_bound *)part->bound)->parts[part->worker];
    static const uint8_t operations[] = {IORING_OP_RECVMSG, IORING_OP_SEND, IORING_OP_SENDMSG,
                                         IORING_OP_READ, IORING_OP_ASYNC_CANCEL};
    struct uring_transport *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status = ring_open(&t->ring, NUM_SQES, NUM_CQES, error);
    if (status != NTS_OK) {
        free(t);
        return status;
    }
    t->events = part->events;
    tx_sampler_init(&t->sampler);
    t->fds = sockets->fds;
    t->wake_fd = part->wake_fd;
    t->templates = calloc(sockets->num, sizeof(*t->templates));
    t->num_dropped = calloc(sockets->num, sizeof(*t->num_dropped));
    status = t->templates == NULL || t->num_dropped == NULL
                 ? error_set(error, NTS_ERR_NO_MEMORY, "out of memory")
                 : ring_buffers_open(&t->buffers, &t->ring, BUFFER_GROUP, NUM_BUFFERS, BUFFER_LEN,
                                     error);
    if (status == NTS_OK) {
        status = ring_register_files(&t->ring, sockets->fds, (unsigned)sockets->num, error);
    }
    if (status == NTS_OK) {
        status = ring_enable(&t->ring, operations, sizeof(operations), error);
    }
    if (status != NTS_OK) {
        uring_close(t);
        return status;
    }
    for (uint32_t i = 0; i < sockets->num; i++) {
        t->templates[i].msg_namelen = PEER_LEN;
        t->templates[i].msg_controllen = UDP_CONTROL_LEN;
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
    struct msghdr *template = &t->templates[socket_index];
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
    udp_count_drops(&t->events[URING_RECEIVE_DROPS], &t->num_dropped[socket_index],
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

static void take_receive(struct uring_transport *t, const struct io_uring_cqe *cqe)
{
    uint32_t socket_index = ring_index(cqe->user_data);
    if (cqe->res >= 0) {
        take_datagram(t, socket_index, cqe->res, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    } else if (cqe->res == -ENOBUFS) {
        uring_count(t, URING_NO_BUFFERS);
    }
    if ((cqe->flags & IORING_CQE_F_MORE) == 0) {
        t->num_armed--;
        if (!t->takes_no_more) {
            uring_count(t, URING_REARMS);
            arm_receive(t, socket_index);
        }
    }
}

static void take_completion(struct uring_transport *t, const struct io_uring_cqe *cqe)
{
    switch (ring_tag(cqe->user_data)) {
    case TAG_RECEIVE:
        take_receive(t, cqe);
        break;
    case TAG_SEND: /* successes are skipped */
        uring_count(t, cqe->res == -EAGAIN ? URING_SEND_DROPPED : URING_SEND_ERRORS);
        break;
    case TAG_CANCEL:
        t->is_cancelling = false;
        break;
    default:
        if (!t->takes_no_more) {
            arm_wake(t);
        }
        break;
    }
}

/* The replies of the last batch leave with the system call that waits. Their slots are free once
 * every entry is taken by the kernel. */
static void submit_and_wait(struct uring_transport *t, bool waits)
{
    do {
        if (waits) {
            io_uring_submit_and_wait(&t->ring, 1);
        } else {
            io_uring_submit_and_get_events(&t->ring);
        }
    } while (io_uring_sq_ready(&t->ring) > 0);
    tx_sampler_end(&t->sampler);
}

/* Takes completions until there is no other, or the batch is full. */
static void take_completions(struct uring_transport *t)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned num_seen = 0;
    t->num_datagrams = 0;
    io_uring_for_each_cqe(&t->ring, head, cqe)
    {
        if (t->num_datagrams == TRANSPORT_BATCH) {
            break;
        }
        take_completion(t, cqe);
        num_seen++;
    }
    io_uring_cq_advance(&t->ring, num_seen);
}

static void uring_finish(void *transport)
{
    struct uring_transport *t = transport;
    t->is_finishing = true;
    t->num_to_finish = TRANSPORT_FINISH_MAX;
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
static void receive_rest(struct uring_transport *t)
{
    for (;;) {
        submit_and_wait(t, t->is_cancelling);
        take_completions(t);
        if (t->num_datagrams > t->num_to_finish) {
            t->num_to_finish = 0;
        } else {
            t->num_to_finish -= t->num_datagrams;
        }
        bool is_enough = t->takes_no_more || t->num_datagrams == 0 || t->num_to_finish == 0;
        /* Again, should one have been between two places where a cancel looks for it. */
        if (is_enough && !t->is_cancelling && t->num_armed > 0) {
            cancel_all(t);
        }
        if (t->num_datagrams > 0 || t->num_armed == 0) {
            return;
        }
    }
}

static enum nts_status uring_receive(void *transport, struct datagram **batch, size_t *num,
                                     struct error *error)
{
    struct uring_transport *t = transport;
    (void)error;
    if (t->is_finishing) {
        receive_rest(t);
    } else {
        submit_and_wait(t, true);
        take_completions(t);
    }
    *batch = t->batch;
    *num = t->num_datagrams;
    return NTS_OK;
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

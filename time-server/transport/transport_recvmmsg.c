/* System calls: poll, recvmmsg, sendmmsg. For hosts and containers where io_uring is forbidden. */
#include "limit/ip_prefix.h"
#include "time-server/transport/transports.h"
#include "time-server/transport/tx_sampler.h"
#include "time-server/transport/udp_binding.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not a power of two apart, which would put all of a batch into a few sets of the cache. */
#define BUFFER_LEN (REQUEST_MAX_LEN + 192)

enum mmsg_event {
#define MMSG_EVENT_ENUM(name, label, text) MMSG_##name,
    UDP_EVENT_TABLE(MMSG_EVENT_ENUM)
#undef MMSG_EVENT_ENUM
        MMSG_NUM_EVENTS
};

struct mmsg_socket {
    int fd;
    uint32_t num_dropped; /* as the kernel reported last */
    int64_t resume_at_ns; /* receiving pauses until then; 0: it does not */
};

struct mmsg_transport {
    counter *events;
    struct pollfd *polled; /* the sockets, then wake_fd; -1 for a socket that pauses */
    struct mmsg_socket *sockets;
    size_t num_sockets;
    size_t num_paused;
    size_t next_socket; /* whose turn it is: no socket waits behind a busy one */
    int fd;             /* the socket that the batch came from */
    bool is_finishing;
    size_t num_to_finish; /* messages, when finishing */
    struct tx_sampler sampler;
    size_t num_datagrams;
    struct datagram batch[TRANSPORT_BATCH];
    struct mmsghdr in[TRANSPORT_BATCH];
    struct mmsghdr out[TRANSPORT_BATCH];
    struct iovec in_iov[TRANSPORT_BATCH];
    struct iovec out_iov[TRANSPORT_BATCH];
    size_t batch_message[TRANSPORT_BATCH]; /* which received message a datagram is */
    union net_address peers[TRANSPORT_BATCH];
    struct {
        _Alignas(struct cmsghdr) uint8_t in[UDP_CONTROL_LEN];
        _Alignas(struct cmsghdr) uint8_t out[UDP_CONTROL_LEN];
        struct udp_received received;
    } control[TRANSPORT_BATCH];
    uint8_t requests[TRANSPORT_BATCH][BUFFER_LEN];
    uint8_t replies[TRANSPORT_BATCH][BUFFER_LEN];
};

static void mmsg_count(struct mmsg_transport *t, enum mmsg_event event, size_t num)
{
    counter_add(&t->events[event], num);
}

static void mmsg_close(void *transport)
{
    struct mmsg_transport *t = transport;
    free(t->polled);
    free(t->sockets);
    free(t);
}

static enum nts_status mmsg_open(void **transport, const struct transport_part *part,
                                 struct error *error)
{
    const struct udp_part *sockets = &((const struct udp_bound *)part->bound)->parts[part->worker];
    struct mmsg_transport *t = calloc(1, sizeof(*t));
    struct pollfd *polled = calloc(sockets->num + 1, sizeof(*polled));
    struct mmsg_socket *own = calloc(sockets->num, sizeof(*own));
    if (t == NULL || polled == NULL || own == NULL) {
        free(t);
        free(polled);
        free(own);
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    t->events = part->events;
    tx_sampler_init(&t->sampler);
    t->polled = polled;
    t->sockets = own;
    t->num_sockets = sockets->num;
    for (size_t i = 0; i < sockets->num; i++) {
        own[i].fd = sockets->fds[i];
        polled[i] = (struct pollfd){.fd = own[i].fd, .events = POLLIN};
    }
    polled[sockets->num] = (struct pollfd){.fd = part->wake_fd, .events = POLLIN};
    *transport = t;
    return NTS_OK;
}

static int receive_from(struct mmsg_transport *t, int fd)
{
    for (size_t i = 0; i < TRANSPORT_BATCH; i++) {
        t->in_iov[i] = (struct iovec){.iov_base = t->requests[i], .iov_len = REQUEST_MAX_LEN};
        t->in[i].msg_hdr = (struct msghdr){
            .msg_name = &t->peers[i],
            .msg_namelen = sizeof(t->peers[i]),
            .msg_iov = &t->in_iov[i],
            .msg_iovlen = 1,
            .msg_control = t->control[i].in,
            .msg_controllen = UDP_CONTROL_LEN,
        };
    }
    return recvmmsg(fd, t->in, TRANSPORT_BATCH, MSG_DONTWAIT, NULL);
}

static void take_messages(struct mmsg_transport *t, size_t socket_index, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        if ((t->in[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
            mmsg_count(t, MMSG_TRUNCATED, 1);
            continue;
        }
        struct udp_received *received = &t->control[i].received;
        udp_control_read(received, &t->in[i].msg_hdr);
        udp_count_drops(&t->events[MMSG_RECEIVE_DROPS], &t->sockets[socket_index].num_dropped,
                        received);
        t->batch_message[t->num_datagrams] = i;
        t->batch[t->num_datagrams++] = (struct datagram){
            .data = t->requests[i],
            .len = t->in[i].msg_len,
            .rx_time_ns = received->rx_time_ns,
            .source = ip_bits_of(&t->peers[i]),
            .reply = t->replies[i],
        };
    }
}

static void pause_socket(struct mmsg_transport *t, size_t at)
{
    mmsg_count(t, MMSG_RECEIVE_ERRORS, 1);
    t->sockets[at].resume_at_ns = mono_time_ns() + UDP_PAUSE_NS;
    t->polled[at].fd = -1;
    t->num_paused++;
}

/* Polls the sockets again whose pause is over, and returns when the next one ends. */
static int64_t resume_sockets(struct mmsg_transport *t, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    for (size_t i = 0; i < t->num_sockets; i++) {
        int64_t resume_at_ns = t->sockets[i].resume_at_ns;
        if (resume_at_ns != 0 && resume_at_ns <= now_ns) {
            t->sockets[i].resume_at_ns = 0;
            t->polled[i].fd = t->sockets[i].fd;
            t->num_paused--;
        } else if (resume_at_ns != 0 && resume_at_ns < next_ns) {
            next_ns = resume_at_ns;
        }
    }
    return next_ns;
}

/* Takes a batch from the next socket that is ready and has one. Returns how many messages it took,
 * datagrams that are too long among them. */
static size_t receive_batch(struct mmsg_transport *t)
{
    size_t num_taken = 0;
    for (size_t i = 0; i < t->num_sockets && t->num_datagrams == 0; i++) {
        size_t at = (t->next_socket + i) % t->num_sockets;
        if (t->polled[at].revents == 0) {
            continue;
        }
        if ((t->polled[at].revents & POLLERR) != 0) {
            int64_t unused_ns; /* a transmit timestamp that came late: or poll would not wait */
            udp_socket_tx_time(t->sockets[at].fd, &unused_ns);
        }
        t->fd = t->sockets[at].fd;
        int num = receive_from(t, t->fd);
        if (num > 0) {
            take_messages(t, at, (size_t)num);
            t->next_socket = (at + 1) % t->num_sockets;
            num_taken += (size_t)num;
        } else if (num < 0 && errno != EAGAIN && errno != EINTR) {
            pause_socket(t, at);
        }
    }
    return num_taken;
}

/* Waits for `timeout_ms`, -1 without a limit. */
static enum nts_status poll_all(struct mmsg_transport *t, int timeout_ms, struct error *error)
{
    int num;
    do {
        num = poll(t->polled, t->num_sockets + 1, timeout_ms);
    } while (num < 0 && errno == EINTR);
    return num >= 0 ? NTS_OK : error_set(error, NTS_ERR_SYSTEM, "poll failed: %s", strerror(errno));
}

static void mmsg_finish(void *transport)
{
    struct mmsg_transport *t = transport;
    t->is_finishing = true;
    t->num_to_finish = TRANSPORT_FINISH_MAX;
    resume_sockets(t, INT64_MAX - 1); /* a last try */
}

/* Until there is a datagram that can be answered, or nothing is left. */
static enum nts_status receive_rest(struct mmsg_transport *t, struct error *error)
{
    size_t num_taken = 1;
    while (t->num_to_finish > 0 && t->num_datagrams == 0 && num_taken > 0) {
        enum nts_status status = poll_all(t, 0, error);
        if (status != NTS_OK) {
            return status;
        }
        num_taken = receive_batch(t);
        t->num_to_finish -= num_taken < t->num_to_finish ? num_taken : t->num_to_finish;
    }
    return NTS_OK;
}

static enum nts_status receive_next(struct mmsg_transport *t, struct error *error)
{
    int timeout_ms = -1;
    if (t->num_paused > 0) {
        int64_t now_ns = mono_time_ns();
        int64_t next_ns = resume_sockets(t, now_ns);
        timeout_ms = next_ns == INT64_MAX ? -1 : (int)((next_ns - now_ns) / NS_PER_MS) + 1;
    }
    enum nts_status status = poll_all(t, timeout_ms, error);
    if (status != NTS_OK) {
        return status;
    }
    if (t->polled[t->num_sockets].revents != 0) {
        uint64_t wake_count;
        if (read(t->polled[t->num_sockets].fd, &wake_count, sizeof(wake_count)) < 0 &&
            errno != EAGAIN && errno != EINTR) {
            return error_set(error, NTS_ERR_SYSTEM, "cannot read a wake-up: %s", strerror(errno));
        }
    }
    receive_batch(t);
    return NTS_OK;
}

static enum nts_status mmsg_receive(void *transport, struct datagram **batch, size_t *num,
                                    struct error *error)
{
    struct mmsg_transport *t = transport;
    t->num_datagrams = 0;
    enum nts_status status = t->is_finishing ? receive_rest(t, error) : receive_next(t, error);
    *batch = t->batch;
    *num = t->num_datagrams;
    return status;
}

static size_t lay_out_replies(struct mmsg_transport *t)
{
    size_t num_replies = datagrams_with_reply(t->batch, t->num_datagrams);
    size_t num = 0;
    for (size_t i = 0; i < t->num_datagrams; i++) {
        if (t->batch[i].reply_len == 0) {
            continue;
        }
        size_t message = t->batch_message[i];
        t->out_iov[num] =
            (struct iovec){.iov_base = t->batch[i].reply, .iov_len = t->batch[i].reply_len};
        struct msghdr *header = &t->out[num].msg_hdr;
        *header = (struct msghdr){
            .msg_name = &t->peers[message],
            .msg_namelen = t->in[message].msg_hdr.msg_namelen,
            .msg_iov = &t->out_iov[num],
            .msg_iovlen = 1,
        };
        udp_control_write(
            header, t->control[message].out, &t->control[message].received,
            tx_sampler_wants(&t->sampler, num, num_replies, t->fd, t->batch[i].leaves_ns));
        num++;
    }
    return num;
}

static void mmsg_send(void *transport)
{
    struct mmsg_transport *t = transport;
    size_t num = lay_out_replies(t);
    size_t at = 0;
    while (at < num) {
        int sent = sendmmsg(t->fd, t->out + at, (unsigned)(num - at), MSG_DONTWAIT);
        if (sent > 0) {
            at += (size_t)sent;
            mmsg_count(t, MMSG_SENT, (size_t)sent);
        } else if (errno != EINTR) {
            /* The first one failed: it is passed over, the others still have their chance. */
            mmsg_count(t, errno == EAGAIN ? MMSG_SEND_DROPPED : MMSG_SEND_ERRORS, 1);
            at++;
        }
    }
    tx_sampler_end(&t->sampler);
    t->num_datagrams = 0;
}

static const struct send_prediction *mmsg_prediction(const void *transport)
{
    return &((const struct mmsg_transport *)transport)->sampler.prediction;
}

static const struct metric_row mmsg_events[] = {UDP_EVENT_TABLE(METRIC_ROW)};

_Static_assert(MMSG_NUM_EVENTS <= TRANSPORT_MAX_EVENTS, "each event has a counter");

/* It sends with calls that name look-ups need too. */
static const struct syscall_row mmsg_syscalls[] = {{.name = "recvmmsg"}};

const struct transport_ops transport_recvmmsg = {
    .name = "recvmmsg",
    .is_automatic = true,
    .binding = &udp_binding,
    .events = mmsg_events,
    .num_events = MMSG_NUM_EVENTS,
    .syscalls = {mmsg_syscalls, sizeof(mmsg_syscalls) / sizeof(mmsg_syscalls[0])},
    .open = mmsg_open,
    .receive = mmsg_receive,
    .send = mmsg_send,
    .finish = mmsg_finish,
    .prediction = mmsg_prediction,
    .close = mmsg_close,
};

/* How datagrams get in and out: a small table of functions, so that a worker does not know whether
 * io_uring or system calls move its packets, and a third way fits in later. A transport belongs to
 * one thread; it is opened and closed there. */
#ifndef NTS_TIME_TRANSPORT_H
#define NTS_TIME_TRANSPORT_H

#include "base/address.h"
#include "base/counter.h"
#include "time-server/protocol/answer.h"
#include "time-server/transport/tx_sampler.h"
#include "time-server/transport/udp_socket.h"

/* Datagrams at a time. More would not be cheaper each, and the first of them would wait longer for
 * the last, whose departure would be harder to predict. */
#define TRANSPORT_BATCH 16

/* Datagrams that a transport still takes from its sockets when it is to finish: more than a receive
 * buffer of the default size holds, so that whatever waited then is answered, and a limit, so that
 * an overload does not keep it going. */
#define TRANSPORT_FINISH_MAX 16384

#define TRANSPORT_EVENT_TABLE(X)                                                                   \
    X(NO_BUFFERS, "receive_enobufs", "times that the kernel had no buffer of ours left")           \
    X(REARMS, "receive_rearms", "multishot receives that ended and were started again")            \
    X(RECEIVE_DROPS, "receive_drops", "datagrams that the kernel dropped: receive buffer full")    \
    X(TRUNCATED, "received_too_long",                                                              \
      "datagrams dropped because they are longer than any request")                                \
    X(SENT, "sent", "datagrams given to the kernel to send")                                       \
    X(SEND_DROPPED, "send_dropped", "replies dropped because the send buffer was full")            \
    X(SEND_ERRORS, "send_errors", "replies that the kernel refused to send")

_Static_assert(TRANSPORT_BATCH <= ANSWER_MAX_BATCH, "a batch is answered in one go");

enum transport_event {
#define TRANSPORT_EVENT_ENUM(name, label, text) TRANSPORT_##name,
    TRANSPORT_EVENT_TABLE(TRANSPORT_EVENT_ENUM)
#undef TRANSPORT_EVENT_ENUM
        TRANSPORT_NUM_EVENTS
};

/* What a transport works on. The descriptors stay the caller's. */
struct transport_sockets {
    const int *fds; /* bound, non-blocking */
    size_t num;
    int wake_fd; /* an eventfd: readable when the worker should look around */
};

/* Written by the transport's thread alone. */
struct transport_counters {
    counter events[TRANSPORT_NUM_EVENTS];
};

/* transport_count_drops counts what the kernel has dropped at a socket since `*seen`, which is what
 * it had said last. It says so with the next datagram that fits. */
static inline void transport_count_drops(struct transport_counters *counters, uint32_t *seen,
                                         const struct udp_received *received)
{
    if (received->num_dropped != *seen) {
        counter_add(&counters->events[TRANSPORT_RECEIVE_DROPS],
                    (uint32_t)(received->num_dropped - *seen));
        *seen = received->num_dropped;
    }
}

struct transport_ops {
    const char *name;
    /* Prepares to receive; `counters` outlives the transport. NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY,
     * with a text, if this way is not to be had here. */
    enum nts_status (*open)(void **transport, const struct transport_sockets *sockets,
                            struct transport_counters *counters, struct error *error);

    /* Waits until datagrams have come or wake_fd is readable (it is read), and returns up to
     * TRANSPORT_BATCH of them at `*batch`, each with its source, admitted for now, and room for its
     * reply. They stay valid until
     * send. Zero datagrams: woken. */
    size_t (*receive)(void *transport, struct datagram **batch);

    /* Sends the replies of the batch (those with a reply_len), from the address that was asked, and
     * ends the batch. Nothing may be received in between. */
    void (*send)(void *transport);

    /* From here on receive never waits: it returns what the sockets still hold, until it has found
     * them empty or TRANSPORT_FINISH_MAX is reached, and what was taken from them before. Then it
     * returns zero datagrams, and the transport has left alone what comes to the sockets later:
     * another process may answer that. */
    void (*finish)(void *transport);

    /* When the replies of the batch would leave, as far as is known from those before. */
    const struct send_prediction *(*prediction)(const void *transport);

    void (*close)(void *transport);
};

extern const struct transport_ops transport_io_uring;
extern const struct transport_ops transport_recvmmsg;

#endif

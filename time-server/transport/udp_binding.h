/* The UDP sockets of all workers: those of the server that is taken over from, and new ones. The
 * binding of every transport that works on sockets. */
#ifndef NTS_TIME_UDP_BINDING_H
#define NTS_TIME_UDP_BINDING_H

#include "base/clock_time.h"
#include "time-server/transport/transport.h"
#include "time-server/transport/udp_socket.h"

extern const struct transport_binding udp_binding;

/* The sockets of one worker. The descriptors stay the binding's. */
struct udp_part {
    const int *fds; /* bound, non-blocking */
    size_t num;
};

/* What `bound` of a transport_part points to. */
struct udp_bound {
    int *fds; /* of all workers; those of one worker lie together. -1: not bound yet */
    size_t num;
    size_t num_workers;
    struct udp_part parts[]; /* one per worker */
};

/* The counters that every transport on UDP sockets has. */
#define UDP_EVENT_TABLE(X)                                                                         \
    X(RECEIVE_DROPS, "receive_drops", "datagrams that the kernel dropped: receive buffer full")    \
    X(TRUNCATED, "received_too_long",                                                              \
      "datagrams dropped because they are longer than any request")                                \
    X(RECEIVE_ERRORS, "receive_errors", "receives that failed; the socket then pauses")            \
    X(SENT, "sent", "datagrams given to the kernel to send")                                       \
    X(SEND_DROPPED, "send_dropped", "replies dropped because the send buffer was full")            \
    X(SEND_ERRORS, "send_errors", "replies that the kernel refused to send")

/* A socket whose receive fails is left alone for so long: the error may stay. */
#define UDP_PAUSE_NS (100 * NS_PER_MS)

/* udp_count_drops counts what the kernel has dropped at a socket since `*seen`, which is what it
 * had reported last. It reports with the next datagram that fits. */
static inline void udp_count_drops(counter *drops, uint32_t *seen,
                                   const struct udp_received *received)
{
    if (received->num_dropped != *seen) {
        counter_add(drops, (uint32_t)(received->num_dropped - *seen));
        *seen = received->num_dropped;
    }
}

#endif

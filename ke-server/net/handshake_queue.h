/* Connections whose ClientHello has come and whose handshake has not begun: the newest one is
 * served first, the oldest one is shed first. As long as handshakes are faster than clients, none
 * waits longer than a turn and the order matters little. When they are not, first come, first
 * served would be the worst of all orders: each client would wait as long as clients wait, and each
 * handshake would be for a client that is about to give up, or has. */
#ifndef NTS_KE_HANDSHAKE_QUEUE_H
#define NTS_KE_HANDSHAKE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Part of what waits; zero while it does not. */
struct handshake_wait {
    struct handshake_wait *newer;
    struct handshake_wait *older;
    int64_t since_ns;
    bool is_waiting;
};

struct handshake_queue {
    struct handshake_wait *newest;
    struct handshake_wait *oldest;
};

/* handshake_queue_add makes `wait`, which has been waiting since `since_ns`, the newest one. */
void handshake_queue_add(struct handshake_queue *queue, struct handshake_wait *wait,
                         int64_t since_ns);

/* handshake_queue_remove takes it out, wherever it is; one that is not in does nothing. */
void handshake_queue_remove(struct handshake_queue *queue, struct handshake_wait *wait);

#endif

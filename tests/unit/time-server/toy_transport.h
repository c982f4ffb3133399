/* A transport of memory queues, to drive workers without a socket. The functions may be called from
 * any thread while workers run. */
#ifndef NTS_UNIT_TOY_TRANSPORT_H
#define NTS_UNIT_TOY_TRANSPORT_H

#include "time-server/transport/transport.h"

#define TOY_MAX_WORKERS 4
#define TOY_QUEUE       64

extern const struct transport_ops transport_toy;

/* toy_put appends a request to the queue of a worker. `bound` is what the binding has made. */
void toy_put(void *bound, size_t worker, const uint8_t *data, size_t len);

/* toy_await_reply waits for the next reply of a worker and returns its length. `data` has room for
 * REQUEST_MAX_LEN octets. */
size_t toy_await_reply(void *bound, size_t worker, uint8_t *data);

/* toy_num_replies returns how many replies have not been taken. */
size_t toy_num_replies(void *bound, size_t worker);

/* toy_num_bound returns how many bindings exist. */
size_t toy_num_bound(void);

/* toy_break makes the transport of a worker fail for good. */
void toy_break(void *bound, size_t worker);

#endif

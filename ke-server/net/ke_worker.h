/* A worker of nts-ke-server: one thread with one ring, its own listening sockets, and its own
 * connections. */
#ifndef NTS_KE_WORKER_H
#define NTS_KE_WORKER_H

#include "crypto/random.h"
#include "ke-server/net/connection.h"
#include "ke-server/net/listener.h"
#include "limit/source_gate.h"
#include "process/worker.h"

struct ke_worker {
    struct worker worker; /* first member */

    /* Set by ke_worker_init and the control thread. */
    struct listener *listeners;
    size_t num_listeners;
    size_t max_connections;
    struct source_gate *gate; /* of all workers */
    atomic_bool wants_look;   /* at the queues of the listeners */

    /* Set by the worker. */
    struct io_uring ring;
    struct connection_table connections;
    struct random_pool random;
    uint64_t wake_count;
    size_t num_accepting; /* accept operations in flight */
    enum worker_stop stopping;
    struct ke_counters counters;
};

/* ke_worker_init prepares a zeroed worker with room for `max_listeners`, which ke_worker_close
 * closes and frees. NTS_ERR_SYSTEM, NTS_ERR_NO_MEMORY; ke_worker_close is due in any case. */
NTS_MUST_CHECK enum nts_status ke_worker_init(struct ke_worker *worker, size_t number, int done_fd,
                                              size_t max_listeners, struct error *error);

/* ke_worker_look_again makes the worker look for connections that wait at its listeners. Of several
 * processes that accept from one socket the kernel wakes one, and that one may just have stopped.
 */
void ke_worker_look_again(struct ke_worker *worker);

/* ke_worker_close frees what ke_worker_init took, when no thread runs. */
void ke_worker_close(struct ke_worker *worker);

#endif

/* A worker of nts-ke-server: one thread with one ring, its own listening sockets, and its own
 * connections. The control thread talks to it through snapshots, a stop request and an eventfd. */
#ifndef NTS_KE_WORKER_H
#define NTS_KE_WORKER_H

#include "connection.h"
#include "crypto/random.h"
#include "limit/source_gate.h"
#include "listener.h"
#include "runtime/heartbeat.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum worker_stop {
    WORKER_RUN,
    WORKER_STOP,     /* accept no more, finish what is open within its deadlines */
    WORKER_STOP_NOW, /* drop what is open */
};

struct worker {
    /* Set by worker_init and the control thread. */
    struct listener *listeners;
    size_t num_listeners;
    size_t max_connections;
    struct source_gate *gate; /* of all workers */
    int done_fd;              /* eventfd of the control thread: written when a worker has ended */
    int wake_fd;
    atomic_int stop;               /* enum worker_stop */
    atomic_bool wants_look;        /* at the queues of the listeners */
    atomic_bool has_let_go;        /* of the listeners: they are closed */
    struct snapshot_slot settings; /* struct ke_settings */
    struct snapshot_slot tls;      /* struct tls_contexts */
    struct snapshot_slot keyring;  /* struct keyring */
    struct heartbeat heartbeat;
    pthread_t thread;
    sem_t started;

    /* Set by the worker. */
    enum nts_status start_status; /* read once `started` is posted */
    enum nts_status end_status;   /* read once the thread is joined; so is what follows */
    struct error error;
    struct io_uring ring;
    struct connection_table connections;
    struct random_pool random;
    uint64_t wake_count;
    size_t num_accepting; /* accept operations in flight */
    enum worker_stop stopping;
    struct ke_counters counters;
};

/* worker_init prepares a zeroed worker that will own the `num_listeners` listeners (allocated with
 * malloc, closed and freed by worker_close). NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status worker_init(struct worker *worker, struct listener *listeners,
                                           size_t num_listeners, size_t max_connections,
                                           struct source_gate *gate, int done_fd,
                                           struct error *error);

/* worker_publish hands the worker newer settings, TLS contexts or a newer keyring; NULL leaves what
 * it has. The worker takes references of its own. */
void worker_publish(struct worker *worker, struct ke_settings *settings, struct tls_contexts *tls,
                    struct keyring *keyring);

/* worker_start starts the thread, after all three snapshots were published, and waits until it
 * serves. NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY if it cannot. */
NTS_MUST_CHECK enum nts_status worker_start(struct worker *worker, struct error *error);

/* worker_wake makes the worker turn once, even if there is nothing to do. */
void worker_wake(struct worker *worker);

/* worker_request_stop tells the worker to end. It writes to done_fd when it has. */
void worker_request_stop(struct worker *worker, enum worker_stop stop);

/* worker_look_again makes the worker look for connections that wait at its listeners. Of several
 * processes that accept from one socket the kernel wakes one, and that one may just have stopped.
 */
void worker_look_again(struct worker *worker);

/* worker_has_let_go tells whether a worker that was told to end has closed its listeners, with what
 * waited there accepted. */
bool worker_has_let_go(const struct worker *worker);

/* worker_join waits for the thread and returns why it ended: NTS_OK if it was told to. */
NTS_MUST_CHECK enum nts_status worker_join(struct worker *worker, struct error *error);

/* worker_close frees what worker_init and worker_publish took, after worker_join. */
void worker_close(struct worker *worker);

#endif

/* A worker of nts-ke-server: one thread with one ring, its own listening sockets, and its own
 * connections. The control thread talks to it through snapshots, a stop request and an eventfd. */
#ifndef NTS_KE_WORKER_H
#define NTS_KE_WORKER_H

#include "crypto/random.h"
#include "ke-server/net/connection.h"
#include "ke-server/net/listener.h"
#include "limit/source_gate.h"
#include "process/heartbeat.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum ke_worker_stop {
    WORKER_RUN,
    WORKER_STOP,     /* accept no more, finish what is open within its deadlines */
    WORKER_STOP_NOW, /* drop what is open */
};

struct ke_worker {
    /* Set by ke_worker_init and the control thread. */
    struct listener *listeners;
    size_t num_listeners;
    size_t max_connections;
    struct source_gate *gate; /* of all workers */
    int done_fd;              /* eventfd of the control thread: written when a worker has ended */
    int wake_fd;
    atomic_int stop;               /* enum ke_worker_stop */
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
    enum ke_worker_stop stopping;
    struct ke_counters counters;
};

/* ke_worker_init prepares a zeroed worker that will own the `num_listeners` listeners (allocated
 * with malloc, closed and freed by ke_worker_close). NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status ke_worker_init(struct ke_worker *worker, struct listener *listeners,
                                              size_t num_listeners, size_t max_connections,
                                              struct source_gate *gate, int done_fd,
                                              struct error *error);

/* ke_worker_publish hands the worker newer settings, TLS contexts or a newer keyring; NULL leaves
 * what it has. The worker takes references of its own. */
void ke_worker_publish(struct ke_worker *worker, struct ke_settings *settings,
                       struct tls_contexts *tls, struct keyring *keyring);

/* ke_worker_start starts the thread, after all three snapshots were published, and waits until it
 * serves. NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY if it cannot. */
NTS_MUST_CHECK enum nts_status ke_worker_start(struct ke_worker *worker, struct error *error);

/* ke_worker_wake makes the worker turn once, even if there is nothing to do. */
void ke_worker_wake(struct ke_worker *worker);

/* ke_worker_request_stop tells the worker to end. It writes to done_fd when it has. */
void ke_worker_request_stop(struct ke_worker *worker, enum ke_worker_stop stop);

/* ke_worker_look_again makes the worker look for connections that wait at its listeners. Of several
 * processes that accept from one socket the kernel wakes one, and that one may just have stopped.
 */
void ke_worker_look_again(struct ke_worker *worker);

/* ke_worker_has_let_go tells whether a worker that was told to end has closed its listeners, with
 * what waited there accepted. */
bool ke_worker_has_let_go(const struct ke_worker *worker);

/* ke_worker_join waits for the thread and returns why it ended: NTS_OK if it was told to. */
NTS_MUST_CHECK enum nts_status ke_worker_join(struct ke_worker *worker, struct error *error);

/* ke_worker_close frees what ke_worker_init and ke_worker_publish took, after ke_worker_join. */
void ke_worker_close(struct ke_worker *worker);

#endif

/* A worker of nts-ke-server: one thread with one ring, its own listening sockets, and its own
 * connections. The control thread talks to it through snapshots, a stop request and an eventfd. */
#ifndef NTS_KE_WORKER_H
#define NTS_KE_WORKER_H

#include "connection.h"
#include "crypto/random.h"
#include "listener.h"

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
    int done_fd; /* eventfd of the control thread: written when a worker has ended */
    int wake_fd;
    atomic_int stop;               /* enum worker_stop */
    struct snapshot_slot settings; /* struct ke_settings */
    struct snapshot_slot keyring;  /* struct keyring */
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
    counter turns; /* of the loop, for the watchdog */
};

/* worker_init prepares a zeroed worker that will own the `num_listeners` listeners (allocated with
 * malloc, closed and freed by worker_close). NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status worker_init(struct worker *worker, struct listener *listeners,
                                           size_t num_listeners, size_t max_connections,
                                           int done_fd, struct error *error);

/* worker_publish hands the worker newer settings or a newer keyring; NULL leaves what it has. The
 * worker takes references of its own. */
void worker_publish(struct worker *worker, struct ke_settings *settings, struct keyring *keyring);

/* worker_start starts the thread, after both snapshots were published, and waits until it serves.
 * NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY if it cannot. */
NTS_MUST_CHECK enum nts_status worker_start(struct worker *worker, struct error *error);

/* worker_request_stop tells the worker to end. It writes to done_fd when it has. */
void worker_request_stop(struct worker *worker, enum worker_stop stop);

/* worker_join waits for the thread and returns why it ended: NTS_OK if it was told to. */
NTS_MUST_CHECK enum nts_status worker_join(struct worker *worker, struct error *error);

/* worker_close frees what worker_init and worker_publish took, after worker_join. */
void worker_close(struct worker *worker);

#endif

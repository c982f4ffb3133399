/* A worker: one thread with one loop, and how the control thread starts, wakes, watches and ends
 * it. The workers of both servers begin with one. Verbs are the control thread's unless they say
 * otherwise. */
#ifndef NTS_PROCESS_WORKER_H
#define NTS_PROCESS_WORKER_H

#include "base/snapshot.h"
#include "base/status.h"
#include "process/heartbeat.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum worker_stop {
    WORKER_RUN,
    WORKER_STOP,     /* let the sockets go, and finish what has come until now */
    WORKER_STOP_NOW, /* drop what is open */
};

struct worker;

/* What a kind of worker does on its thread. */
struct worker_ops {
    /* Takes what the loop needs. On error nothing is left open, and the text says why. */
    enum nts_status (*open)(struct worker *worker, struct error *error);
    /* Serves until worker_stop_wanted, and closes what open took. An error ends the server. */
    enum nts_status (*serve)(struct worker *worker, struct error *error);
};

struct worker {
    const struct worker_ops *ops;
    size_t number;
    int cpu;                /* to stay on; -1: any */
    int wake_fd;            /* an eventfd, readable when the worker is to turn its loop */
    int done_fd;            /* an eventfd of the control thread, written when a worker has ended */
    atomic_int stop;        /* enum worker_stop */
    atomic_bool has_let_go; /* of its sockets: it takes nothing from them any more */
    struct snapshot_slot live; /* what reloads change */
    struct heartbeat heartbeat;
    pthread_t thread;
    sem_t started;

    /* By the worker: `start` once `started` is posted, the others once the thread has ended. */
    enum nts_status start_status;
    enum nts_status end_status;
    struct error error;
};

/* worker_init prepares a zeroed worker. NTS_ERR_SYSTEM without a descriptor for it; worker_close is
 * due in any case. */
NTS_MUST_CHECK enum nts_status worker_init(struct worker *worker, const struct worker_ops *ops,
                                           size_t number, int done_fd, struct error *error);

/* worker_start starts the thread and waits until it serves. `live` has been published before. On
 * error, which is that of ops->open or NTS_ERR_SYSTEM, no thread runs, and it may be tried again.
 */
NTS_MUST_CHECK enum nts_status worker_start(struct worker *worker, struct error *error);

/* worker_wake makes the worker turn its loop, even without traffic. Any thread. */
void worker_wake(struct worker *worker);

/* worker_publish hands the worker a newer snapshot, of which it takes a reference, and wakes it. */
void worker_publish(struct worker *worker, struct snapshot *live);

/* worker_request_stop asks the worker to end. It writes to done_fd when it has. */
void worker_request_stop(struct worker *worker, enum worker_stop stop);

/* worker_stop_wanted returns what the worker has been asked. Worker's thread. */
static inline enum worker_stop worker_stop_wanted(const struct worker *worker)
{
    return (enum worker_stop)atomic_load_explicit(&worker->stop, memory_order_relaxed);
}

/* worker_let_go says that the worker takes nothing from its sockets any more. Worker's thread. */
static inline void worker_let_go(struct worker *worker)
{
    atomic_store(&worker->has_let_go, true);
}

/* worker_join waits for the thread and returns why it ended: NTS_OK if it was asked to. */
NTS_MUST_CHECK enum nts_status worker_join(struct worker *worker, struct error *error);

/* worker_close closes the descriptor and drops the snapshots, when no thread runs. */
void worker_close(struct worker *worker);

#endif

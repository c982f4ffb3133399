/* One worker: one thread, one transport, one engine. Receives a batch, judges its sources, answers
 * it, sends it. */
#ifndef NTS_TIME_WORKER_H
#define NTS_TIME_WORKER_H

#include "base/snapshot.h"
#include "limit/source_gate.h"
#include "process/heartbeat.h"
#include "time-server/transport/transport.h"

#include <pthread.h>
#include <semaphore.h>

/* What a reload can change; published to the workers as a snapshot. */
struct time_settings {
    struct snapshot snapshot; /* first member */
    bool plain_ntp;
    bool silent_when_unsynchronised;
    struct source_policy policy;
    struct clock_limits clock_limits;
};

struct time_worker {
    /* set by the control thread before the start */
    size_t number;
    int cpu; /* to stay on, -1: any */
    const struct transport_ops *transport;
    struct transport_sockets sockets;
    struct clock_board *clock_board;
    struct source_gate *gate; /* of all workers */

    /* shared with the control thread while running */
    struct snapshot_slot keyring;
    struct snapshot_slot settings;
    atomic_bool stop;
    struct heartbeat heartbeat;
    struct transport_counters transport_counters;
    struct answer_engine *engine;

    pthread_t thread;
    sem_t started;
    enum nts_status start_status; /* read once `started` is posted; so is what follows */
    struct error start_error;
};

/* time_worker_start starts the thread and waits until it receives, or has failed with the status
 * and text of the transport's open. Keyring and settings have been published before. */
NTS_MUST_CHECK enum nts_status time_worker_start(struct time_worker *worker, struct error *error);

/* time_worker_wake makes the worker look at its slots and its stop flag, even without traffic. */
void time_worker_wake(struct time_worker *worker);

/* time_worker_stop lets the worker answer what has come to its sockets until now, and ends the
 * thread. The counters stay. */
void time_worker_stop(struct time_worker *worker);

/* time_worker_close ends the engine with its counters, after time_worker_stop or without a start.
 * The slots are the caller's to clear. */
void time_worker_close(struct time_worker *worker);

#endif

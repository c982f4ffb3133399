/* A worker of nts-time-server: one thread, one transport, one engine. Receives a batch, judges its
 * sources, answers it, sends it. A transport that fails for good ends its worker with an error. */
#ifndef NTS_TIME_WORKER_H
#define NTS_TIME_WORKER_H

#include "limit/source_gate.h"
#include "process/worker.h"
#include "time-server/clock/clock_state.h"
#include "time-server/protocol/answer.h"
#include "time-server/transport/transport.h"

struct time_worker {
    struct worker worker; /* first member */

    /* Set by time_worker_init and the control thread, before the start. */
    const struct transport_ops *transport;
    const void *bound; /* by the binding of the transport, for all workers */
    struct clock_board *clock_board;
    struct source_gate *gate; /* of all workers */
    struct answer_engine *engine;

    /* The worker's. */
    void *open_transport;
    counter transport_events[TRANSPORT_MAX_EVENTS]; /* of `transport` */
};

/* time_worker_init prepares a zeroed worker. NTS_ERR_SYSTEM, NTS_ERR_NO_MEMORY; time_worker_close
 * is due in any case. */
NTS_MUST_CHECK enum nts_status time_worker_init(struct time_worker *worker, size_t number,
                                                int done_fd, struct error *error);

/* time_worker_close ends the engine with its counters, when no thread runs. */
void time_worker_close(struct time_worker *worker);

#endif

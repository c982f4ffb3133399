/* The workers of a time server on their transport: what the control thread does with them, beside
 * what it does with the workers of any server (worker_group.h). */
#ifndef NTS_TIME_WORKERS_H
#define NTS_TIME_WORKERS_H

#include "process/worker_group.h"
#include "time-server/config/time_config.h"
#include "time-server/time_worker.h"
#include "time-server/transport/transports.h"

/* What is the same for all of them. */
struct time_workers_setup {
    const struct transport_table *transports;
    const struct time_config *config; /* workers, transport, listen and what the binding reads */
    struct clock_board *clock_board;
    struct source_gate *gate;
};

/* Zero-initialised, nothing is open. */
struct time_workers {
    struct time_workers_setup setup;
    struct worker_group *group;
    const struct transport_ops *transport; /* in use; before the start: tried first */
    void *bound;                           /* by its binding; NULL: nothing is */
    bool has_fallen_back;                  /* to another than the one that "auto" tries first */
    struct time_worker *items;
    size_t num;
};

/* time_workers_open prepares the workers, as many as configured or, if that is 0, one on each CPU
 * that this process may use, pinned to it. It opens `group` and adds them; the group is the
 * caller's to close. What `setup` points to outlives them. time_workers_close is due in any case.
 * NTS_ERR_NO_MEMORY or NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status time_workers_open(struct time_workers *workers,
                                                 struct worker_group *group,
                                                 const struct time_workers_setup *setup,
                                                 struct error *error);

/* time_workers_bind binds what the transport receives from, privileged; sockets that are in `pool`
 * are taken out of it instead. With "auto" another transport is tried if one cannot be bound.
 * NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status time_workers_bind(struct time_workers *workers,
                                                 struct socket_pool *pool, struct error *error);

/* time_workers_start starts all workers, after the live state was published. With "auto", when the
 * transport does not open for one of them, those that run are stopped, a warning is logged, and all
 * start on the next transport that works on what is bound. On error none runs. NTS_ERR_SYSTEM or
 * NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status time_workers_start(struct time_workers *workers,
                                                  struct error *error);

/* time_workers_offer returns the number of descriptors that a server which takes over gets, at
 * `*fds`. They stay the workers'. */
size_t time_workers_offer(const struct time_workers *workers, const int **fds);

/* time_workers_set_receive_buffer resizes the receive buffers. False if the kernel permits less. */
bool time_workers_set_receive_buffer(struct time_workers *workers, int64_t receive_buffer_kib);

/* The counters of all workers together. */
struct time_sums {
    uint64_t events[ANSWER_NUM_EVENTS];
    uint64_t by_cause[ANSWER_NUM_CAUSES];
    uint64_t opened_by_age[KEY_NUM_AGES];
    uint64_t answered_by_aead[AEAD_NUM_ALGORITHMS];
    uint64_t batch_sizes[ANSWER_NUM_BATCH_SIZES + 1]; /* none is larger than the last */
    struct transport_counters transport;
};

/* time_workers_sum adds them up. Any thread, after time_workers_start and before
 * time_workers_close. */
void time_workers_sum(const struct time_workers *workers, struct time_sums *sums);

/* time_workers_close closes the workers, when no thread runs, and unbinds. Again does nothing. */
void time_workers_close(struct time_workers *workers);

#endif

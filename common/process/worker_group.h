/* All workers of a server: started together or not at all, watched once a second, ended together.
 * Control thread. */
#ifndef NTS_PROCESS_WORKER_GROUP_H
#define NTS_PROCESS_WORKER_GROUP_H

#include "process/worker.h"

#include <sched.h>
#include <stdbool.h>

struct worker_group {
    struct worker **workers;
    size_t num;
    size_t num_running; /* started and not joined; the first of the list */
    size_t num_ended; /* of those, the ones whose threads have ended by themselves or when asked */
    int done_fd;      /* an eventfd: readable when a worker has ended */
};

/* worker_group_size returns how many workers a server has: as many as are configured, or, if that is
 * 0, one for each CPU that this process may use. `*cpus` gets those CPUs; CPU 0 if the kernel does
 * not tell. */
size_t worker_group_size(int64_t num_configured, cpu_set_t *cpus);

/* worker_group_open prepares room for up to `max_num` workers. NTS_ERR_SYSTEM, NTS_ERR_NO_MEMORY;
 * worker_group_close is due in any case, on a group that was zero but for done_fd, -1. */
NTS_MUST_CHECK enum nts_status worker_group_open(struct worker_group *group, size_t max_num,
                                                 struct error *error);

/* worker_group_add adds a worker that worker_init has prepared for group->done_fd. */
void worker_group_add(struct worker_group *group, struct worker *worker);

/* worker_group_start starts all. On error, as of worker_start, those that had been started have
 * been ended, and it may be tried again. */
NTS_MUST_CHECK enum nts_status worker_group_start(struct worker_group *group, struct error *error);

/* worker_group_publish hands all of them, running or not, a newer snapshot. */
void worker_group_publish(struct worker_group *group, struct snapshot *live);

/* worker_group_look wakes every worker that runs and returns how many are alive: have turned within
 * `patience_ns`. If any is not, `*stuck` is the number of the first. Once a second. */
size_t worker_group_look(struct worker_group *group, int64_t now_ns, int64_t patience_ns,
                         size_t *stuck);

/* worker_group_request_stop asks all of them to end. */
void worker_group_request_stop(struct worker_group *group, enum worker_stop stop);

/* worker_group_take_ended counts those that have written to done_fd. True if all have ended. */
bool worker_group_take_ended(struct worker_group *group);

/* worker_group_has_let_go tells whether all have let go of their sockets. */
bool worker_group_has_let_go(const struct worker_group *group);

/* worker_group_join waits for all threads, which have been asked to end, and logs `event` with the
 * text of each that ended with an error. True if there was none. */
bool worker_group_join(struct worker_group *group, const char *event);

/* worker_group_close frees the list and the descriptor; the workers are the caller's to close. */
void worker_group_close(struct worker_group *group);

#endif

#include "process/worker_group.h"

#include "log/log.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

size_t worker_group_size(int64_t num_configured, cpu_set_t *cpus)
{
    if (sched_getaffinity(0, sizeof(*cpus), cpus) != 0) {
        CPU_ZERO(cpus);
        CPU_SET(0, cpus);
    }
    return num_configured > 0 ? (size_t)num_configured : (size_t)CPU_COUNT(cpus);
}

enum nts_status worker_group_open(struct worker_group *group, size_t max_num, struct error *error)
{
    *group = (struct worker_group){.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (group->done_fd < 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot prepare the workers: eventfd: %s",
                         strerror(errno));
    }
    group->workers = calloc(max_num, sizeof(struct worker *));
    return group->workers != NULL ? NTS_OK : error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
}

void worker_group_add(struct worker_group *group, struct worker *worker)
{
    group->workers[group->num++] = worker;
}

static void stop_started(struct worker_group *group)
{
    worker_group_request_stop(group, WORKER_STOP_NOW);
    for (; group->num_running > 0; group->num_running--) {
        struct error unused;
        if (worker_join(group->workers[group->num_running - 1], &unused) != NTS_OK) {
            continue; /* the caller has the first error already */
        }
    }
    worker_group_take_ended(group);
    group->num_ended = 0;
}

enum nts_status worker_group_start(struct worker_group *group, struct error *error)
{
    while (group->num_running < group->num) {
        enum nts_status status = worker_start(group->workers[group->num_running], error);
        if (status != NTS_OK) {
            stop_started(group);
            return status;
        }
        group->num_running++;
    }
    return NTS_OK;
}

void worker_group_publish(struct worker_group *group, struct snapshot *live)
{
    for (size_t i = 0; i < group->num; i++) {
        worker_publish(group->workers[i], live);
    }
}

size_t worker_group_look(struct worker_group *group, int64_t now_ns, int64_t patience_ns,
                         size_t *stuck)
{
    size_t num_alive = 0;
    for (size_t i = group->num_running; i-- > 0;) {
        if (heartbeat_look(&group->workers[i]->heartbeat, now_ns, patience_ns)) {
            num_alive++;
        } else {
            *stuck = i;
        }
        worker_wake(group->workers[i]);
    }
    return num_alive;
}

void worker_group_request_stop(struct worker_group *group, enum worker_stop stop)
{
    for (size_t i = 0; i < group->num_running; i++) {
        worker_request_stop(group->workers[i], stop);
    }
}

bool worker_group_take_ended(struct worker_group *group)
{
    uint64_t num;
    if (read(group->done_fd, &num, sizeof(num)) == (ssize_t)sizeof(num)) {
        group->num_ended += num;
    }
    return group->num_ended >= group->num_running;
}

bool worker_group_has_let_go(const struct worker_group *group)
{
    for (size_t i = 0; i < group->num_running; i++) {
        if (!atomic_load(&group->workers[i]->has_let_go)) {
            return false;
        }
    }
    return true;
}

bool worker_group_join(struct worker_group *group, const char *event)
{
    bool is_clean = true;
    for (size_t i = 0; i < group->num_running; i++) {
        struct error error;
        if (worker_join(group->workers[i], &error) != NTS_OK) {
            log_error(event, "worker=%zu reason=\"%s\"", i, error.text);
            is_clean = false;
        }
    }
    group->num_running = 0;
    return is_clean;
}

void worker_group_close(struct worker_group *group)
{
    assert(group->num_running == 0);
    if (group->done_fd >= 0) {
        close(group->done_fd);
    }
    free(group->workers);
    *group = (struct worker_group){.done_fd = -1};
}

#include "process/worker.h"

#include "base/event_fd.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum nts_status worker_init(struct worker *worker, const struct worker_ops *ops, size_t number,
                            int done_fd, struct error *error)
{
    worker->ops = ops;
    worker->number = number;
    worker->cpu = -1;
    worker->done_fd = done_fd;
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake_fd < 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot prepare a worker: eventfd: %s",
                         strerror(errno));
    }
    return NTS_OK;
}

static void stay_on_cpu(const struct worker *worker)
{
    if (worker->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)worker->cpu, &set);
        sched_setaffinity(0, sizeof(set), &set); /* a preference: the worker runs without it too */
    }
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    char name[16];
    snprintf(name, sizeof(name), "worker-%u", (unsigned)worker->number % 10000);
    pthread_setname_np(pthread_self(), name);
    stay_on_cpu(worker);
    enum nts_status status = worker->ops->open(worker, &worker->error);
    worker->start_status = status;
    sem_post(&worker->started);
    if (status == NTS_OK) {
        worker->end_status = worker->ops->serve(worker, &worker->error);
        worker_let_go(worker);
        event_fd_signal(worker->done_fd);
    }
    return NULL;
}

enum nts_status worker_start(struct worker *worker, struct error *error)
{
    atomic_store(&worker->stop, (int)WORKER_RUN);
    atomic_store(&worker->has_let_go, false);
    if (sem_init(&worker->started, 0, 0) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot prepare a worker: %s", strerror(errno));
    }
    enum nts_status status = NTS_OK;
    int result = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (result != 0) {
        status = error_set(error, NTS_ERR_SYSTEM, "cannot start a thread: %s", strerror(result));
    } else {
        while (sem_wait(&worker->started) != 0) {
        }
        status = worker->start_status;
        if (status != NTS_OK) {
            pthread_join(worker->thread, NULL);
            *error = worker->error;
        }
    }
    sem_destroy(&worker->started);
    return status;
}

void worker_wake(struct worker *worker)
{
    event_fd_signal(worker->wake_fd);
}

void worker_publish(struct worker *worker, struct snapshot *live)
{
    snapshot_publish(&worker->live, live);
    worker_wake(worker);
}

void worker_request_stop(struct worker *worker, enum worker_stop stop)
{
    atomic_store_explicit(&worker->stop, (int)stop, memory_order_relaxed);
    worker_wake(worker);
}

enum nts_status worker_join(struct worker *worker, struct error *error)
{
    pthread_join(worker->thread, NULL);
    *error = worker->error;
    return worker->end_status;
}

void worker_close(struct worker *worker)
{
    if (worker->wake_fd >= 0) {
        close(worker->wake_fd);
        worker->wake_fd = -1;
    }
    snapshot_slot_clear(&worker->live);
}

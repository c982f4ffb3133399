#include "time-server/time_worker.h"

#include "base/clock_time.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void stay_on_cpu(const struct time_worker *worker)
{
    if (worker->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)worker->cpu, &set);
        sched_setaffinity(0, sizeof(set), &set); /* a preference: going without is no fault */
    }
}

static void judge_sources(struct source_gate *gate, const struct source_policy *policy,
                          struct datagram *batch, size_t num)
{
    if (source_policy_is_open_to_all(policy)) {
        return;
    }
    int64_t now_ns = mono_time_ns();
    for (size_t i = 0; i < num; i++) {
        batch[i].verdict = source_gate_judge(gate, policy, batch[i].source, now_ns);
    }
}

/* The way of a datagram: transport -> worker -> answer -> worker -> transport. Returns the number
 * of datagrams of the batch; zero: woken. */
static size_t serve_batch(struct time_worker *worker, void *transport,
                          struct answer_context *context)
{
    struct datagram *batch;
    heartbeat_turn(&worker->heartbeat);
    size_t num = worker->transport->receive(transport, &batch);
    context->keyring = (const struct keyring *)snapshot_take(&worker->keyring);
    if (num == 0) {
        return 0;
    }
    const struct time_settings *settings =
        (const struct time_settings *)snapshot_take(&worker->settings);
    context->plain_ntp = settings->plain_ntp;
    context->silent_when_unsynchronised = settings->silent_when_unsynchronised;
    judge_sources(worker->gate, &settings->policy, batch, num);
    context->limits = settings->clock_limits;
    clock_board_read(worker->clock_board, &context->clock);
    context->prediction = *worker->transport->prediction(transport);
    answer_batch(worker->engine, batch, num, context);
    worker->transport->send(transport);
    return num;
}

static void serve(struct time_worker *worker, void *transport)
{
    struct answer_context context = {
        .real_time_ns = real_time_ns,
    };
    while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
        serve_batch(worker, transport, &context);
    }
    worker->transport->finish(transport);
    while (serve_batch(worker, transport, &context) > 0) {
    }
}

static void *worker_main(void *argument)
{
    struct time_worker *worker = argument;
    void *transport = NULL;
    char name[16];
    snprintf(name, sizeof(name), "worker-%u", (unsigned)worker->number % 10000);
    pthread_setname_np(pthread_self(), name);
    stay_on_cpu(worker);
    enum nts_status status = worker->transport->open(
        &transport, &worker->sockets, &worker->transport_counters, &worker->start_error);
    worker->start_status = status;
    sem_post(&worker->started);
    if (status == NTS_OK) {
        serve(worker, transport);
        worker->transport->close(transport);
    }
    return NULL;
}

enum nts_status time_worker_start(struct time_worker *worker, struct error *error)
{
    worker->engine = answer_engine_create();
    if (worker->engine == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    atomic_store(&worker->stop, false);
    sem_init(&worker->started, 0, 0);
    enum nts_status status = NTS_OK;
    if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
        status = error_set(error, NTS_ERR_SYSTEM, "cannot start a thread");
    } else {
        while (sem_wait(&worker->started) != 0) {
        }
        status = worker->start_status;
        if (status != NTS_OK) {
            *error = worker->start_error;
            pthread_join(worker->thread, NULL);
        }
    }
    sem_destroy(&worker->started);
    if (status != NTS_OK) {
        answer_engine_destroy(worker->engine);
        worker->engine = NULL;
    }
    return status;
}

void time_worker_wake(struct time_worker *worker)
{
    uint64_t one = 1;
    if (write(worker->sockets.wake_fd, &one, sizeof(one)) < 0) {
        return; /* the counter is full: a wake-up is pending already */
    }
}

void time_worker_stop(struct time_worker *worker)
{
    atomic_store(&worker->stop, true);
    time_worker_wake(worker);
    pthread_join(worker->thread, NULL);
}

void time_worker_close(struct time_worker *worker)
{
    answer_engine_destroy(worker->engine);
    worker->engine = NULL;
}

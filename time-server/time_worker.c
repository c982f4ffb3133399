#include "time-server/time_worker.h"

#include "base/clock_time.h"
#include "time-server/config/time_settings.h"

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
static size_t serve_batch(struct time_worker *worker, struct answer_context *context)
{
    struct datagram *batch;
    void *transport = worker->open_transport;
    heartbeat_turn(&worker->worker.heartbeat);
    size_t num = worker->transport->receive(transport, &batch);
    const struct live_state *live = (const struct live_state *)snapshot_take(&worker->worker.live);
    if (num == 0) {
        return 0;
    }
    const struct time_settings *settings = time_settings_of(live->settings);
    context->keyring = live->keyring;
    context->plain_ntp = settings->config.plain_ntp;
    context->silent_when_unsynchronised = settings->config.unsynchronised == UNSYNCHRONISED_SILENT;
    context->limits = settings->clock_limits;
    judge_sources(worker->gate, &settings->host.sources, batch, num);
    clock_board_read(worker->clock_board, &context->clock);
    context->prediction = *worker->transport->prediction(transport);
    answer_batch(worker->engine, batch, num, context);
    worker->transport->send(transport);
    return num;
}

static enum nts_status time_worker_open(struct worker *base, struct error *error)
{
    struct time_worker *worker = (struct time_worker *)base;
    return worker->transport->open(&worker->open_transport, &worker->sockets,
                                   &worker->transport_counters, error);
}

/* Asked to stop at once or politely, the worker answers what has come until now, and no more. */
static enum nts_status time_worker_serve(struct worker *base, struct error *error)
{
    struct time_worker *worker = (struct time_worker *)base;
    struct answer_context context = {
        .versions = &ntp_versions,
        .real_time_ns = real_time_ns,
    };
    (void)error;
    while (worker_stop_wanted(base) == WORKER_RUN) {
        serve_batch(worker, &context);
    }
    worker->transport->finish(worker->open_transport);
    while (serve_batch(worker, &context) > 0) {
    }
    worker->transport->close(worker->open_transport);
    return NTS_OK;
}

static const struct worker_ops time_worker_ops = {.open = time_worker_open,
                                                  .serve = time_worker_serve};

enum nts_status time_worker_init(struct time_worker *worker, size_t number, int done_fd,
                                 struct error *error)
{
    enum nts_status status = worker_init(&worker->worker, &time_worker_ops, number, done_fd, error);
    if (status != NTS_OK) {
        return status;
    }
    worker->sockets.wake_fd = worker->worker.wake_fd;
    worker->engine = answer_engine_create();
    return worker->engine != NULL ? NTS_OK : error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
}

void time_worker_close(struct time_worker *worker)
{
    answer_engine_destroy(worker->engine);
    worker->engine = NULL;
    worker_close(&worker->worker);
}

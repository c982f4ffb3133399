#include "time-server/time_worker.h"

#include "base/clock_time.h"
#include "time-server/config/time_settings.h"

_Static_assert(TRANSPORT_BATCH <= ANSWER_MAX_BATCH, "a batch is answered in one go");

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

/* The way of a datagram: transport -> worker -> answer -> worker -> transport. `*num` is the number
 * of datagrams of the batch; zero: woken. */
static enum nts_status serve_batch(struct time_worker *worker, struct answer_context *context,
                                   size_t *num, struct error *error)
{
    struct datagram *batch;
    void *transport = worker->open_transport;
    heartbeat_turn(&worker->worker.heartbeat);
    enum nts_status status = worker->transport->receive(transport, &batch, num, error);
    if (status != NTS_OK) {
        return status;
    }
    const struct live_state *live = (const struct live_state *)snapshot_take(&worker->worker.live);
    if (*num == 0) {
        return NTS_OK;
    }
    const struct time_settings *settings = time_settings_of(live->settings);
    context->keyring = live->keyring;
    context->plain_ntp = settings->config.plain_ntp;
    context->silent_when_unsynchronised = settings->config.unsynchronised == UNSYNCHRONISED_SILENT;
    context->limits = settings->clock_limits;
    judge_sources(worker->gate, &settings->host.sources, batch, *num);
    clock_board_read(worker->clock_board, &context->clock);
    context->prediction = *worker->transport->prediction(transport);
    answer_batch(worker->engine, batch, *num, context);
    worker->transport->send(transport);
    return NTS_OK;
}

/* The counters of a transport that did not open for all workers are not those of the next one. */
static enum nts_status time_worker_open(struct worker *base, struct error *error)
{
    struct time_worker *worker = (struct time_worker *)base;
    const struct transport_part part = {
        .bound = worker->bound,
        .worker = base->number,
        .wake_fd = base->wake_fd,
        .events = worker->transport_events,
    };
    for (size_t i = 0; i < TRANSPORT_MAX_EVENTS; i++) {
        atomic_store(&worker->transport_events[i], 0);
    }
    return worker->transport->open(&worker->open_transport, &part, error);
}

/* Asked to stop at once or politely, the worker answers what has come until now, and no more. */
static enum nts_status serve_all(struct time_worker *worker, struct error *error)
{
    struct answer_context context = {
        .versions = &ntp_versions,
        .real_time_ns = real_time_ns,
    };
    enum nts_status status = NTS_OK;
    size_t num = 0;
    while (status == NTS_OK && worker_stop_wanted(&worker->worker) == WORKER_RUN) {
        status = serve_batch(worker, &context, &num, error);
    }
    if (status != NTS_OK) {
        return status;
    }
    worker->transport->finish(worker->open_transport);
    do {
        status = serve_batch(worker, &context, &num, error);
    } while (status == NTS_OK && num > 0);
    return status;
}

static enum nts_status time_worker_serve(struct worker *base, struct error *error)
{
    struct time_worker *worker = (struct time_worker *)base;
    enum nts_status status = serve_all(worker, error);
    worker->transport->close(worker->open_transport);
    return status;
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
    worker->engine = answer_engine_create();
    return worker->engine != NULL ? NTS_OK : error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
}

void time_worker_close(struct time_worker *worker)
{
    answer_engine_destroy(worker->engine);
    worker->engine = NULL;
    worker_close(&worker->worker);
}

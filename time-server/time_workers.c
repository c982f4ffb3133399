#include "time-server/time_workers.h"

#include "log/log.h"

#include <stdlib.h>

enum nts_status time_workers_open(struct time_workers *workers, struct worker_group *group,
                                  const struct time_workers_setup *setup, struct error *error)
{
    cpu_set_t cpus;
    size_t num = worker_group_size(setup->config->workers, &cpus);
    bool is_pinned = setup->config->workers == 0;
    *workers = (struct time_workers){
        .setup = *setup,
        .group = group,
        .transport = transport_candidate(setup->transports, setup->config->transport, 0),
        .items = calloc(num, sizeof(struct time_worker)),
    };
    if (workers->items == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status = worker_group_open(group, num, error);
    for (size_t cpu = 0; status == NTS_OK && workers->num < num; cpu++) {
        if (is_pinned && !CPU_ISSET(cpu, &cpus)) {
            continue;
        }
        struct time_worker *worker = &workers->items[workers->num];
        status = time_worker_init(worker, workers->num++, group->done_fd, error);
        worker->worker.cpu = is_pinned ? (int)cpu : -1;
        worker->clock_board = setup->clock_board;
        worker->gate = setup->gate;
        worker_group_add(group, &worker->worker);
    }
    return status;
}

/* What is tried after `position`; NULL if there is nothing, or the configuration names one. */
static const struct transport_ops *next_transport(const struct time_workers *workers,
                                                  size_t *position)
{
    return transport_candidate(workers->setup.transports, workers->setup.config->transport,
                               ++*position);
}

static void fall_back(struct time_workers *workers, const struct transport_ops *next,
                      const struct error *error)
{
    log_warning("transport.fallback", "transport=%s reason=\"%s\"", next->name, error->text);
    workers->transport = next;
    workers->has_fallen_back = true;
}

/* Where the transport in use stands among those that are tried. */
static size_t position_in_use(const struct time_workers *workers)
{
    size_t position = 0;
    while (transport_candidate(workers->setup.transports, workers->setup.config->transport,
                               position) != workers->transport) {
        position++;
    }
    return position;
}

enum nts_status time_workers_bind(struct time_workers *workers, struct socket_pool *pool,
                                  struct error *error)
{
    const struct time_config *config = workers->setup.config;
    struct listen_plan plan;
    size_t position = position_in_use(workers);
    listen_plan_make(&plan, SOCK_DGRAM, &config->listen, workers->num, pool);
    for (;;) {
        const struct transport_binding *binding = workers->transport->binding;
        enum nts_status status = binding->bind(&workers->bound, &plan, config, pool, error);
        const struct transport_ops *next = next_transport(workers, &position);
        while (next != NULL && next->binding == binding) {
            next = next_transport(workers, &position); /* it would fail likewise */
        }
        if (status == NTS_OK || next == NULL) {
            return status;
        }
        fall_back(workers, next, error);
    }
}

static enum nts_status start_all(struct time_workers *workers, struct error *error)
{
    for (size_t i = 0; i < workers->num; i++) {
        workers->items[i].transport = workers->transport;
        workers->items[i].bound = workers->bound;
    }
    return worker_group_start(workers->group, error);
}

enum nts_status time_workers_start(struct time_workers *workers, struct error *error)
{
    size_t position = position_in_use(workers);
    for (;;) {
        const struct transport_binding *binding = workers->transport->binding;
        enum nts_status status = start_all(workers, error);
        const struct transport_ops *next = next_transport(workers, &position);
        while (next != NULL && next->binding != binding) {
            next = next_transport(workers, &position); /* binding anew needs privileges */
        }
        if (status == NTS_OK || next == NULL) {
            return status;
        }
        fall_back(workers, next, error);
    }
}

size_t time_workers_offer(const struct time_workers *workers, const int **fds)
{
    return workers->transport->binding->offer(workers->bound, fds);
}

bool time_workers_set_receive_buffer(struct time_workers *workers, int64_t receive_buffer_kib)
{
    return workers->transport->binding->set_receive_buffer(workers->bound,
                                                           (int)receive_buffer_kib * 1024);
}

void time_workers_sum(const struct time_workers *workers, struct time_sums *sums)
{
    *sums = (struct time_sums){0};
    transport_counters_init(&sums->transport, workers->setup.transports);
    for (size_t i = 0; i < workers->num; i++) {
        const struct time_worker *worker = &workers->items[i];
        const struct answer_counters *answers = answer_engine_counters(worker->engine);
        counters_sum(sums->events, answers->events, ANSWER_NUM_EVENTS);
        counters_sum(sums->by_cause, answers->by_cause, ANSWER_NUM_CAUSES);
        counters_sum(sums->opened_by_age, answers->opened_by_age, KEY_NUM_AGES);
        counters_sum(sums->answered_by_aead, answers->answered_by_aead, AEAD_NUM_ALGORITHMS);
        counters_sum(sums->batch_sizes, answers->batch_sizes, ANSWER_NUM_BATCH_SIZES);
        transport_counters_add(&sums->transport, workers->transport, worker->transport_events);
    }
}

void time_workers_close(struct time_workers *workers)
{
    for (size_t i = 0; i < workers->num; i++) {
        time_worker_close(&workers->items[i]);
    }
    if (workers->bound != NULL) {
        workers->transport->binding->unbind(workers->bound);
    }
    free(workers->items);
    *workers = (struct time_workers){0};
}

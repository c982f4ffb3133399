#include "time-server/metrics/time_metrics.h"

#include "base/clock_time.h"
#include "service/service_metrics.h"

/* The counters of all workers together. */
struct sums {
    uint64_t events[ANSWER_NUM_EVENTS];
    uint64_t by_cause[NTS_NUM_STATUS];
    uint64_t opened_by_age[KEY_NUM_AGES];
    uint64_t answered_by_aead[AEAD_NUM_ALGORITHMS];
    uint64_t batch_sizes[ANSWER_NUM_BATCH_SIZES + 1]; /* none is larger than the last */
    uint64_t transport[TRANSPORT_NUM_EVENTS];
};

static void sum_counters(struct sums *sums, const struct time_server *server)
{
    *sums = (struct sums){0};
    for (size_t w = 0; w < server->num_workers; w++) {
        const struct time_worker *worker = &server->workers[w];
        const struct answer_counters *answers = answer_engine_counters(worker->engine);
        counters_sum(sums->events, answers->events, ANSWER_NUM_EVENTS);
        counters_sum(sums->by_cause, answers->by_cause, NTS_NUM_STATUS);
        counters_sum(sums->opened_by_age, answers->opened_by_age, KEY_NUM_AGES);
        counters_sum(sums->answered_by_aead, answers->answered_by_aead, AEAD_NUM_ALGORITHMS);
        counters_sum(sums->batch_sizes, answers->batch_sizes, ANSWER_NUM_BATCH_SIZES);
        counters_sum(sums->transport, worker->transport_counters.events, TRANSPORT_NUM_EVENTS);
    }
}

static void write_batch_sizes(struct metrics_page *page, const struct sums *sums)
{
    double bounds[ANSWER_NUM_BATCH_SIZES];
    for (size_t i = 0; i < ANSWER_NUM_BATCH_SIZES; i++) {
        bounds[i] = (double)(1u << i);
    }
    metrics_family(page, &(struct metric_family){"nts_time_batch_size", METRIC_HISTOGRAM, NULL,
                                                 "Datagrams answered in one go"});
    metrics_histogram(page, METRIC_NO_LABELS,
                      &(struct metric_histogram){bounds, sums->batch_sizes, ANSWER_NUM_BATCH_SIZES,
                                                 (double)sums->events[ANSWER_REQUESTS]});
}

static void write_counters(struct metrics_page *page, const struct time_server *server)
{
    static const struct metric_row events[] = {ANSWER_EVENT_TABLE(METRIC_ROW)};
    static const struct metric_row transport[] = {TRANSPORT_EVENT_TABLE(METRIC_ROW)};
#define AGE_LABEL(name, label) label,
    static const char *const ages[] = {KEY_AGE_TABLE(AGE_LABEL)};
#undef AGE_LABEL
    const char *aeads[AEAD_NUM_ALGORITHMS];
    struct sums sums;
    sum_counters(&sums, server);
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        aeads[i] = aead_at(i)->name;
    }
    metrics_counters(page, "nts_time", events, sums.events, ANSWER_NUM_EVENTS);
    metrics_counters_by_status(page, "nts_time_refused",
                               "Requests that got silence or an NTS NAK, by cause", "cause",
                               NTS_OK + 1, sums.by_cause);
    metrics_counters_by(page, "nts_time_cookies_opened",
                        "Cookies opened, by how their master key stands to the active one",
                        "key_age", ages, sums.opened_by_age, KEY_NUM_AGES);
    metrics_counters_by(page, "nts_time_aead_answers", "NTS answers, by AEAD algorithm", "aead",
                        aeads, sums.answered_by_aead, AEAD_NUM_ALGORITHMS);
    write_batch_sizes(page, &sums);
    metrics_counters(page, "nts_time_transport", transport, sums.transport, TRANSPORT_NUM_EVENTS);
    const uint64_t fallbacks = server->has_fallen_back ? 1 : 0;
    static const struct metric_row fallback = {
        "fallbacks", "1 if system calls took the place of a forbidden io_uring"};
    metrics_counters(page, "nts_time_transport", &fallback, &fallbacks, 1);
}

#define SECONDS(ns) ((double)(ns) / (double)NS_PER_S)

static void write_clock(struct metrics_page *page, struct time_server *server)
{
    struct clock_status status;
    int64_t now_ns = real_time_ns();
    clock_board_read(&server->clock_board, &status);
    const struct clock_limits limits = time_server_clock_limits(server);
    bool is_fit = clock_is_fit(&status, &limits, now_ns);
    int64_t dispersion_ns = clock_root_dispersion_ns(&status, now_ns);
    metrics_gauge(page, "nts_time_clock_fit", NULL, "1 if good time is claimed", is_fit ? 1 : 0);
    metrics_gauge(page, "nts_time_clock_stratum", NULL,
                  "Stratum as the clock source has it; told to clients while the clock is fit",
                  status.stratum);
    metrics_gauge(page, "nts_time_clock_leap", NULL,
                  "Leap indicator: 0 none, 1 insert, 2 delete a second, 3 unsynchronised",
                  status.leap);
    metrics_gauge(page, "nts_time_clock_root_delay_seconds", "seconds",
                  "Round trip to the reference clock", SECONDS(status.root_delay_ns));
    metrics_gauge(page, "nts_time_clock_root_dispersion_seconds", "seconds",
                  "Dispersion to the reference clock, grown since the last update",
                  SECONDS(dispersion_ns));
    metrics_gauge(page, "nts_time_clock_root_distance_seconds", "seconds",
                  "Half the root delay plus the root dispersion",
                  SECONDS(status.root_delay_ns / 2 + dispersion_ns));

    metrics_family(page, &(struct metric_family){"nts_time_clock_update_age_seconds", METRIC_GAUGE,
                                                 "seconds",
                                                 "Time since the clock source last vouched for "
                                                 "the clock; absent: never"});
    if (status.updated_at_ns != 0) {
        metrics_value(page, METRIC_NO_LABELS, SECONDS(now_ns - status.updated_at_ns));
    }
    metrics_family(page,
                   &(struct metric_family){"nts_time_clock_offset_seconds", METRIC_GAUGE, "seconds",
                                           "Offset of the upstream server's clock to this "
                                           "host's, as last measured; absent: none is"});
    if (server->config.clock.source == CLOCK_UPSTREAM && status.stratum != 0) {
        metrics_value(page, METRIC_NO_LABELS, SECONDS(status.offset_ns));
    }
}

static void judge(struct health *health, void *context)
{
    struct time_server *server = context;
    struct clock_status status;
    clock_board_read(&server->clock_board, &status);
    const struct clock_limits limits = time_server_clock_limits(server);
    const char *trouble = clock_trouble(&status, &limits, real_time_ns());
    if (trouble != NULL) {
        health_add(health, "clock: %s", trouble);
    }
    service_health_keyring(health, &server->keyring);
    service_health_workers(health, server->num_workers, atomic_load(&server->num_alive));
}

static void write_page(struct metrics_page *page, void *context)
{
    struct time_server *server = context;
    struct health health = {0};
    const struct service_identity identity = {server->transport->name, server->started_at_s};
    service_metrics_build(page, &identity);
    judge(&health, server);
    metrics_gauge(page, "nts_time_healthy", NULL, "1 if /healthz says that all is well",
                  health_is_good(&health) ? 1 : 0);
    metrics_gauge(page, "nts_time_workers", NULL, "Worker threads", (double)server->num_workers);
    metrics_gauge(page, "nts_time_workers_alive", NULL, "Worker threads that do not hang",
                  (double)atomic_load(&server->num_alive));
    write_counters(page, server);
    write_clock(page, server);
    service_metrics_keyring(page, &server->keyring);
}

struct metrics_source time_metrics_source(struct time_server *server)
{
    return (struct metrics_source){.write = write_page, .judge = judge, .context = server};
}

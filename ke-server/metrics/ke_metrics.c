#include "ke-server/metrics/ke_metrics.h"

#include "base/clock_time.h"
#include "ke-server/metrics/watch_metrics.h"
#include "service/service_metrics.h"

/* The counters of all workers together. */
struct sums {
    uint64_t values[KE_NUM_COUNTERS];
    uint64_t by_aead[AEAD_NUM_ALGORITHMS];
    uint64_t by_group[TLS_NUM_GROUPS];
    uint64_t by_version[TLS_NUM_VERSIONS];
    uint64_t by_time[HANDSHAKE_NUM_BOUNDS + 1];
    uint64_t time_ns;
    uint64_t max_connections;
};

static void sum_counters(struct sums *sums, const struct ke_metrics *metrics)
{
    *sums = (struct sums){0};
    for (size_t i = 0; i < metrics->num_workers; i++) {
        const struct ke_worker *worker = &metrics->workers[i];
        const struct handshake_counters *handshakes = &worker->counters.handshakes;
        ke_counters_sum(sums->values, &worker->counters);
        counters_sum(sums->by_aead, worker->counters.by_aead, AEAD_NUM_ALGORITHMS);
        counters_sum(sums->by_group, handshakes->by_group, TLS_NUM_GROUPS);
        counters_sum(sums->by_version, handshakes->by_version, TLS_NUM_VERSIONS);
        counters_sum(sums->by_time, handshakes->by_time, HANDSHAKE_NUM_BOUNDS + 1);
        counters_sum(&sums->time_ns, &handshakes->time_ns, 1);
        sums->max_connections += worker->max_connections;
    }
}

static void write_connections(struct metrics_page *page, const struct sums *sums)
{
    uint64_t accepted = sums->values[KE_EVENT_ACCEPTED];
    uint64_t closed = sums->values[KE_EVENT_CLOSED];
    /* The workers go on while we read. */
    metrics_gauge(page, "nts_ke_connections_open", NULL, "Connections that have a slot now",
                  accepted > closed ? (double)(accepted - closed) : 0);
    metrics_gauge(page, "nts_ke_connections_limit", NULL,
                  "Connections that can have a slot at a time", (double)sums->max_connections);
}

static void write_handshakes(struct metrics_page *page, const struct sums *sums)
{
    metrics_counters_by(page, "nts_ke_tls_versions", "TLS handshakes completed, by version",
                        "version", tls_version_labels, sums->by_version, TLS_NUM_VERSIONS);
    metrics_counters_by(page, "nts_ke_tls_groups",
                        "TLS handshakes completed, by key-exchange group", "group",
                        tls_group_labels, sums->by_group, TLS_NUM_GROUPS);
    metrics_family(page,
                   &(struct metric_family){"nts_ke_handshake_seconds", METRIC_HISTOGRAM, "seconds",
                                           "Time from accept to the end of the TLS "
                                           "handshake, the client's share included"});
    metrics_histogram(page, METRIC_NO_LABELS,
                      &(struct metric_histogram){handshake_bounds_s, sums->by_time,
                                                 HANDSHAKE_NUM_BOUNDS,
                                                 (double)sums->time_ns / (double)NS_PER_S});
}

static void write_counters(struct metrics_page *page, const struct sums *sums)
{
    static const struct metric_row events[] = {KE_EVENT_TABLE(METRIC_ROW)};
    const char *aeads[AEAD_NUM_ALGORITHMS];
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        aeads[i] = aead_at(i)->name;
    }
    metrics_counters(page, "nts_ke", events, sums->values, KE_NUM_EVENTS);
    metrics_counters_by_status(page, "nts_ke_sessions",
                               "Sessions that ended, by result: ok, or why they failed", "result",
                               NTS_OK, sums->values + KE_NUM_EVENTS);
    metrics_counters_by(page, "nts_ke_aead_responses",
                        "Responses with cookies, by the AEAD algorithm agreed on", "aead", aeads,
                        sums->by_aead, AEAD_NUM_ALGORITHMS);
}

static void judge(struct health *health, void *context)
{
    struct ke_metrics *metrics = context;
    if (real_time_ns() / NS_PER_S >= atomic_load(&metrics->certificate_not_after_s)) {
        health_add(health, "certificate: it has expired");
    }
    service_health_keyring(health, metrics->keyring);
    service_health_workers(health, metrics->num_workers, atomic_load(&metrics->num_alive));
}

static void write_page(struct metrics_page *page, void *context)
{
    struct ke_metrics *metrics = context;
    struct health health = {0};
    struct sums sums;
    uint64_t loads[NTS_NUM_STATUS] = {0};
    const struct service_identity identity = {"io_uring", metrics->started_at_s};
    service_metrics_build(page, &identity);
    judge(&health, metrics);
    sum_counters(&sums, metrics);
    metrics_gauge(page, "nts_ke_healthy", NULL, "1 if /healthz says that all is well",
                  health_is_good(&health) ? 1 : 0);
    metrics_gauge(page, "nts_ke_workers", NULL, "Worker threads", (double)metrics->num_workers);
    metrics_gauge(page, "nts_ke_workers_alive", NULL, "Worker threads that do not hang",
                  (double)atomic_load(&metrics->num_alive));
    write_connections(page, &sums);
    write_counters(page, &sums);
    write_handshakes(page, &sums);
    metrics_gauge(page, "nts_ke_certificate_not_after_timestamp_seconds", "seconds",
                  "When the first of the certificates expires, since 1970",
                  (double)atomic_load(&metrics->certificate_not_after_s));
    counters_sum(loads, metrics->certificate_loads, NTS_NUM_STATUS);
    metrics_counters_by_status(page, "nts_ke_certificate_loads",
                               "Loads of certificates, by result: ok, or why they were refused",
                               "result", NTS_OK, loads);
    watch_metrics_write(page, metrics->watch);
    service_metrics_keyring(page, metrics->keyring);
}

enum nts_status ke_metrics_start(struct ke_metrics *metrics, struct error *error)
{
    const struct metrics_source source = {.write = write_page, .judge = judge, .context = metrics};
    return metrics_server_start(&metrics->server, &source, error);
}

void ke_metrics_serve(struct ke_metrics *metrics, const struct ke_worker *workers,
                      size_t num_workers, struct live_files *files, struct server_watch *watch)
{
    metrics->workers = workers;
    metrics->num_workers = num_workers;
    metrics->keyring = &files->keyring;
    metrics->watch = watch;
    metrics->started_at_s = real_time_ns() / NS_PER_S;
    atomic_store(&metrics->num_alive, num_workers);
    ke_metrics_certificates(metrics, &files->certificates);
    metrics_server_enter(&metrics->server, METRICS_SERVING);
}

void ke_metrics_certificates(struct ke_metrics *metrics, const struct certificate_service *service)
{
    atomic_store(&metrics->certificate_not_after_s,
                 tls_contexts_first_not_after_s(service->contexts));
    for (size_t i = 0; i < NTS_NUM_STATUS; i++) {
        atomic_store_explicit(&metrics->certificate_loads[i], service->loads[i],
                              memory_order_relaxed);
    }
}

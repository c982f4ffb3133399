#include "ke-server/metrics/ke_metrics.h"

#include "base/clock_time.h"
#include "ke-server/ke_state.h"
#include "ke-server/metrics/watch_metrics.h"

void ke_sum(struct ke_sums *sums, const struct server_host *host)
{
    const struct ke_state *service = ke_state_of(host);
    *sums = (struct ke_sums){0};
    for (size_t i = 0; i < service->num_workers; i++) {
        const struct ke_worker *worker = &service->workers[i];
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

static void write_connections(struct metrics_page *page, const struct ke_sums *sums)
{
    uint64_t accepted = sums->values[KE_EVENT_ACCEPTED];
    uint64_t closed = sums->values[KE_EVENT_CLOSED];
    /* The workers go on while we read. */
    metrics_gauge(page, "nts_ke_connections_open", NULL, "Connections that have a slot now",
                  accepted > closed ? (double)(accepted - closed) : 0);
    metrics_gauge(page, "nts_ke_connections_limit", NULL,
                  "Connections that can have a slot at a time", (double)sums->max_connections);
}

static void write_handshakes(struct metrics_page *page, const struct ke_sums *sums)
{
    metrics_counters_by(page,
                        &(struct metric_split){"nts_ke_tls_versions",
                                               "TLS handshakes completed, by version", "version"},
                        tls_version_labels, sums->by_version, TLS_NUM_VERSIONS);
    metrics_counters_by(page,
                        &(struct metric_split){"nts_ke_tls_groups",
                                               "TLS handshakes completed, by key-exchange group",
                                               "group"},
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

static void write_counters(struct metrics_page *page, const struct ke_sums *sums)
{
    static const struct metric_row events[] = {KE_EVENT_TABLE(METRIC_ROW)};
    const char *aeads[AEAD_NUM_ALGORITHMS];
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        aeads[i] = aead_at(i)->name;
    }
    metrics_counters(page, "nts_ke", events, sums->values, KE_NUM_EVENTS);
    metrics_counters_by_status(
        page,
        &(struct metric_split){"nts_ke_sessions",
                               "Sessions that ended, by result: ok, or why they failed", "result"},
        &ke_results, sums->values + KE_NUM_EVENTS);
    metrics_counters_by(
        page,
        &(struct metric_split){"nts_ke_aead_responses",
                               "Responses with cookies, by the AEAD algorithm agreed on", "aead"},
        aeads, sums->by_aead, AEAD_NUM_ALGORITHMS);
}

void ke_metrics_judge(struct health *health, const struct server_host *host,
                      const struct host_report *report, const struct live_state *live)
{
    (void)host;
    (void)live;
    if (real_time_ns() / NS_PER_S >= ((const struct ke_report *)report)->certificate_not_after_s) {
        health_add(health, "certificate: it has expired");
    }
}

void ke_metrics_write(struct metrics_page *page, const struct server_host *host,
                      const struct host_report *report, const struct live_state *live)
{
    const struct ke_report *own = (const struct ke_report *)report;
    struct ke_sums sums;
    (void)live;
    ke_sum(&sums, host);
    write_connections(page, &sums);
    write_counters(page, &sums);
    write_handshakes(page, &sums);
    metrics_gauge(page, "nts_ke_certificate_not_after_timestamp_seconds", "seconds",
                  "When the first of the certificates expires, since 1970",
                  (double)own->certificate_not_after_s);
    metrics_counters_by_status(
        page,
        &(struct metric_split){"nts_ke_certificate_loads",
                               "Loads of certificates, by result: ok, or why they were refused",
                               "result"},
        &certificate_loads, own->certificate_loads);
    watch_metrics_write(page, &ke_state_of(host)->watch);
}

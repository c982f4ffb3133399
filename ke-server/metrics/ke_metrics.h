/* What nts-ke-server tells monitoring, beside what every server does. */
#ifndef NTS_KE_METRICS_H
#define NTS_KE_METRICS_H

#include "ke-server/metrics/ke_counters.h"
#include "ke-server/tls/certificate_service.h"
#include "service/server_host.h"

/* What the control thread tells the metrics thread. */
struct ke_report {
    struct host_report host;         /* first member */
    int64_t certificate_not_after_s; /* of the first to expire */
    uint64_t certificate_loads[CERTIFICATE_NUM_LOADS];
};

/* The counters of all workers together. */
struct ke_sums {
    uint64_t values[KE_NUM_COUNTERS];
    uint64_t by_aead[AEAD_NUM_ALGORITHMS];
    uint64_t by_group[TLS_NUM_GROUPS];
    uint64_t by_version[TLS_NUM_VERSIONS];
    uint64_t by_time[HANDSHAKE_NUM_BOUNDS + 1];
    uint64_t time_ns;
    uint64_t max_connections;
};

/* ke_sum adds up the counters of the host's workers. Any thread, while they exist. */
void ke_sum(struct ke_sums *sums, const struct server_host *host);

/* ke_metrics_write and ke_metrics_judge are those of the server's type. */
void ke_metrics_write(struct metrics_page *page, const struct server_host *host,
                      const struct host_report *report, const struct live_state *live);
void ke_metrics_judge(struct health *health, const struct server_host *host,
                      const struct host_report *report, const struct live_state *live);

#endif

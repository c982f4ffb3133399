/* What the metrics and the health of both servers have in common: what runs, whether its workers
 * do, and where the keyring is in its life. On the metrics thread. */
#ifndef NTS_SERVICE_SERVICE_METRICS_H
#define NTS_SERVICE_SERVICE_METRICS_H

#include "metrics/health.h"
#include "metrics/metrics_text.h"
#include "service/keyring_service.h"

/* What runs. Set up before anybody asks. */
struct service_identity {
    const char *transport;
    int64_t started_at_s; /* since 1970 */
};

/* service_metrics_build writes nts_build_info and nts_start_time_seconds. */
void service_metrics_build(struct metrics_page *page, const struct service_identity *identity);

/* service_metrics_keyring writes nts_keyring_*. */
void service_metrics_keyring(struct metrics_page *page, struct keyring_service *keyring);

/* service_health_keyring adds the reasons that the keyring gives not to send traffic here, and
 * service_health_workers those of the workers, of which `num_alive` turn. */
void service_health_keyring(struct health *health, struct keyring_service *keyring);
void service_health_workers(struct health *health, size_t num_workers, size_t num_alive);

#endif

/* What the metrics and the health of both servers have in common: what runs, whether its workers
 * do, and where the keyring is in its life. On the metrics thread. */
#ifndef NTS_SERVICE_SERVICE_METRICS_H
#define NTS_SERVICE_SERVICE_METRICS_H

#include "metrics/health.h"
#include "metrics/metrics_text.h"
#include "service/keyring_service.h"

/* service_metrics_build writes nts_build_info and nts_start_time_seconds: how packets are moved,
 * and when the process started, since 1970. */
void service_metrics_build(struct metrics_page *page, const char *transport, int64_t started_at_s);

/* service_metrics_keyring writes nts_keyring_*. */
void service_metrics_keyring(struct metrics_page *page, const struct keyring_report *report);

/* service_health_keyring adds the reasons that the keyring gives not to send traffic here, and
 * service_health_workers those of the workers, of which `num_alive` turn. */
void service_health_keyring(struct health *health, const struct keyring_report *report);
void service_health_workers(struct health *health, size_t num_workers, size_t num_alive);

#endif

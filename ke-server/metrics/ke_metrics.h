/* What nts-ke-server tells those who watch it. */
#ifndef NTS_KE_METRICS_H
#define NTS_KE_METRICS_H

#include "ke-server/config/live_files.h"
#include "ke-server/net/ke_worker.h"
#include "ke-server/watch/server_watch.h"
#include "metrics/metrics_server.h"

struct ke_metrics {
    struct metrics_server server;
    const struct ke_worker *workers; /* these are set before the phase is METRICS_SERVING */
    size_t num_workers;
    struct keyring_service *keyring;
    struct server_watch *watch;
    int64_t started_at_s;

    /* by the control thread, as they change */
    _Atomic int64_t certificate_not_after_s; /* of the first to expire */
    counter certificate_loads[NTS_NUM_STATUS];
    atomic_size_t num_alive; /* workers that turn */
};

/* ke_metrics_start starts the metrics thread on the socket that metrics_server_open has bound, in
 * METRICS_STARTING. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status ke_metrics_start(struct ke_metrics *metrics, struct error *error);

/* ke_metrics_serve is called when the `num_workers` workers and the watch have started; they and
 * `files` stay where they are until metrics_server_close. */
void ke_metrics_serve(struct ke_metrics *metrics, const struct ke_worker *workers,
                      size_t num_workers, struct live_files *files, struct server_watch *watch);

/* ke_metrics_certificates tells of the certificates in use. Control thread. */
void ke_metrics_certificates(struct ke_metrics *metrics, const struct certificate_service *service);

#endif

#include "ke-server/ke_limits.h"

#include "ke-server/watch/server_watch.h"
#include "metrics/metrics_server.h"
#include "process/worker_group.h"

#define SPARE_DESCRIPTORS 64

size_t ke_num_workers(const struct ke_config *config)
{
    cpu_set_t cpus;
    return worker_group_size(config->workers, &cpus);
}

size_t ke_descriptors_needed(const struct ke_config *config, size_t num_listeners)
{
    /* A worker has its connections, its listeners, a ring, and an eventfd. */
    return ke_num_workers(config) * ((size_t)config->max_connections + num_listeners + 2) +
           (config->host.metrics.sa.sa_family != AF_UNSPEC ? METRICS_SERVER_DESCRIPTORS : 0) +
           SERVER_WATCH_DESCRIPTORS + SPARE_DESCRIPTORS;
}

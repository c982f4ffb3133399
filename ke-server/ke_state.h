/* The state of nts-ke-server beside what its host has: its certificates, its listeners and workers,
 * and the watch over its time servers. */
#ifndef NTS_KE_STATE_H
#define NTS_KE_STATE_H

#include "ke-server/net/ke_worker.h"
#include "ke-server/net/listening.h"
#include "ke-server/tls/certificate_service.h"
#include "ke-server/watch/server_watch.h"
#include "service/server_host.h"

struct ke_state {
    struct certificate_service certificates;
    struct listening listening;
    struct ke_worker *workers;
    size_t num_workers;
    int *listen_fds; /* of all workers, which close them at their end */
    size_t num_listen_fds;
    struct server_watch watch;
};

/* ke_state_of returns the state behind a host of this type. */
static inline struct ke_state *ke_state_of(const struct server_host *host)
{
    return host->server;
}

#endif

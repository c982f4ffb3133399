/* How the sockets of the listen addresses are shared out to workers: one per worker and address, or
 * as many as the server had that is taken over from, if it had more. A socket in use is not closed,
 * because what waits in it, and what is on its way to it, would be lost: some workers serve several
 * then. Control thread, at the start. */
#ifndef NTS_NET_LISTEN_PLAN_H
#define NTS_NET_LISTEN_PLAN_H

#include "config/config.h"
#include "net/socket_pool.h"

#define LISTEN_MAX_ADDRESSES 64

struct listen_plan {
    int type; /* SOCK_STREAM or SOCK_DGRAM */
    const union net_address *addresses;
    size_t num_addresses;
    size_t num_workers;
    size_t num_sockets[LISTEN_MAX_ADDRESSES]; /* of each address */
};

/* listen_plan_make plans for `num_workers` workers and the addresses of `listen` (up to
 * LISTEN_MAX_ADDRESSES, which must outlive the plan), with what is in `pool`. Logs a warning where
 * an address is shared with another process, or sockets cannot be shared out evenly. */
void listen_plan_make(struct listen_plan *plan, int type, const struct option_list *listen,
                      size_t num_workers, const struct socket_pool *pool);

/* listen_plan_share returns how many sockets of one address a worker serves: at least one. */
size_t listen_plan_share(const struct listen_plan *plan, size_t worker, size_t address);

/* listen_plan_load returns how many sockets a worker serves. */
size_t listen_plan_load(const struct listen_plan *plan, size_t worker);

#endif

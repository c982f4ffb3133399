/* The sockets of all workers: one per worker and address, or as many as were handed over. Control
 * thread. */
#ifndef NTS_TIME_SERVER_SOCKETS_H
#define NTS_TIME_SERVER_SOCKETS_H

#include "net/listen_plan.h"
#include "time-server/time_state.h"

/* server_sockets_open shares the sockets of the listen addresses out to the workers of `state`, and
 * takes them from `pool`, or binds them. NTS_ERR_NO_MEMORY, or NTS_ERR_SYSTEM with a text;
 * server_sockets_close is due in any case. */
NTS_MUST_CHECK enum nts_status server_sockets_open(struct time_state *state,
                                                   const struct time_config *config,
                                                   struct socket_pool *pool, struct error *error);

void server_sockets_close(struct time_state *state);

#endif

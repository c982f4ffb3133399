/* The sockets of a time server: those of the server that it takes over from, and its own. Control
 * thread, at the start. */
#ifndef NTS_TIME_SERVER_SOCKETS_H
#define NTS_TIME_SERVER_SOCKETS_H

#include "net/listen_plan.h"
#include "time-server/server.h"

/* server_sockets_plan makes room for the sockets in server->fds and tells each worker which are its
 * own. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status server_sockets_plan(struct time_server *server,
                                                   struct listen_plan *plan,
                                                   const struct socket_pool *pool,
                                                   struct error *error);

/* server_sockets_open takes the sockets out of `pool` and binds those that are missing.
 * NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status server_sockets_open(struct time_server *server,
                                                   const struct listen_plan *plan,
                                                   struct socket_pool *pool, struct error *error);

/* server_sockets_close closes and frees them. */
void server_sockets_close(struct time_server *server);

#endif

/* What both servers want to know before they bind: SO_REUSEPORT lets the sockets of several workers
 * share an address, and by the same token those of another process of the same user, without an
 * error from anywhere. */
#ifndef NTS_NET_LISTEN_H
#define NTS_NET_LISTEN_H

#include "base/address.h"

/* listen_try binds an exclusive socket to `address`, closes it again, and returns 0 or
 * the errno why not: EADDRINUSE if any socket is bound to it, sharing or not. A running server is
 * not disturbed. `type` is SOCK_STREAM or SOCK_DGRAM. */
int listen_try(const union net_address *address, int type);

/* listen_warn_if_shared logs a warning if another process is bound to `address` already. To be
 * called before the server's own sockets are bound. */
void listen_warn_if_shared(const union net_address *address, int type);

/* listen_advice returns what to do when binding has failed with that errno, "" if nothing is known.
 * Static text. */
const char *listen_advice(int cause);

#endif

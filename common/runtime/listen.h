/* What both servers want to know before they bind: SO_REUSEPORT lets the sockets of several workers
 * share an address, and by the same token those of another process of the same user, without an
 * error from anywhere. */
#ifndef NTS_RUNTIME_LISTEN_H
#define NTS_RUNTIME_LISTEN_H

#include "base/address.h"

/* listen_warn_if_shared logs a warning if somebody else is bound to `address` already. `type` is
 * SOCK_STREAM or SOCK_DGRAM. To be called before the server's own sockets are bound. */
void listen_warn_if_shared(const union net_address *address, int type);

#endif

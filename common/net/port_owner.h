/* Who is bound to a port, as far as /proc tells. */
#ifndef NTS_NET_PORT_OWNER_H
#define NTS_NET_PORT_OWNER_H

#include "base/address.h"

struct port_owner {
    int pid;
    char name[16]; /* as the kernel keeps it: cut to 15 characters */
};

/* port_owner_find looks for a process with a socket (`type` SOCK_DGRAM, or SOCK_STREAM and
 * listening) that is bound to the port of `address` and to that address or to all. False if there
 * is none, or if it is not ours to see: processes of other users show their sockets to root only.
 * Reads much of /proc: not for a running server. */
bool port_owner_find(struct port_owner *owner, const union net_address *address, int type);

/* port_owner_guess looks for another process of that name: for when port_owner_find may not see
 * whose socket it is, because the program that is suspected runs as another user. */
bool port_owner_guess(struct port_owner *owner, const char *program);

#endif

/* What is asked of the kernel about the socket of a client, beside sending and receiving. */
#ifndef NTS_KE_CLIENT_SOCKET_H
#define NTS_KE_CLIENT_SOCKET_H

#include "base/address.h"

#include <stdbool.h>
#include <stdint.h>

/* client_socket_local finds the address that the client came to, which a wildcard listener does not
 * tell; without an answer, just the family. */
void client_socket_local(union net_address *local, int fd, int family);

/* client_socket_reset closes it with a reset: the cheapest way to turn a client away, which leaves
 * nothing behind in the kernel. client_socket_will_reset makes that of the close to come. */
void client_socket_reset(int fd);
void client_socket_will_reset(int fd);

/* client_socket_acknowledge acknowledges what was received at once. */
void client_socket_acknowledge(int fd);

/* client_socket_quiet_ns returns how long ago, to some milliseconds, the client last sent
 * something: the backlog may have held it for long. */
int64_t client_socket_quiet_ns(int fd);

/* client_socket_has_left tells that the client has closed its side, or has sent a reset, and
 * nothing is left to be received. */
bool client_socket_has_left(int fd);

#endif

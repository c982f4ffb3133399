/* Sockets that this process got ready-made - from the server that it takes over from, or from
 * whoever started it - until it has found out which of them it has a use for. What a socket is, the
 * kernel is asked: nothing that comes with it has to be believed. Control thread, at the start. */
#ifndef NTS_NET_SOCKET_POOL_H
#define NTS_NET_SOCKET_POOL_H

#include "base/address.h"

struct socket_pool {
    int *fds; /* -1 where one was taken */
    size_t num;
};

/* socket_pool_add puts `num` descriptors into the pool, which owns them from here on, whether or
 * not it succeeds. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status socket_pool_add(struct socket_pool *pool, const int *fds, size_t num,
                                               struct error *error);

/* socket_pool_count returns how many sockets of `type` (SOCK_DGRAM, or SOCK_STREAM: listening) are
 * bound to `address`; NULL stands for all there are. */
size_t socket_pool_count(const struct socket_pool *pool, int type,
                         const union net_address *address);

/* socket_pool_take takes one of them out: the first that was added. -1 if there is none. */
int socket_pool_take(struct socket_pool *pool, int type, const union net_address *address);

/* socket_pool_close closes what was not taken and returns how many there were. */
size_t socket_pool_close(struct socket_pool *pool);

#endif

/* Listening sockets that the service manager has bound and passed to us (socket activation). If
 * there are any, the server listens on them, and ignores the option `listen`: the socket unit has
 * the addresses. A restart then refuses no client: clients wait in the backlog of a socket that
 * stays. Control thread. */
#ifndef NTS_KE_PASSED_SOCKETS_H
#define NTS_KE_PASSED_SOCKETS_H

#include "ke-server/net/listener.h"

#include <stdbool.h>
#include <stddef.h>

struct passed_socket {
    int fd;
    union net_address address;
};

struct passed_sockets {
    struct passed_socket *list;
    size_t num;
};

/* passed_sockets_open takes what was passed to the process, which may be nothing. NTS_ERR_SYSTEM
 * with a text if one is not a listening TCP socket of one address family; NTS_ERR_NO_MEMORY. In any
 * case passed_sockets_close is due. */
NTS_MUST_CHECK enum nts_status passed_sockets_open(struct passed_sockets *passed,
                                                   struct error *error);
void passed_sockets_close(struct passed_sockets *passed);

/* passed_sockets_serves tells whether a worker accepts from the socket at `index`. Several sockets
 * of an address (ReusePort=) are dealt out among the workers; if there are fewer than workers, they
 * share. Every worker serves every address, and no socket is left out. */
bool passed_sockets_serves(const struct passed_sockets *passed, size_t index, size_t worker,
                           size_t num_workers);

/* passed_sockets_listeners fills `listeners` (room for passed->num) with duplicates of those that
 * the worker serves, `*num` of them, also on error. NTS_ERR_SYSTEM if there are no more
 * descriptors. */
NTS_MUST_CHECK enum nts_status passed_sockets_listeners(struct listener *listeners, size_t *num,
                                                        const struct passed_sockets *passed,
                                                        size_t worker, size_t num_workers,
                                                        struct error *error);

#endif

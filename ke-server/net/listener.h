/* The listening sockets of nts-ke-server: one per worker and address, shared by SO_REUSEPORT, so
 * that the kernel spreads the connections. Control thread, before privileges are dropped. */
#ifndef NTS_KE_LISTENER_H
#define NTS_KE_LISTENER_H

#include "base/address.h"

struct listener {
    int fd; /* -1: closed */
    int family;
    /* The worker's. */
    bool is_accepting;    /* an accept operation is in flight */
    int64_t resume_at_ns; /* accepting pauses until then; 0: it does not */
    bool may_have_more;   /* a client was accepted, and others may be behind it */
};

/* listener_open binds, without blocking. An IPv6 socket serves IPv6 only: IPv4 has sockets of its
 * own. NTS_ERR_SYSTEM with a text that names the address. */
NTS_MUST_CHECK enum nts_status listener_open(struct listener *listener,
                                             const union net_address *address, struct error *error);

/* listener_adopt takes a socket that another process has bound. NTS_ERR_SYSTEM; the descriptor is
 * the listener's in any case. */
NTS_MUST_CHECK enum nts_status listener_adopt(struct listener *listener, int fd, int family,
                                              struct error *error);

/* listener_start listens: from here on the kernel takes connections, so a worker must accept them.
 * Needs no privileges. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status listener_start(const struct listener *listener, struct error *error);

/* listener_close closes it; again does nothing. */
void listener_close(struct listener *listener);

#endif

/* Looks names up in a thread of its own, one at a time, so that whoever asks never waits for DNS: a
 * resolver that hangs holds up neither other work nor the end of the process. */
#ifndef NTS_KE_NAME_RESOLVER_H
#define NTS_KE_NAME_RESOLVER_H

#include "base/address.h"

#define NAME_MAX_ADDRESSES 8 /* of a name; further ones are left out */

struct name_answer {
    size_t num; /* 0: the name does not resolve, and `reason` says why */
    union net_address addresses[NAME_MAX_ADDRESSES];
    char reason[128];
};

struct name_resolver;

/* name_resolver_open starts the thread, which writes to a duplicate of the eventfd `wake_fd` when
 * an answer is there. NULL, with text, if it cannot. */
struct name_resolver *name_resolver_open(int wake_fd, struct error *error);

/* name_resolver_ask asks for the addresses of `host` with `port` in `family` (AF_UNSPEC: both).
 * False while an answer is outstanding, or has not been taken. */
bool name_resolver_ask(struct name_resolver *resolver, const char *host, uint16_t port, int family);

/* name_resolver_take moves the answer to `*answer`; false if there is none yet. */
bool name_resolver_take(struct name_resolver *resolver, struct name_answer *answer);

/* name_resolver_close lets the thread end, at once or when the look-up under way has returned, and
 * does not wait for it. NULL is allowed. */
void name_resolver_close(struct name_resolver *resolver);

#endif

/* Looks names up on a thread of its own, one at a time, so that DNS never holds up the thread that
 * asks: a resolver that hangs delays neither other work nor the end of the process. */
#ifndef NTS_NET_NAME_LOOKUP_H
#define NTS_NET_NAME_LOOKUP_H

#include "base/address.h"

#define NAME_MAX_ADDRESSES 8 /* of a name; further ones are left out */

struct name_answer {
    size_t num; /* 0: the name does not resolve, and `reason` says why */
    union net_address addresses[NAME_MAX_ADDRESSES];
    char reason[128];
};

struct name_lookup;

/* name_lookup_open prepares look-ups whose end is signalled to a duplicate of the eventfd
 * `wake_fd`. Allocates, starts no thread. NULL, with text, if it cannot. */
struct name_lookup *name_lookup_open(int wake_fd, struct error *error);

/* name_lookup_ask starts a thread that asks for the addresses of `host` with `port` in `family`
 * (AF_UNSPEC: both), and ends with the answer. An address in text needs no thread, and is answered
 * at once. False while an answer is outstanding, or has not been taken. */
bool name_lookup_ask(struct name_lookup *lookup, const char *host, uint16_t port, int family);

/* name_lookup_take moves the answer to `*answer`; false if there is none yet. */
bool name_lookup_take(struct name_lookup *lookup, struct name_answer *answer);

/* name_lookup_close gives the look-ups up without waiting for one under way: its thread frees what
 * it uses when it returns. NULL is allowed. */
void name_lookup_close(struct name_lookup *lookup);

#endif

/* Upgrade without a gap: a server that is started anew takes over the sockets of the one that runs.
 *
 * They meet at a Unix socket, the option `handover`. The new one gets the very sockets that the old
 * one receives from (SCM_RIGHTS), so that nothing that waits in their queues can be lost, and once
 * it serves them it tells the old one to end. Until that word the old one goes on as if nothing
 * were there: a new one that fails, or is killed, has changed nothing.
 *
 *   new                                  old
 *    | -- connects ----------------------> |  of the same user, or root
 *    | <------------------ OFFER, sockets  |
 *    |    starts on them: both serve       |
 *    | -- TAKEN -------------------------> |
 *    |                                     |  answers what it has received, lets the sockets go,
 *    | <----------------------- closes it  |  finishes its connections, exits with 0
 *
 * The Unix socket is handed over with the others: its name never changes hands. A message is one
 * record of a fixed layout, which names its version; a server that knows another one refuses.
 * Control thread only; once at the start, then driven by one descriptor. */
#ifndef NTS_PROCESS_HANDOVER_H
#define NTS_PROCESS_HANDOVER_H

#include "net/socket_pool.h"

#define HANDOVER_PROGRAM_LEN 32

enum handover_state {
    HANDOVER_OFF,    /* no option */
    HANDOVER_IDLE,   /* no other server has connected */
    HANDOVER_GIVING, /* a new server has our sockets, and may fail yet */
    HANDOVER_GIVEN,  /* it serves them: end */
    HANDOVER_TAKING, /* we have the sockets of an old server, which serves them too */
    HANDOVER_TAKEN,  /* the old server has been told */
};

/* Zero-initialised, it is off. */
struct handover {
    enum handover_state state;
    char program[HANDOVER_PROGRAM_LEN]; /* which server this is: others are not taken over from */
    int listen_fd;                      /* -1: none */
    int peer_fd;                        /* -1: none */
    bool old_was_fit;                   /* TAKING: what the old server said */
};

/* What the old server gives away. The descriptors stay its own. */
struct handover_offer {
    const int *fds;
    size_t num;
    int metrics_fd; /* where it is asked for its metrics; -1: nowhere */
    bool is_fit; /* the old server should be answering: a new one that cannot does not replace it */
};

/* What happened on handover_fd. */
enum handover_event {
    HANDOVER_NOTHING,
    HANDOVER_END,      /* this server has been replaced: stop, and then call handover_close */
    HANDOVER_RELEASED, /* the old server has let go of the sockets: they are ours alone */
};

/* The row of an option table for a path (a const char *, NULL for none) at `OFFSET`. */
#define HANDOVER_OPTION_ROW(OFFSET)                                                                \
    {                                                                                              \
        .name = "handover", .type = OPTION_PATH, .offset = (OFFSET), .default_json = "null",       \
        .check = handover_check_path, .needs_restart = true,                                       \
        .help = "Unix socket at which a server that is started anew finds the one that runs, and " \
                "takes over from it without a gap"                                                 \
    }

/* handover_check_path is the check of the option's row: what fits into a socket's address. */
const char *handover_check_path(const void *field);

/* handover_open asks at `path` for a server to take over from and puts its sockets into `pool`; if
 * there is none, makes the Unix socket for the next one. `path` NULL: nothing. To be called with
 * the privileges of the start, before anything else is bound. NTS_ERR_SYSTEM, NTS_ERR_NO_MEMORY,
 * and NTS_ERR_MISMATCH if it is another kind of server that listens there. */
NTS_MUST_CHECK enum nts_status handover_open(struct handover *handover, struct socket_pool *pool,
                                             const char *path, const char *program,
                                             struct error *error);

/* handover_drop_unused closes what is left in the pool, and logs it. */
void handover_drop_unused(struct socket_pool *pool);

/* handover_commit tells the old server to end, once this one serves; nothing unless TAKING. */
void handover_commit(struct handover *handover);

/* handover_fd returns the descriptor to wait for, -1 if there is none. */
int handover_fd(const struct handover *handover);

/* handover_look takes in what made it readable. Blocks for a second at most, when a new server asks
 * for the sockets and then does not take them. */
enum handover_event handover_look(struct handover *handover, const struct handover_offer *offer);

/* handover_close closes the Unix sockets, by which the other side sees that this one has let go of
 * the sockets it gave, or will not take those that it was offered. Again does nothing. */
void handover_close(struct handover *handover);

#endif

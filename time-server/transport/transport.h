/* How datagrams get in and out. A transport is a row of functions, so that neither the worker nor
 * the server knows whether io_uring, system calls or something else moves the packets.
 *
 *   control thread, privileged   bind                  once, for all workers
 *   worker thread                open, receive, send, ..., finish, receive, send, ..., close
 *   control thread, any time     offer, set_receive_buffer
 *   control thread, at the end   unbind
 *
 * What differs between transports stands in the row: the name in the configuration, whether "auto"
 * may take it, its system calls, its counters and its part of --check. */
#ifndef NTS_TIME_TRANSPORT_H
#define NTS_TIME_TRANSPORT_H

#include "base/counter.h"
#include "base/status.h"
#include "metrics/metrics_text.h"
#include "net/listen_plan.h"
#include "process/syscall_filter.h"
#include "service/preflight.h"
#include "time-server/protocol/datagram.h"
#include "time-server/protocol/send_prediction.h"

struct time_config;

/* Datagrams at a time. More would not be cheaper each, and the first of them would wait longer for
 * the last, whose departure would be harder to predict. */
#define TRANSPORT_BATCH 16

/* Datagrams that a transport still takes from its sockets when it is to finish: more than a receive
 * buffer of the default size holds, so that whatever waited then is answered, and a limit, so that
 * an overload does not keep it going. */
#define TRANSPORT_FINISH_MAX 16384

/* Counters that a transport may have. */
#define TRANSPORT_MAX_EVENTS 16

/* What is bound before the privileges go, for all workers, and how. Transports that work on the
 * same things share one: then one can take the place of another that fails to open. The functions
 * are called on the control thread. */
struct transport_binding {
    /* Binds what plan->num_workers workers need for the addresses of the plan, and takes what is
     * there already out of `pool`: sockets of the server that is taken over from. On error the text
     * says why, `*bound` is NULL and nothing stays bound. NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY. */
    enum nts_status (*bind)(void **bound, const struct listen_plan *plan,
                            const struct time_config *config, struct socket_pool *pool,
                            struct error *error);

    /* Returns the number of descriptors that a server which takes over gets, at `*fds`. They stay
     * the binding's. */
    size_t (*offer)(const void *bound, const int **fds);

    /* Sets the size of each receive buffer. False if the kernel permits less: then each is as large
     * as possible. */
    bool (*set_receive_buffer)(void *bound, int receive_buffer_len);

    /* Closes everything, after the workers have closed their transports. */
    void (*unbind)(void *bound);

    /* --check: finds out whether bind would succeed, without disturbing anything. */
    void (*check)(struct preflight *preflight, const struct time_config *config);
};

/* One worker's part. */
struct transport_part {
    const void *bound; /* by the binding of the transport */
    size_t worker;     /* its number, from 0 */
    int wake_fd;       /* an eventfd: readable when the worker should turn */
    counter *events;   /* one for each of ops->events; written by the worker's thread alone */
};

struct transport_ops {
    const char *name; /* in the configuration, the log and the metrics */

    /* "auto" may choose it, if those that stand before it in the table fail to open. */
    bool is_automatic;

    const struct transport_binding *binding;
    const struct metric_row *events; /* up to TRANSPORT_MAX_EVENTS */
    size_t num_events;
    struct syscall_table syscalls; /* those that the common table lacks */

    /* --check: finds out whether open would succeed; `level` is how bad it is if not. NULL: it
     * always does. */
    void (*check)(struct preflight *preflight, enum log_level level);

    /* The following belong to the worker's thread. */

    /* Prepares to receive. NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY, with a text, if this host does not
     * permit this way. */
    enum nts_status (*open)(void **transport, const struct transport_part *part,
                            struct error *error);

    /* Waits until datagrams have come or wake_fd is readable (it is read), and returns up to
     * TRANSPORT_BATCH of them at `*batch`, `*num` in number, each with its source, admitted for
     * now, and room for its reply. They stay valid until send. Zero datagrams: woken. An error,
     * with a text, means that the transport has failed for good: only close may follow. */
    enum nts_status (*receive)(void *transport, struct datagram **batch, size_t *num,
                               struct error *error);

    /* Sends the replies of the batch (those with a reply_len), from the address that was asked, and
     * ends the batch. Nothing may be received in between. */
    void (*send)(void *transport);

    /* From here on receive never waits: it returns what the sockets still hold, until it has found
     * them empty or TRANSPORT_FINISH_MAX is reached, and what was taken from them before. Then it
     * returns zero datagrams, and the transport has left alone what comes to the sockets later:
     * another process may answer that. */
    void (*finish)(void *transport);

    /* When the replies of the batch would leave, as far as is known from those before. */
    const struct send_prediction *(*prediction)(const void *transport);

    void (*close)(void *transport);
};

#endif

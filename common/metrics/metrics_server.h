/* The HTTP server for monitoring: /metrics, /healthz and /readyz on an
 * address of its own, one thread beside the others, a bounded number of connections. It only reads;
 * what it tells is put together when it is asked.
 *
 *   /metrics  the page, in the format that the client asks for
 *   /healthz  200 if this process should receive traffic, else 503 and the reasons, one per line
 *   /readyz   200 from the end of the start to the beginning of the stop, else 503 */
#ifndef NTS_METRICS_SERVER_H
#define NTS_METRICS_SERVER_H

#include "base/address.h"
#include "metrics/health.h"
#include "metrics/metrics_text.h"

#include <stdatomic.h>

/* A Prometheus or two, a load balancer, an operator with a browser. */
#define METRICS_MAX_CONNECTIONS 32

/* Descriptors that the HTTP server may need: its connections, its socket, and what it waits with.
 */
#define METRICS_SERVER_DESCRIPTORS (METRICS_MAX_CONNECTIONS + 8)

/* The row of an option table for the address to serve on (a union net_address, of no family for
 * none) at `OFFSET`, and PORT if none is given. */
#define METRICS_OPTION_ROW(OFFSET, PORT)                                                           \
    {                                                                                              \
        .name = "metrics", .type = OPTION_ADDRESS, .offset = (OFFSET), .min = (PORT),              \
        .default_json = "null", .needs_restart = true,                                             \
        .help = "TCP address to serve `/metrics`, `/healthz` and `/readyz` on, by HTTP"            \
    }

enum metrics_phase { METRICS_STARTING, METRICS_SERVING, METRICS_STOPPING };

/* Who knows what there is to tell. Called on the metrics thread, one call at a time, and only while
 * the phase is not METRICS_STARTING: what is set up by then may be read without further ado. */
struct metrics_source {
    void (*write)(struct metrics_page *page, void *context);
    void (*judge)(struct health *health, void *context);
    void *context;
};

struct metrics_server {
    struct metrics_source source;
    atomic_int phase;          /* enum metrics_phase */
    int fd;                    /* the listening socket, until the thread has it; -1: none */
    int listen_fd;             /* the same as long as it is open, to be handed over; -1: none */
    struct MHD_Daemon *daemon; /* NULL: no thread runs */
};

/* metrics_server_open binds `address`, or takes `fd`, if it is not -1, which listens there already;
 * an address of AF_UNSPEC means that there is nothing to serve, and the other verbs do nothing. To
 * be called while the privileges are there. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status metrics_server_open(struct metrics_server *server,
                                                   const union net_address *address, int fd,
                                                   struct error *error);

/* metrics_server_start starts the thread, in METRICS_STARTING. `server` must not move from here on.
 * NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status metrics_server_start(struct metrics_server *server,
                                                    const struct metrics_source *source,
                                                    struct error *error);

/* metrics_server_enter goes on to another phase. */
void metrics_server_enter(struct metrics_server *server, enum metrics_phase phase);

/* metrics_server_leave accepts no more connections: another process that has the socket does. Those
 * that are open are served on. */
void metrics_server_leave(struct metrics_server *server);

/* metrics_server_close ends the thread, in any state; only then may go what the source reads. */
void metrics_server_close(struct metrics_server *server);

#endif

/* What a server is beside the life that every server has (server_host.h): a table of names, rows
 * and functions. And the state of that life, which these functions are given. */
#ifndef NTS_SERVICE_SERVER_TYPE_H
#define NTS_SERVICE_SERVER_TYPE_H

#include "limit/source_gate.h"
#include "metrics/metrics_server.h"
#include "process/handover.h"
#include "process/syscall_filter.h"
#include "process/watchdog.h"
#include "process/worker_group.h"
#include "service/keyring_service.h"
#include "service/live_state.h"

#define HOST_MAX_FDS     2
#define HOST_STATUS_TEXT 192

struct server_host;

/* The first member of a server's report: what the control thread tells cold readers. */
struct host_report {
    int64_t started_at_s;  /* since 1970 */
    const char *transport; /* how packets are moved: static text */
    size_t num_workers;
    size_t num_alive; /* workers that turn their loops */
    struct keyring_report keyring;
};

/* Names of a server's own for what the host logs and measures, in full, so that grep finds them. */
struct host_names {
    const char *failed; /* log events */
    const char *stopping;
    const char *stopped;
    const char *worker_failed;
    const char *healthy; /* metrics */
    const char *workers;
    const char *workers_alive;
};

struct server_type {
    const char *name;    /* "nts-ke-server" */
    const char *purpose; /* one line */
    struct host_names names;
    const char *without_active_key; /* what clients meet when no key seals, for the log */
    bool needs_active_key;          /* no start without a key that seals */
    const struct settings_type *settings;
    size_t report_size; /* of a struct that begins with a struct host_report */
    const struct syscall_table *const
        *syscalls; /* beyond those of any server, ends with NULL; or NULL: none */
    int (*check)(const char *config_path); /* --check; returns the exit status */

    /* --- the start, in this order; each may be NULL. After an error, with its text, nothing that
     * follows is called but close. --- */

    /* Opens what the server lives on beside its keyring: files, the clock. */
    enum nts_status (*open)(struct server_host *host, struct error *error);
    /* Only where a server that is fit to answer is taken over from: waits a bounded time to become
     * fit, or refuses to take its place. */
    enum nts_status (*await_fit)(struct server_host *host, struct error *error);
    /* Binds what needs privileges, or takes it from host->pool, and prepares host->workers. */
    enum nts_status (*bind)(struct server_host *host, struct error *error);
    /* The privileges are gone: warns of what a reload will not be able to read. */
    void (*unprivileged)(struct server_host *host);
    /* Starts the workers (worker_group_start) and other threads; host->live has been published. */
    enum nts_status (*start)(struct server_host *host, struct error *error);
    void (*log_ready)(const struct server_host *host);

    /* --- while it runs; each may be NULL --- */

    /* Lists up to HOST_MAX_FDS descriptors to wait for; -1 for none. */
    size_t (*list_fds)(const struct server_host *host, int fds[HOST_MAX_FDS]);
    /* At least one of them is readable. */
    void (*take_events)(struct server_host *host);
    void (*tick)(struct server_host *host); /* once a second */
    /* The third part of the live state, with no reference for the caller. */
    struct snapshot *(*extra)(const struct server_host *host);
    /* Prepares for `fresh` settings: all or nothing. */
    enum nts_status (*reload)(struct server_host *host, struct host_settings *fresh,
                              struct error *error);
    /* A newer host->live has been handed to the workers. */
    void (*published)(struct server_host *host);
    void (*log_reloaded)(struct server_host *host); /* after config.reloaded */
    /* Counts what was held off for good: over budget, and refused by refuse_networks. */
    void (*count_held_off)(const struct server_host *host, uint64_t *over_budget,
                           uint64_t *refused);
    bool (*is_fit)(const struct server_host *host); /* to be told in a hand-over; NULL: always */
    /* Fills in what stands behind the struct host_report, and its `transport`. */
    void (*report)(const struct server_host *host, struct host_report *report);
    void (*status_text)(const struct server_host *host, char text[HOST_STATUS_TEXT]);
    void (*log_counters)(const struct server_host *host);
    void (*log_status)(const struct server_host *host); /* SIGUSR1, beside counters and keyring */
    /* The descriptors that serve, for a new server to take over. */
    void (*offer)(const struct server_host *host, const int **fds, size_t *num);
    /* The server that was taken over from has let its sockets go. */
    void (*released)(struct server_host *host);

    /* --- the end --- */

    /* Ends other threads and closes everything, however far the start came. The workers' threads
     * have ended; host->workers is closed afterwards. */
    void (*close)(struct server_host *host);

    /* --- on the metrics thread, with the newest report and live state --- */

    void (*write_metrics)(struct metrics_page *page, const struct server_host *host,
                          const struct host_report *report, const struct live_state *live);
    void (*judge)(struct health *health, const struct server_host *host,
                  const struct host_report *report, const struct live_state *live);
};

struct server_host {
    const struct server_type *type;
    void *server; /* the server's own state */
    const char *config_path;
    int signal_fd;
    struct host_settings *initial;  /* of the start: options that a reload cannot change */
    struct host_settings *settings; /* of the last reload */
    struct keyring_service keyring;
    struct source_gate gate;
    struct handover handover;
    struct socket_pool pool; /* until the end of bind: what was taken over */
    struct worker_group workers;
    struct metrics_server metrics;
    struct watchdog watchdog;
    struct live_state *live; /* one reference: what was published last */
    bool publish_is_due;     /* there was no memory for it */
    enum worker_stop stopping;
    size_t num_alive;
    int64_t started_at_s;

    struct snapshot_slot metrics_live;  /* taken by the metrics thread */
    struct host_report *metrics_report; /* the metrics thread's copy */
    pthread_mutex_t report_lock;
    struct host_report *posted; /* under the lock */
    struct host_report *draft;  /* the control thread's */
};

#endif

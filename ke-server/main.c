/* nts-ke-server: hands out NTS cookies over TLS (RFC 8915, section 4). The control thread: start,
 * reload, stop. What serves clients is in net/ke_worker.c. */
#include "base/clock_time.h"
#include "crypto/boringssl.h"
#include "crypto/secret_mem.h"
#include "ke-server/config/ke_check.h"
#include "ke-server/config/ke_limits.h"
#include "ke-server/config/live_files.h"
#include "ke-server/metrics/ke_counters.h"
#include "ke-server/metrics/ke_metrics.h"
#include "ke-server/net/ke_worker.h"
#include "ke-server/net/listening.h"
#include "ke-server/watch/server_watch.h"
#include "log/log.h"
#include "process/command_line.h"
#include "process/control.h"
#include "process/handover.h"
#include "process/sandbox.h"
#include "process/service_manager.h"
#include "process/syscall_filter.h"
#include "process/watchdog.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define TICK_INTERVAL_MS   1000
#define LET_GO_INTERVAL_MS 10

struct server {
    struct live_files files;
    struct source_gate gate;
    int signal_fd;
    int done_fd; /* a worker that has ended writes here */
    struct handover handover;
    struct listening listening;
    int *listen_fds; /* of all workers, which close them at their end */
    size_t num_listen_fds;
    struct watchdog watchdog;
    struct ke_worker *workers;
    size_t num_workers;
    size_t num_running;
    struct ke_metrics metrics;
    struct server_watch watch;
};

/* Every connection is a descriptor; what the system does not grant shows as accept_failed. */
static void raise_descriptor_limit(size_t num)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= num) {
        return;
    }
    limit.rlim_cur = num < limit.rlim_max ? num : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < num) {
        log_warning("descriptors.few", "limit=%zu needed=%zu advice=\"raise RLIMIT_NOFILE\"",
                    (size_t)limit.rlim_cur, num);
    }
}

static enum nts_status open_worker(struct server *server, size_t number, size_t num,
                                   struct error *error)
{
    const struct ke_config *config = &server->files.initial->config;
    struct listener *listeners = calloc(listening_max(&server->listening), sizeof(*listeners));
    if (listeners == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    struct ke_worker *worker = &server->workers[number];
    server->num_workers++; /* from here on, ke_worker_close cleans up */
    enum nts_status status = ke_worker_init(worker, listeners, 0, (size_t)config->max_connections,
                                            &server->gate, server->done_fd, error);
    return status == NTS_OK ? listening_listeners(listeners, &worker->num_listeners,
                                                  &server->listening, number, num, error)
                            : status;
}

static enum nts_status open_workers(struct server *server, struct socket_pool *pool,
                                    struct error *error)
{
    const struct ke_config *config = &server->files.initial->config;
    size_t num = ke_num_workers(config);
    enum nts_status status =
        handover_open(&server->handover, pool, config->handover, "nts-ke-server", error);
    if (status == NTS_OK) {
        status = listening_open(&server->listening, &config->listen, num, pool, error);
    }
    if (status != NTS_OK) {
        return status;
    }
    raise_descriptor_limit(ke_descriptors_needed(config, listening_max(&server->listening)));
    server->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->workers = calloc(num, sizeof(*server->workers));
    if (server->done_fd < 0 || server->workers == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "cannot prepare the workers");
    }
    for (size_t i = 0; status == NTS_OK && i < num; i++) {
        status = open_worker(server, i, num, error);
    }
    return status == NTS_OK ? listening_collect(&server->listen_fds, &server->num_listen_fds,
                                                server->workers, num, error)
                            : status;
}

/* After the privileges are gone: what a reload will not be able to read is worth knowing now. */
static void warn_of_weaknesses(const struct server *server)
{
    certificate_service_warn_if_unreadable(&server->files.certificates);
    keyring_service_warn_if_unreadable(&server->files.keyring);
    if (!secret_memory_is_locked()) {
        log_warning("secrets.not_locked",
                    "reason=\"keys may be swapped out: raise RLIMIT_MEMLOCK\"");
    }
}

static void publish_to(struct server *server, struct ke_worker *worker)
{
    struct live_files *files = &server->files;
    ke_worker_publish(worker, files->settings, files->certificates.contexts, files->keyring.ring);
}

static enum nts_status start_workers(struct server *server, struct error *error)
{
    watchdog_open(&server->watchdog);
    while (server->num_running < server->num_workers) {
        struct ke_worker *worker = &server->workers[server->num_running];
        publish_to(server, worker);
        enum nts_status status = ke_worker_start(worker, error);
        if (status != NTS_OK) {
            return status;
        }
        server->num_running++; /* from here on, join_workers waits for it */
        if (!watchdog_add(&server->watchdog, &worker->heartbeat.turns, worker->wake_fd)) {
            return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
        }
    }
    return NTS_OK;
}

static void log_ready(const struct server *server)
{
    listening_log(&server->listening);
    const union net_address *metrics = &server->files.initial->config.metrics;
    if (metrics->sa.sa_family != AF_UNSPEC) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, metrics);
        log_info("metrics.listening", "address=%s", text);
    }
    log_info("ke.ready", "workers=%zu version=%s tls=\"%s\"", server->num_workers, NTS_VERSION,
             boringssl_version());
}

static void tell_status(const struct server *server)
{
    const struct keyring *ring = server->files.keyring.ring;
    const struct tls_contexts *contexts = server->files.certificates.contexts;
    int64_t now_s = real_time_ns() / NS_PER_S;
    service_manager_status(
        "Workers: %zu; certificates: %zu, %" PRId64 " days left; keyring: generation %" PRIu64 "%s",
        server->num_workers, contexts->num,
        (tls_contexts_first_not_after_s(contexts) - now_s) / 86400, ring->generation,
        keyring_active_key(ring, now_s) != NULL ? "" : ", no active key");
}

/* Files, then sockets, then privileges, then threads: each needs what was before. */
static enum nts_status start(struct server *server, const char *config_path, struct error *error)
{
    enum nts_status status = control_open(&server->signal_fd, error);
    if (status != NTS_OK) {
        return status;
    }
    status = live_files_load(&server->files, config_path, error);
    if (status != NTS_OK) {
        return status;
    }
    const struct ke_config *config = &server->files.initial->config;
    status = source_gate_open(&server->gate, error);
    if (status != NTS_OK) {
        return status;
    }
    struct socket_pool pool = {0};
    status = open_workers(server, &pool, error);
    if (status == NTS_OK) {
        int fd = socket_pool_take(&pool, SOCK_STREAM, &config->metrics);
        status = metrics_server_open(&server->metrics.server, &config->metrics, fd, error);
    }
    handover_drop_unused(&pool);
    if (status != NTS_OK) {
        return status;
    }
    status = sandbox_drop_privileges(config->user, error);
    if (status != NTS_OK) {
        return status;
    }
    warn_of_weaknesses(server);
    enum syscall_filter_mode filter = (enum syscall_filter_mode)config->seccomp;
    status = syscall_filter_open(filter, NULL, error);
    if (status != NTS_OK) {
        return status;
    }
    status = ke_metrics_start(&server->metrics, error);
    if (status != NTS_OK) {
        return status;
    }
    status = start_workers(server, error);
    if (status != NTS_OK) {
        return status;
    }
    status = server_watch_start(&server->watch, server->files.settings, server->files.keyring.ring,
                                error);
    if (status != NTS_OK) {
        return status;
    }
    ke_metrics_serve(&server->metrics, server->workers, server->num_workers, &server->files,
                     &server->watch);
    status = syscall_filter_close_start(filter, NULL, error);
    if (status != NTS_OK) {
        return status;
    }
    log_ready(server);
    tell_status(server);
    service_manager_ready();
    handover_commit(&server->handover);
    return NTS_OK;
}

static void sum_counters(uint64_t sums[KE_NUM_COUNTERS], const struct server *server)
{
    for (size_t i = 0; i < server->num_workers; i++) {
        ke_counters_sum(sums, &server->workers[i].counters);
    }
}

static void log_sums(const struct server *server)
{
    uint64_t sums[KE_NUM_COUNTERS] = {0};
    sum_counters(sums, server);
    ke_counters_log(sums);
}

static void report_sources(struct server *server)
{
    uint64_t sums[KE_NUM_COUNTERS] = {0};
    sum_counters(sums, server);
    source_gate_report(&server->gate, &server->files.settings->sources, sums[KE_EVENT_LIMITED],
                       sums[KE_EVENT_SOURCE_REFUSED], mono_time_ns() / NS_PER_S);
}

static void publish(struct server *server)
{
    for (size_t i = 0; i < server->num_running; i++) {
        publish_to(server, &server->workers[i]);
    }
    server_watch_publish(&server->watch, server->files.settings, server->files.keyring.ring);
}

static void request_stop(struct server *server, enum ke_worker_stop stop)
{
    for (size_t i = 0; i < server->num_running; i++) {
        ke_worker_request_stop(&server->workers[i], stop);
    }
}

/* Events of the descriptors that run() waits for. */
enum { WORKER_DONE_EVENT = CONTROL_FD_BASE << 1, HANDOVER_EVENT = CONTROL_FD_BASE << 3 };

static void look_at_files(struct server *server, unsigned events)
{
    bool reload = (events & CONTROL_RELOAD) != 0;
    if (reload) {
        service_manager_reloading();
    }
    if (reload && live_files_reload_settings(&server->files)) {
        publish(server);
        live_files_log_settings(&server->files);
    }
    /* Asked without an event too: not every file system gives one. */
    if (certificate_service_follow(&server->files.certificates)) {
        publish(server);
        certificate_service_log_loaded(&server->files.certificates);
    }
    if ((keyring_watch_changed(&server->files.keyring.watch) || reload) &&
        keyring_service_reload(&server->files.keyring)) {
        publish(server);
        keyring_service_log_loaded(&server->files.keyring);
    }
    certificate_service_tick(&server->files.certificates);
    ke_metrics_certificates(&server->metrics, &server->files.certificates);
    keyring_service_tick(&server->files.keyring);
    if (reload) {
        service_manager_ready();
    }
}

static void look_after_workers(struct server *server)
{
    size_t num_alive = 0;
    for (size_t i = 0; i < server->num_running; i++) {
        num_alive += heartbeat_look(&server->workers[i].heartbeat, mono_time_ns()) ? 1 : 0;
        ke_worker_wake(&server->workers[i]);
    }
    atomic_store(&server->metrics.num_alive, num_alive);
}

/* True if this server has been replaced. */
static bool look_at_handover(struct server *server)
{
    const struct handover_offer offer = {.fds = server->listen_fds,
                                         .num = server->num_listen_fds,
                                         .metrics_fd = server->metrics.server.listen_fd,
                                         .is_fit = true};
    enum handover_event event = handover_look(&server->handover, &offer);
    for (size_t i = 0; event == HANDOVER_RELEASED && i < server->num_running; i++) {
        ke_worker_look_again(&server->workers[i]);
    }
    return event == HANDOVER_END;
}

/* The new server is told when it is the only one that accepts. */
static void close_handover(struct server *server)
{
    for (size_t i = 0; i < server->num_running; i++) {
        if (!ke_worker_has_let_go(&server->workers[i])) {
            return;
        }
    }
    handover_close(&server->handover);
}

/* Until every worker has ended. The first signal to stop is a polite one. */
static void run(struct server *server)
{
    enum ke_worker_stop stopping = WORKER_RUN;
    uint64_t num_ended = 0;
    while (num_ended < server->num_running) {
        /* A reload may change the descriptors of the files. */
        const int fds[] = {keyring_watch_fd(&server->files.keyring.watch), server->done_fd,
                           certificate_service_fd(&server->files.certificates),
                           handover_fd(&server->handover)};
        bool is_given = server->handover.state == HANDOVER_GIVEN;
        unsigned events = control_wait(server->signal_fd, fds, 4,
                                       is_given ? LET_GO_INTERVAL_MS : TICK_INTERVAL_MS);
        look_at_files(server, events);
        look_after_workers(server);
        report_sources(server);
        if (stopping == WORKER_RUN) {
            tell_status(server);
            watchdog_tick(&server->watchdog, mono_time_ns());
        }
        if (is_given) {
            close_handover(server);
        } else if ((events & HANDOVER_EVENT) != 0 && look_at_handover(server)) {
            stopping = WORKER_STOP;
            service_manager_stopping();
            request_stop(server, stopping);
        }
        if ((events & CONTROL_DUMP) != 0) {
            log_sums(server);
            certificate_service_log_status(&server->files.certificates);
            keyring_service_log_status(&server->files.keyring);
            server_watch_log_status(&server->watch);
        }
        if ((events & CONTROL_STOP) != 0) {
            stopping = stopping == WORKER_RUN ? WORKER_STOP : WORKER_STOP_NOW;
            log_info("ke.stopping", "mode=%s", stopping == WORKER_STOP ? "graceful" : "at-once");
            metrics_server_enter(&server->metrics.server, METRICS_STOPPING);
            service_manager_stopping();
            handover_close(&server->handover);
            request_stop(server, stopping);
        }
        uint64_t num;
        if ((events & WORKER_DONE_EVENT) != 0 &&
            read(server->done_fd, &num, sizeof(num)) == (ssize_t)sizeof(num)) {
            num_ended += num;
            if (stopping == WORKER_RUN) {
                /* One has failed: what restarts this process restores all of it. */
                stopping = WORKER_STOP;
                metrics_server_enter(&server->metrics.server, METRICS_STOPPING);
                handover_close(&server->handover);
                request_stop(server, stopping);
            }
        }
    }
}

static int join_workers(struct server *server)
{
    int exit_status = EXIT_SUCCESS;
    for (size_t i = 0; i < server->num_running; i++) {
        struct error error;
        if (ke_worker_join(&server->workers[i], &error) != NTS_OK) {
            log_error("ke.worker_failed", "worker=%zu reason=\"%s\"", i, error.text);
            exit_status = EXIT_FAILURE;
        }
    }
    return exit_status;
}

static void close_server(struct server *server)
{
    metrics_server_close(&server->metrics.server); /* it reads what goes now */
    server_watch_close(&server->watch);
    for (size_t i = 0; i < server->num_workers; i++) {
        ke_worker_close(&server->workers[i]);
    }
    free(server->workers);
    source_gate_close(&server->gate);
    free(server->listen_fds);
    handover_close(&server->handover);
    listening_close(&server->listening);
    watchdog_close(&server->watchdog);
    live_files_close(&server->files);
}

int main(int argc, char **argv)
{
    const struct server_program program = {
        .name = "nts-ke-server",
        .purpose = "NTS key establishment (RFC 8915) for a farm of time servers",
        .library_version = boringssl_version(),
        .options = &ke_config_table,
    };
    struct server_command command;
    int exit_status = command_line_parse(&command, &program, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    if (command.check) {
        return ke_check(command.config_path);
    }
    struct server server = {.metrics.server.fd = -1};
    struct error error;
    sandbox_hide_memory();
    if (start(&server, command.config_path, &error) == NTS_OK) {
        run(&server);
        exit_status = join_workers(&server);
        log_sums(&server);
        log_info("ke.stopped", "status=%s", exit_status == EXIT_SUCCESS ? "clean" : "failed");
    } else {
        log_error("ke.failed", "reason=\"%s\"", error.text);
        request_stop(&server, WORKER_STOP_NOW);
        join_workers(&server);
        exit_status = EXIT_FAILURE;
    }
    close_server(&server);
    return exit_status;
}

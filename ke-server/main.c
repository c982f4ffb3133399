/* nts-ke-server: hands out NTS cookies over TLS (RFC 8915, section 4). The control thread: start,
 * reload, stop. What serves clients is in worker.c. */
#include "base/clock_time.h"
#include "crypto/boringssl.h"
#include "crypto/secret_mem.h"
#include "ke_counters.h"
#include "listening.h"
#include "live_files.h"
#include "runtime/command_line.h"
#include "runtime/control.h"
#include "runtime/log.h"
#include "runtime/sandbox.h"
#include "runtime/service_manager.h"
#include "runtime/syscall_filter.h"
#include "runtime/watchdog.h"
#include "worker.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define TICK_INTERVAL_MS  1000
#define SPARE_DESCRIPTORS 64

struct server {
    struct live_files files;
    int signal_fd;
    int done_fd; /* a worker that has ended writes here */
    struct listening listening;
    struct watchdog watchdog;
    struct worker *workers;
    size_t num_workers;
    size_t num_running;
};

/* --check: everything that a start would look at, short of sockets. */
static int check(const char *config_path)
{
    struct live_files files;
    struct error error;
    enum nts_status status = live_files_load(&files, config_path, &error);
    if (status == NTS_OK) {
        log_info("check.passed", "result=\"%s is in order\"", config_path);
    } else {
        log_error("check.failed", "reason=\"%s\"", error.text);
    }
    live_files_close(&files);
    return status == NTS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

static size_t count_cpus(void)
{
    cpu_set_t cpus;
    if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) {
        return 1;
    }
    return (size_t)CPU_COUNT(&cpus);
}

/* Every connection is a descriptor; what the system does not grant shows as accept_failed. */
static void raise_descriptor_limit(size_t num)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= num) {
        return;
    }
    limit.rlim_cur = num < limit.rlim_max ? num : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < num) {
        log_warning("descriptors.few", "limit=%zu needed=%zu", (size_t)limit.rlim_cur, num);
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
    struct worker *worker = &server->workers[number];
    server->num_workers++; /* from here on, worker_close cleans up */
    enum nts_status status =
        worker_init(worker, listeners, 0, (size_t)config->max_connections, server->done_fd, error);
    return status == NTS_OK ? listening_listeners(listeners, &worker->num_listeners,
                                                  &server->listening, number, num, error)
                            : status;
}

static enum nts_status open_workers(struct server *server, struct error *error)
{
    const struct ke_config *config = &server->files.initial->config;
    size_t num = config->workers > 0 ? (size_t)config->workers : count_cpus();
    enum nts_status status = listening_open(&server->listening, &config->listen, error);
    if (status != NTS_OK) {
        return status;
    }
    size_t num_each = (size_t)config->max_connections + listening_max(&server->listening) + 2;
    raise_descriptor_limit(num * num_each + SPARE_DESCRIPTORS);
    server->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->workers = calloc(num, sizeof(*server->workers));
    if (server->done_fd < 0 || server->workers == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "cannot prepare the workers");
    }
    for (size_t i = 0; status == NTS_OK && i < num; i++) {
        status = open_worker(server, i, num, error);
    }
    return status;
}

/* After the privileges are gone: what a reload will not be able to read is worth knowing now. */
static void warn_of_weaknesses(const struct server *server)
{
    const struct ke_config *config = &server->files.initial->config;
    const char *const files[] = {config->certificate, config->private_key};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (access(files[i], R_OK) != 0) {
            log_warning("config.not_readable", "file=\"%s\" reason=\"not readable by this user\"",
                        files[i]);
        }
    }
    keyring_service_warn_if_unreadable(&server->files.keyring);
    if (!secret_memory_is_locked()) {
        log_warning("secrets.not_locked", "reason=\"RLIMIT_MEMLOCK is too low\"");
    }
}

static enum nts_status start_workers(struct server *server, struct error *error)
{
    watchdog_open(&server->watchdog);
    for (; server->num_running < server->num_workers; server->num_running++) {
        struct worker *worker = &server->workers[server->num_running];
        worker_publish(worker, server->files.settings, server->files.keyring.ring);
        enum nts_status status = worker_start(worker, error);
        if (status != NTS_OK) {
            return status;
        }
        if (!watchdog_add(&server->watchdog, &worker->turns, worker->wake_fd)) {
            return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
        }
    }
    return NTS_OK;
}

static void log_ready(const struct server *server)
{
    listening_log(&server->listening);
    log_info("ke.ready", "workers=%zu version=%s tls=\"%s\"", server->num_workers, NTS_VERSION,
             boringssl_version());
}

static void tell_status(const struct server *server)
{
    const struct keyring *ring = server->files.keyring.ring;
    bool can_seal = keyring_active_key(ring, real_time_ns() / NS_PER_S) != NULL;
    service_manager_status(
        "Workers: %zu; certificate: %" PRId64 " days left; keyring: generation %" PRIu64 "%s",
        server->num_workers, tls_context_time_left_s(server->files.settings->tls) / 86400,
        ring->generation, can_seal ? "" : ", no active key");
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
    status = open_workers(server, error);
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
    status = start_workers(server, error);
    if (status != NTS_OK) {
        return status;
    }
    status = syscall_filter_close_start(filter, NULL, error);
    if (status != NTS_OK) {
        return status;
    }
    log_ready(server);
    tell_status(server);
    service_manager_ready();
    return NTS_OK;
}

static void log_sums(const struct server *server)
{
    uint64_t sums[KE_NUM_COUNTERS] = {0};
    for (size_t i = 0; i < server->num_workers; i++) {
        ke_counters_sum(sums, &server->workers[i].counters);
    }
    ke_counters_log(sums);
}

static void publish(struct server *server)
{
    for (size_t i = 0; i < server->num_running; i++) {
        worker_publish(&server->workers[i], server->files.settings, server->files.keyring.ring);
    }
}

static void request_stop(struct server *server, enum worker_stop stop)
{
    for (size_t i = 0; i < server->num_running; i++) {
        worker_request_stop(&server->workers[i], stop);
    }
}

/* Events of the descriptors that run() waits for. */
enum { WORKER_DONE_EVENT = CONTROL_FD_BASE << 1 };

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
    if ((keyring_watch_changed(&server->files.keyring.watch) || reload) &&
        keyring_service_reload(&server->files.keyring)) {
        publish(server);
        keyring_service_log_loaded(&server->files.keyring);
    }
    keyring_service_tick(&server->files.keyring);
    if (reload) {
        service_manager_ready();
    }
}

/* Until every worker has ended. The first signal to stop is a polite one. */
static void run(struct server *server)
{
    const int fds[] = {keyring_watch_fd(&server->files.keyring.watch), server->done_fd};
    enum worker_stop stopping = WORKER_RUN;
    uint64_t num_ended = 0;
    while (num_ended < server->num_running) {
        unsigned events = control_wait(server->signal_fd, fds, 2, TICK_INTERVAL_MS);
        look_at_files(server, events);
        if (stopping == WORKER_RUN) {
            tell_status(server);
            watchdog_tick(&server->watchdog, mono_time_ns());
        }
        if ((events & CONTROL_DUMP) != 0) {
            log_sums(server);
            keyring_service_log_status(&server->files.keyring);
        }
        if ((events & CONTROL_STOP) != 0) {
            stopping = stopping == WORKER_RUN ? WORKER_STOP : WORKER_STOP_NOW;
            log_info("ke.stopping", "mode=%s", stopping == WORKER_STOP ? "graceful" : "at-once");
            service_manager_stopping();
            request_stop(server, stopping);
        }
        uint64_t num;
        if ((events & WORKER_DONE_EVENT) != 0 &&
            read(server->done_fd, &num, sizeof(num)) == (ssize_t)sizeof(num)) {
            num_ended += num;
            if (stopping == WORKER_RUN) {
                /* One has failed: what restarts this process restores all of it. */
                stopping = WORKER_STOP;
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
        if (worker_join(&server->workers[i], &error) != NTS_OK) {
            log_error("ke.worker_failed", "worker=%zu reason=\"%s\"", i, error.text);
            exit_status = EXIT_FAILURE;
        }
    }
    return exit_status;
}

static void close_server(struct server *server)
{
    for (size_t i = 0; i < server->num_workers; i++) {
        worker_close(&server->workers[i]);
    }
    free(server->workers);
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
        return check(command.config_path);
    }
    struct server server = {0};
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

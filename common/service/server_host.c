#include "service/server_host.h"

#include "base/clock_time.h"
#include "crypto/boringssl.h"
#include "crypto/secret_mem.h"
#include "log/log.h"
#include "process/command_line.h"
#include "process/control.h"
#include "process/sandbox.h"
#include "process/service_manager.h"
#include "service/host_metrics.h"

#include <stdlib.h>
#include <unistd.h>

#define LET_GO_INTERVAL_MS 10 /* how often a server that is replaced checks its workers */

/* The descriptors that the control thread waits for; the server's own follow. */
enum { FD_KEYRING, FD_WORKERS, FD_HANDOVER, FD_SERVER };

_Static_assert(FD_SERVER + HOST_MAX_FDS <= CONTROL_MAX_FDS, "there is room for all descriptors");

const void *server_host_config(const struct server_host *host, const struct host_settings *settings)
{
    return host_settings_config(settings, host->type->settings);
}

static void apply_log_options(const struct host_options *options)
{
    log_set_level((enum log_level)options->log_level);
    log_set_format((enum log_format)options->log_format);
}

/* --- live state and report --- */

void server_host_publish(struct server_host *host)
{
    struct snapshot *extra = host->type->extra != NULL ? host->type->extra(host) : NULL;
    struct live_state *live = live_state_create(host->settings, host->keyring.ring, extra);
    host->publish_is_due = live == NULL;
    if (live == NULL) {
        log_error("live_state.not_published", "reason=\"out of memory\" kept=true");
        return;
    }
    if (host->live != NULL) {
        snapshot_unref(&host->live->snapshot);
    }
    host->live = live;
    worker_group_publish(&host->workers, &live->snapshot);
    snapshot_publish(&host->metrics_live, &live->snapshot);
    if (host->type->published != NULL) {
        host->type->published(host);
    }
}

static void post_report(struct server_host *host)
{
    struct host_report *draft = host->draft;
    draft->started_at_s = host->started_at_s;
    draft->num_workers = host->workers.num;
    draft->num_alive = host->num_alive;
    keyring_service_report(&host->keyring, &draft->keyring);
    if (host->type->report != NULL) {
        host->type->report(host, draft);
    }
    host_metrics_post(host);
}

static void tell_status(const struct server_host *host)
{
    if (host->type->status_text != NULL) {
        char text[HOST_STATUS_TEXT] = "";
        host->type->status_text(host, text);
        service_manager_status("%s", text);
    }
}

/* --- the start --- */

static enum nts_status open_signals(struct server_host *host, struct error *error)
{
    sandbox_hide_memory();
    return control_open(&host->signal_fd, error);
}

static enum nts_status read_settings(struct server_host *host, struct error *error)
{
    enum nts_status status =
        host_settings_load(&host->settings, host->type->settings, host->config_path, error);
    if (status == NTS_OK) {
        host->initial = host->settings;
        snapshot_ref(&host->initial->snapshot);
        apply_log_options(host->settings->options);
    }
    return status;
}

static enum nts_status make_reports(struct server_host *host, struct error *error)
{
    host->draft = calloc(3, host->type->report_size);
    if (host->draft == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    host->posted = (struct host_report *)((char *)host->draft + host->type->report_size);
    host->metrics_report = (struct host_report *)((char *)host->posted + host->type->report_size);
    return NTS_OK;
}

static enum nts_status open_server(struct server_host *host, struct error *error)
{
    return host->type->open != NULL ? host->type->open(host, error) : NTS_OK;
}

static enum nts_status open_keyring(struct server_host *host, struct error *error)
{
    const struct keyring_options *options = &host->initial->options->keyring;
    enum nts_status status =
        keyring_service_open(&host->keyring, options, host->type->without_active_key, error);
    if (status != NTS_OK) {
        return status;
    }
    keyring_service_log_loaded(&host->keyring);
    if (host->type->needs_active_key &&
        keyring_active_key(host->keyring.ring, real_time_ns() / NS_PER_S) == NULL) {
        return error_set(error, NTS_ERR_NO_SEALING_KEY,
                         "%s: no key is active: each has expired or is yet to be activated; "
                         "nts-keys rotate adds one",
                         options->path);
    }
    keyring_service_tick(&host->keyring);
    return NTS_OK;
}

static enum nts_status open_gate(struct server_host *host, struct error *error)
{
    return source_gate_open(&host->gate, error);
}

/* Asks for the sockets of a server that runs. */
static enum nts_status take_over(struct server_host *host, struct error *error)
{
    enum nts_status status = handover_open(
        &host->handover, &host->pool, host->initial->options->handover, host->type->name, error);
    if (status == NTS_OK && host->handover.state == HANDOVER_TAKING && host->handover.old_was_fit &&
        host->type->await_fit != NULL) {
        status = host->type->await_fit(host, error);
    }
    return status;
}

static enum nts_status bind_all(struct server_host *host, struct error *error)
{
    const union net_address *metrics = &host->initial->options->metrics;
    enum nts_status status = host->type->bind(host, error);
    if (status == NTS_OK) {
        int fd = socket_pool_take(&host->pool, SOCK_STREAM, metrics);
        status = metrics_server_open(&host->metrics, metrics, fd, error);
    }
    handover_drop_unused(&host->pool);
    return status;
}

static void warn_of_weaknesses(struct server_host *host)
{
    keyring_service_warn_if_unreadable(&host->keyring);
    if (host->type->unprivileged != NULL) {
        host->type->unprivileged(host);
    }
    if (!secret_memory_is_locked()) {
        log_warning("secrets.not_locked",
                    "reason=\"keys may be swapped out: raise RLIMIT_MEMLOCK\"");
    }
}

static enum nts_status drop_privileges(struct server_host *host, struct error *error)
{
    const struct host_options *options = host->initial->options;
    enum nts_status status = sandbox_drop_privileges(options->user, error);
    if (status == NTS_OK) {
        warn_of_weaknesses(host);
        status = syscall_filter_open((enum syscall_filter_mode)options->seccomp,
                                     host->type->syscalls, error);
    }
    return status;
}

static enum nts_status start_server(struct server_host *host, struct error *error)
{
    server_host_publish(host);
    if (host->publish_is_due) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status = host->type->start(host, error);
    if (status == NTS_OK) {
        host->started_at_s = real_time_ns() / NS_PER_S;
        host->num_alive = host->workers.num_running;
        post_report(host);
        metrics_server_enter(&host->metrics, METRICS_SERVING);
    }
    return status;
}

static enum nts_status close_filter(struct server_host *host, struct error *error)
{
    return syscall_filter_close_start((enum syscall_filter_mode)host->initial->options->seccomp,
                                      host->type->syscalls, error);
}

/* Each needs what was before. Every step that can fail comes before the server reports ready. */
static enum nts_status (*const start_steps[])(struct server_host *host, struct error *error) = {
    make_reports, open_server,     open_keyring,       open_gate,    take_over,
    bind_all,     drop_privileges, host_metrics_start, start_server, close_filter,
};

static void log_ready(const struct server_host *host)
{
    const union net_address *metrics = &host->initial->options->metrics;
    if (metrics->sa.sa_family != AF_UNSPEC) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, metrics);
        log_info("metrics.listening", "address=%s", text);
    }
    if (host->type->log_ready != NULL) {
        host->type->log_ready(host);
    }
}

static bool start(struct server_host *host)
{
    struct error error;
    enum nts_status status = open_signals(host, &error);
    if (status == NTS_OK && (status = read_settings(host, &error)) != NTS_OK) {
        log_error("config.refused", "reason=\"%s\"", error.text);
        return false;
    }
    for (size_t i = 0; status == NTS_OK && i < sizeof(start_steps) / sizeof(start_steps[0]); i++) {
        status = start_steps[i](host, &error);
    }
    if (status != NTS_OK) {
        log_error(host->type->names.failed, "reason=\"%s\"", error.text);
        return false;
    }
    watchdog_open(&host->watchdog);
    log_ready(host);
    tell_status(host);
    service_manager_ready();
    handover_commit(&host->handover);
    return true;
}

/* --- reloads --- */

static void follow_keyring(struct server_host *host)
{
    if (keyring_service_reload(&host->keyring)) {
        server_host_publish(host);
        /* Only now: the next request meets what the log says. */
        keyring_service_log_loaded(&host->keyring);
        keyring_service_tick(&host->keyring);
    }
}

static enum nts_status load_fresh(struct server_host *host, struct host_settings **fresh,
                                  struct error *error)
{
    enum nts_status status =
        host_settings_load(fresh, host->type->settings, host->config_path, error);
    if (status == NTS_OK && host->type->reload != NULL) {
        status = host->type->reload(host, *fresh, error);
        if (status != NTS_OK) {
            snapshot_unref(&(*fresh)->snapshot);
        }
    }
    return status;
}

static void reload_settings(struct server_host *host)
{
    struct host_settings *fresh;
    struct error error;
    if (load_fresh(host, &fresh, &error) != NTS_OK) {
        log_error("config.refused", "reason=\"%s\" kept=true", error.text);
        return;
    }
    config_log_needs_restart(host->type->settings->options, server_host_config(host, host->initial),
                             server_host_config(host, fresh));
    snapshot_unref(&host->settings->snapshot);
    host->settings = fresh;
    apply_log_options(fresh->options);
    server_host_publish(host);
    log_info("config.reloaded", "file=\"%s\"", host->config_path);
    if (host->type->log_reloaded != NULL) {
        host->type->log_reloaded(host);
    }
}

static void reload(struct server_host *host)
{
    service_manager_reloading();
    reload_settings(host);
    follow_keyring(host);
    service_manager_ready();
}

/* --- once a second --- */

static void look_after_workers(struct server_host *host)
{
    size_t stuck = WATCHDOG_ALL_ALIVE;
    int64_t now_ns = mono_time_ns();
    host->num_alive =
        worker_group_look(&host->workers, now_ns, watchdog_patience_ns(&host->watchdog), &stuck);
    if (host->stopping == WORKER_RUN) {
        tell_status(host);
        watchdog_tick(&host->watchdog, stuck, now_ns);
    }
}

static void report_sources(struct server_host *host)
{
    uint64_t over_budget = 0;
    uint64_t refused = 0;
    if (host->type->count_held_off != NULL) {
        host->type->count_held_off(host, &over_budget, &refused);
        source_gate_report(&host->gate, &host->settings->sources, over_budget, refused,
                           mono_time_ns() / NS_PER_S);
    }
}

static void tick(struct server_host *host)
{
    if (host->publish_is_due) {
        server_host_publish(host);
    }
    if (host->type->tick != NULL) {
        host->type->tick(host);
    }
    /* Asked without an event too: not every file system gives one. */
    if (keyring_watch_changed(&host->keyring.watch)) {
        follow_keyring(host);
    }
    keyring_service_tick(&host->keyring);
    look_after_workers(host);
    report_sources(host);
}

/* --- the end --- */

static const char *stop_mode_name(enum worker_stop mode)
{
    return mode == WORKER_STOP ? "graceful" : "at-once";
}

/* A signal, a hand-over or a worker that failed: the same steps in the same order. A server that is
 * replaced keeps its side of the hand-over open until it has let go of the sockets, and leaves the
 * metrics address to the new one. */
static void stop(struct server_host *host, enum worker_stop mode)
{
    host->stopping = mode;
    log_info(host->type->names.stopping, "mode=%s", stop_mode_name(mode));
    metrics_server_enter(&host->metrics, METRICS_STOPPING);
    service_manager_stopping();
    if (host->handover.state == HANDOVER_GIVEN) {
        metrics_server_leave(&host->metrics);
    } else {
        handover_close(&host->handover);
    }
    worker_group_request_stop(&host->workers, mode);
}

static void look_at_handover(struct server_host *host)
{
    struct handover_offer offer = {
        .metrics_fd = host->metrics.listen_fd,
        .is_fit = host->type->is_fit == NULL || host->type->is_fit(host),
    };
    host->type->offer(host, &offer.fds, &offer.num);
    switch (handover_look(&host->handover, &offer)) {
    case HANDOVER_END:
        stop(host, WORKER_STOP);
        break;
    case HANDOVER_RELEASED:
        if (host->type->released != NULL) {
            host->type->released(host);
        }
        break;
    case HANDOVER_NOTHING:
        break;
    }
}

static void dump(struct server_host *host)
{
    host->type->log_counters(host);
    keyring_service_log_status(&host->keyring);
    if (host->type->log_status != NULL) {
        host->type->log_status(host);
    }
}

static void take_signals(struct server_host *host, unsigned events)
{
    if ((events & CONTROL_RELOAD) != 0) {
        reload(host);
    }
    if ((events & CONTROL_DUMP) != 0) {
        dump(host);
    }
    if ((events & CONTROL_STOP) != 0) {
        stop(host, host->stopping == WORKER_RUN ? WORKER_STOP : WORKER_STOP_NOW);
    }
}

static unsigned await_events(struct server_host *host, int64_t next_tick_ns)
{
    int fds[FD_SERVER + HOST_MAX_FDS] = {
        [FD_KEYRING] = keyring_watch_fd(&host->keyring.watch),
        [FD_WORKERS] = host->workers.done_fd,
        [FD_HANDOVER] = handover_fd(&host->handover),
    };
    size_t num = FD_SERVER;
    if (host->type->list_fds != NULL) {
        num += host->type->list_fds(host, &fds[FD_SERVER]);
    }
    int64_t wait_ns = next_tick_ns - mono_time_ns();
    int wait_ms = wait_ns > 0 ? (int)(wait_ns / NS_PER_MS) + 1 : 0;
    if (host->handover.state == HANDOVER_GIVEN && wait_ms > LET_GO_INTERVAL_MS) {
        wait_ms = LET_GO_INTERVAL_MS;
    }
    return control_wait(host->signal_fd, fds, num, wait_ms);
}

static bool has_event(unsigned events, unsigned position)
{
    return (events & (unsigned)CONTROL_FD_BASE << position) != 0;
}

/* Until every worker has ended. The first signal to stop is a polite one. */
static void serve(struct server_host *host)
{
    int64_t next_tick_ns = mono_time_ns() + NS_PER_S;
    while (!worker_group_take_ended(&host->workers)) {
        if (host->workers.num_ended > 0 && host->stopping == WORKER_RUN) {
            /* One has failed: what restarts this process restores all of it. */
            stop(host, WORKER_STOP);
        }
        unsigned events = await_events(host, next_tick_ns);
        take_signals(host, events);
        if (has_event(events, FD_KEYRING) && keyring_watch_changed(&host->keyring.watch)) {
            follow_keyring(host);
        }
        if (events >= (unsigned)CONTROL_FD_BASE << FD_SERVER) {
            host->type->take_events(host);
        }
        if (has_event(events, FD_HANDOVER)) {
            look_at_handover(host);
        }
        if (host->handover.state == HANDOVER_GIVEN && worker_group_has_let_go(&host->workers)) {
            handover_close(&host->handover); /* the new server is the only one that serves now */
        }
        if (mono_time_ns() >= next_tick_ns) {
            tick(host);
            next_tick_ns = mono_time_ns() + NS_PER_S;
        }
        post_report(host);
    }
}

static void close_all(struct server_host *host)
{
    metrics_server_close(&host->metrics); /* it reads what goes now */
    snapshot_slot_clear(&host->metrics_live);
    if (host->type->close != NULL) {
        host->type->close(host);
    }
    worker_group_close(&host->workers);
    handover_drop_unused(&host->pool);
    handover_close(&host->handover);
    source_gate_close(&host->gate);
    if (host->live != NULL) {
        snapshot_unref(&host->live->snapshot);
    }
    keyring_service_close(&host->keyring);
    if (host->settings != NULL) {
        snapshot_unref(&host->settings->snapshot);
        snapshot_unref(&host->initial->snapshot);
    }
    free(host->draft);
    pthread_mutex_destroy(&host->report_lock);
    if (host->signal_fd >= 0) {
        close(host->signal_fd);
    }
}

int server_host_run(struct server_host *host, const struct server_type *type, void *server,
                    const char *config_path)
{
    *host = (struct server_host){
        .type = type,
        .server = server,
        .config_path = config_path,
        .signal_fd = -1,
        .metrics = {.fd = -1, .listen_fd = -1},
        .workers = {.done_fd = -1},
        .handover = {.listen_fd = -1, .peer_fd = -1},
        .report_lock = PTHREAD_MUTEX_INITIALIZER,
    };
    bool has_started = start(host);
    if (has_started) {
        serve(host);
    } else {
        worker_group_request_stop(&host->workers, WORKER_STOP_NOW);
    }
    bool is_clean = worker_group_join(&host->workers, type->names.worker_failed) && has_started;
    if (has_started) {
        host->type->log_counters(host);
        log_info(type->names.stopped, "status=%s", is_clean ? "clean" : "failed");
    }
    close_all(host);
    return is_clean ? EXIT_SUCCESS : EXIT_FAILURE;
}

int server_host_main(const struct server_type *type, void *server, int argc, char **argv)
{
    const struct server_program program = {
        .name = type->name,
        .purpose = type->purpose,
        .library_version = boringssl_version(),
        .options = type->settings->options,
    };
    static struct server_host host;
    struct server_command command;
    int exit_status = command_line_parse(&command, &program, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    return command.check ? type->check(command.config_path)
                         : server_host_run(&host, type, server, command.config_path);
}

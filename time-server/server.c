#include "time-server/server.h"

#include "base/clock_time.h"
#include "log/log.h"
#include "process/sandbox.h"
#include "process/service_manager.h"
#include "time-server/metrics/time_metrics.h"
#include "time-server/transport/server_sockets.h"
#include "time-server/transport/time_syscalls.h"
#include "time-server/transport/udp_socket.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CLOCK_PATIENCE_S 5 /* to become fit, before a server that runs is replaced */

static void settings_destroy(struct snapshot *snapshot)
{
    struct time_settings *settings = (struct time_settings *)snapshot;
    source_policy_close(&settings->policy);
    free(settings);
}

static struct clock_limits limits_of(const struct clock_config *clock)
{
    return (struct clock_limits){clock->max_root_distance_ms * NS_PER_MS,
                                 clock->holdover_s * NS_PER_S};
}

static void set_limits(struct time_server *server, const struct clock_config *clock)
{
    const struct clock_limits limits = limits_of(clock);
    atomic_store(&server->max_root_distance_ns, limits.max_root_distance_ns);
    atomic_store(&server->holdover_ns, limits.holdover_ns);
}

struct clock_limits time_server_clock_limits(const struct time_server *server)
{
    return (struct clock_limits){atomic_load(&server->max_root_distance_ns),
                                 atomic_load(&server->holdover_ns)};
}

/* Makes what the workers need of a configuration, and keeps nothing of it. */
static enum nts_status make_settings(struct time_settings **out, const struct time_config *config,
                                     const char *path, struct error *error)
{
    struct time_settings *settings = calloc(1, sizeof(*settings));
    if (settings == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status = source_policy_open(&settings->policy, &config->sources, error);
    if (status != NTS_OK) {
        error_prefix(error, path);
        free(settings);
        return status;
    }
    snapshot_init(&settings->snapshot, settings_destroy);
    settings->plain_ntp = config->plain_ntp;
    settings->silent_when_unsynchronised = config->unsynchronised == UNSYNCHRONISED_SILENT;
    settings->clock_limits = limits_of(&config->clock);
    *out = settings;
    return NTS_OK;
}

static void publish_settings(struct time_server *server)
{
    for (size_t i = 0; i < server->num_workers; i++) {
        snapshot_publish(&server->workers[i].settings, &server->settings->snapshot);
    }
}

static void publish_keyring(struct time_server *server)
{
    for (size_t i = 0; i < server->num_workers; i++) {
        snapshot_publish(&server->workers[i].keyring, &server->keyring.ring->snapshot);
        if (i < server->num_running) {
            time_worker_wake(&server->workers[i]);
        }
    }
    /* Only now: what the log says is what the next request meets. */
    keyring_service_log_loaded(&server->keyring);
    keyring_service_tick(&server->keyring);
}

void time_server_reload_keyring(struct time_server *server)
{
    if (keyring_service_reload(&server->keyring)) {
        publish_keyring(server);
    }
}

/* The CPUs that this process may use. */
static size_t allowed_cpus(cpu_set_t *set)
{
    if (sched_getaffinity(0, sizeof(*set), set) != 0) {
        CPU_ZERO(set);
        CPU_SET(0, set);
    }
    return (size_t)CPU_COUNT(set);
}

static enum nts_status create_workers(struct time_server *server, struct error *error)
{
    cpu_set_t cpus;
    size_t num_cpus = allowed_cpus(&cpus);
    bool one_per_cpu = server->config.workers == 0;
    size_t num = one_per_cpu ? num_cpus : (size_t)server->config.workers;
    server->workers = calloc(num, sizeof(*server->workers));
    if (server->workers == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    int cpu = -1;
    for (; server->num_workers < num; server->num_workers++) {
        struct time_worker *worker = &server->workers[server->num_workers];
        do {
            cpu++;
        } while (one_per_cpu && !CPU_ISSET((size_t)cpu, &cpus));
        *worker = (struct time_worker){
            .number = server->num_workers,
            .cpu = one_per_cpu ? cpu : -1,
            .clock_board = &server->clock_board,
            .gate = &server->gate,
            .sockets = {.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)},
        };
        if (worker->sockets.wake_fd < 0) {
            return error_set(error, NTS_ERR_SYSTEM, "eventfd: %s", strerror(errno));
        }
    }
    return NTS_OK;
}

/* While an old server answers with good time, a new one that knows no time yet does not join in. */
static enum nts_status await_clock(struct time_server *server, struct error *error)
{
    struct clock_source *source = &server->clock_source;
    const int64_t give_up_ns = mono_time_ns() + CLOCK_PATIENCE_S * NS_PER_S;
    const struct clock_limits limits = time_server_clock_limits(server);
    if (server->handover.state != HANDOVER_TAKING || !server->handover.old_was_fit) {
        return NTS_OK;
    }
    for (;;) {
        clock_source_tick(source);
        struct pollfd polled = {.fd = clock_source_fd(source), .events = POLLIN};
        if (poll(&polled, 1, polled.fd >= 0 ? 1000 : 0) > 0) {
            clock_source_receive(source);
        }
        const char *trouble = clock_trouble(&source->status, &limits, real_time_ns());
        if (trouble == NULL) {
            return NTS_OK;
        }
        if (polled.fd < 0 || mono_time_ns() >= give_up_ns) {
            return error_set(error, NTS_ERR_UNSYNCHRONISED,
                             "handover: the clock is not fit (%s), that of the server that runs is",
                             trouble);
        }
    }
}

/* The sockets of the server that runs, if one does, else sockets of our own. */
static enum nts_status open_sockets(struct time_server *server, struct error *error)
{
    struct socket_pool pool = {0};
    struct listen_plan plan;
    enum nts_status status =
        handover_open(&server->handover, &pool, server->config.handover, "nts-time-server", error);
    if (status == NTS_OK) {
        status = server_sockets_plan(server, &plan, &pool, error);
    }
    if (status == NTS_OK) {
        status = await_clock(server, error);
    }
    if (status == NTS_OK) {
        status = server_sockets_open(server, &plan, &pool, error);
    }
    if (status == NTS_OK) {
        const union net_address *metrics = &server->config.metrics;
        int fd = socket_pool_take(&pool, SOCK_STREAM, metrics);
        status = metrics_server_open(&server->metrics, metrics, fd, error);
    }
    handover_drop_unused(&pool);
    return status;
}

enum nts_status time_server_open(struct time_server *server, struct error *error)
{
    enum nts_status status =
        make_settings(&server->settings, &server->config, server->config_path, error);
    if (status == NTS_OK) {
        status = source_gate_open(&server->gate, error);
    }
    if (status == NTS_OK) {
        status = keyring_service_open(&server->keyring, &server->config.keyring,
                                      "clients get NTS NAK, or no fresh cookies", error);
    }
    set_limits(server, &server->config.clock);
    if (status == NTS_OK) {
        status = clock_source_open(&server->clock_source, &server->config.clock, error);
    }
    if (status == NTS_OK) {
        status = create_workers(server, error);
    }
    if (status == NTS_OK) {
        publish_keyring(server);
    }
    if (status == NTS_OK) {
        publish_settings(server);
        status = open_sockets(server, error);
    }
    if (status == NTS_OK) {
        status = sandbox_drop_privileges(server->config.user, error);
    }
    if (status == NTS_OK) {
        status = syscall_filter_open((enum syscall_filter_mode)server->config.seccomp,
                                     &time_syscalls, error);
    }
    if (status == NTS_OK) {
        keyring_service_warn_if_unreadable(&server->keyring);
        const struct metrics_source source = time_metrics_source(server);
        status = metrics_server_start(&server->metrics, &source, error);
    }
    return status;
}

/* Starts all workers on one transport, or none. */
static enum nts_status start_on(struct time_server *server, const struct transport_ops *transport,
                                struct error *error)
{
    server->transport = transport;
    for (size_t i = 0; i < server->num_workers; i++) {
        server->workers[i].transport = transport;
        enum nts_status status = time_worker_start(&server->workers[i], error);
        if (status != NTS_OK) {
            return status;
        }
        server->num_running++;
    }
    return NTS_OK;
}

static enum nts_status start_workers(struct time_server *server, struct error *error)
{
    if (server->config.transport == TRANSPORT_RECVMMSG) {
        return start_on(server, &transport_recvmmsg, error);
    }
    enum nts_status status = start_on(server, &transport_io_uring, error);
    if (status != NTS_OK && server->num_running == 0 &&
        server->config.transport == TRANSPORT_AUTO) {
        log_warning("transport.fallback", "transport=recvmmsg reason=\"%s\"", error->text);
        server->has_fallen_back = true;
        status = start_on(server, &transport_recvmmsg, error);
    }
    return status;
}

static enum nts_status watch_workers(struct time_server *server, struct error *error)
{
    watchdog_open(&server->watchdog);
    for (size_t i = 0; i < server->num_workers; i++) {
        const struct time_worker *worker = &server->workers[i];
        if (!watchdog_add(&server->watchdog, &worker->heartbeat.turns, worker->sockets.wake_fd)) {
            return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
        }
    }
    return NTS_OK;
}

static void tell_status(const struct time_server *server)
{
    const struct keyring *ring = server->keyring.ring;
    bool can_seal = keyring_active_key(ring, real_time_ns() / NS_PER_S) != NULL;
    char clock[32] = "not fit";
    if (server->clock_was_fit) {
        snprintf(clock, sizeof(clock), "fit, stratum %u", server->clock_source.status.stratum);
    }
    service_manager_status("Addresses: %zu; workers: %zu on %s; clock: %s; keyring: generation "
                           "%" PRIu64 "%s",
                           server->config.listen.num, server->num_workers, server->transport->name,
                           clock, ring->generation, can_seal ? "" : ", no active key");
}

enum nts_status time_server_start(struct time_server *server, struct error *error)
{
    enum nts_status status = start_workers(server, error);
    if (status == NTS_OK) {
        server->started_at_s = real_time_ns() / NS_PER_S;
        atomic_store(&server->num_alive, server->num_workers);
        metrics_server_enter(&server->metrics, METRICS_SERVING);
        status = syscall_filter_close_start((enum syscall_filter_mode)server->config.seccomp,
                                            &time_syscalls, error);
    }
    if (status == NTS_OK) {
        status = watch_workers(server, error);
    }
    if (status == NTS_OK) {
        tell_status(server);
    }
    return status;
}

void time_server_stopping(struct time_server *server)
{
    metrics_server_enter(&server->metrics, METRICS_STOPPING);
}

/* Only when it is another one: the source that there is knows the time. False if it cannot be. */
static bool change_clock(struct time_server *server, const struct time_config *fresh,
                         struct error *error)
{
    struct time_config current = *fresh;
    current.clock = server->live_memory.num_blocks > 0 ? server->live_clock : server->config.clock;
    if (!config_differs(&time_config_table, "clock", &current, fresh)) {
        return true;
    }
    if (clock_source_change(&server->clock_source, &fresh->clock, error) != NTS_OK) {
        return false;
    }
    set_limits(server, &fresh->clock);
    clock_source_tick(&server->clock_source);
    time_server_post_clock(server);
    return true;
}

static void set_receive_buffers(struct time_server *server, int64_t receive_buffer_kib)
{
    bool is_as_wanted = true;
    for (size_t i = 0; i < server->num_fds; i++) {
        is_as_wanted &= udp_socket_receive_buffer(server->fds[i], (int)receive_buffer_kib * 1024);
    }
    if (!is_as_wanted && receive_buffer_kib != server->config.receive_buffer_kib) {
        log_warning("receive_buffer.limited",
                    "wanted_kib=%" PRId64 " advice=\"raise net.core.rmem_max, or start anew with "
                    "CAP_NET_ADMIN\"",
                    receive_buffer_kib);
    }
    server->config.receive_buffer_kib = receive_buffer_kib;
}

void time_server_reload(struct time_server *server)
{
    struct time_config fresh;
    struct config_memory memory;
    struct time_settings *settings;
    struct error error;
    enum nts_status status =
        config_load(&fresh, &memory, &time_config_table, server->config_path, &error);
    if (status == NTS_OK) {
        status = make_settings(&settings, &fresh, server->config_path, &error);
        if (status != NTS_OK) {
            config_free(&memory);
        }
    }
    if (status != NTS_OK) {
        log_error("config.refused", "reason=\"%s\" kept=true", error.text);
        return;
    }
    config_log_needs_restart(&time_config_table, &server->config, &fresh);
    if (!change_clock(server, &fresh, &error)) {
        snapshot_unref(&settings->snapshot);
        config_free(&memory);
        log_error("config.refused", "reason=\"%s\" kept=true", error.text);
        return;
    }
    set_receive_buffers(server, fresh.receive_buffer_kib);
    server->config.plain_ntp = fresh.plain_ntp;
    server->config.unsynchronised = fresh.unsynchronised;
    server->config.log_level = fresh.log_level;
    server->config.log_format = fresh.log_format;
    config_free(&server->live_memory);
    server->live_clock = fresh.clock;
    server->live_memory = memory;
    log_set_level((enum log_level)server->config.log_level);
    log_set_format((enum log_format)server->config.log_format);
    snapshot_unref(&server->settings->snapshot);
    server->settings = settings;
    publish_settings(server);
    log_info("config.reloaded", "file=\"%s\"", server->config_path);
}

void time_server_post_clock(struct time_server *server)
{
    const struct clock_status *status = &server->clock_source.status;
    const struct clock_limits live = time_server_clock_limits(server);
    const struct clock_limits *limits = &live;
    int64_t now_ns = real_time_ns();
    bool is_fit = clock_is_fit(status, limits, now_ns);
    clock_board_post(&server->clock_board, status);
    if (server->clock_was_reported && is_fit == server->clock_was_fit) {
        return;
    }
    server->clock_was_reported = true;
    server->clock_was_fit = is_fit;
    if (is_fit) {
        log_info("clock.fit",
                 "stratum=%u leap=%u reference_id=%08" PRIx32 " root_delay_us=%" PRId64
                 " root_dispersion_us=%" PRId64,
                 status->stratum, status->leap, status->reference_id, status->root_delay_ns / 1000,
                 clock_root_dispersion_ns(status, now_ns) / 1000);
        return;
    }
    log_warning("clock.unfit", "reason=\"%s\" effect=\"%s\"", clock_trouble(status, limits, now_ns),
                server->config.unsynchronised == UNSYNCHRONISED_SILENT
                    ? "silence"
                    : "answers say unsynchronised");
}

static void look_after_workers(struct time_server *server)
{
    size_t num_alive = 0;
    for (size_t i = 0; i < server->num_running; i++) {
        num_alive += heartbeat_look(&server->workers[i].heartbeat, mono_time_ns()) ? 1 : 0;
        time_worker_wake(&server->workers[i]);
    }
    atomic_store(&server->num_alive, num_alive);
}

static void report_sources(struct time_server *server)
{
    uint64_t num_over_budget = 0;
    uint64_t num_refused = 0;
    for (size_t i = 0; i < server->num_running; i++) {
        const struct answer_counters *counters = answer_engine_counters(server->workers[i].engine);
        num_over_budget += counter_read(&counters->by_cause[NTS_ERR_RATE_LIMITED]);
        num_refused += counter_read(&counters->by_cause[NTS_ERR_SOURCE_REFUSED]);
    }
    source_gate_report(&server->gate, &server->settings->policy, num_over_budget, num_refused,
                       mono_time_ns() / NS_PER_S);
}

void time_server_tick(struct time_server *server)
{
    clock_source_tick(&server->clock_source);
    time_server_post_clock(server);
    /* Asked without an event too: not every file system gives one. */
    if (keyring_watch_changed(&server->keyring.watch)) {
        time_server_reload_keyring(server);
    }
    keyring_service_tick(&server->keyring);
    look_after_workers(server);
    report_sources(server);
    if (server->num_running > 0) {
        tell_status(server);
        watchdog_tick(&server->watchdog, mono_time_ns());
    }
}

void time_server_log_counters(const struct time_server *server)
{
#define LABEL_ONLY(name, label, ...) label,
    static const char *const event_labels[] = {ANSWER_EVENT_TABLE(LABEL_ONLY)};
    static const char *const transport_labels[] = {TRANSPORT_EVENT_TABLE(LABEL_ONLY)};
    static const char *const age_labels[] = {KEY_AGE_TABLE(LABEL_ONLY)};
#undef LABEL_ONLY
    const char *cause_labels[NTS_NUM_STATUS];
    uint64_t events[ANSWER_NUM_EVENTS] = {0};
    uint64_t transport[TRANSPORT_NUM_EVENTS] = {0};
    uint64_t causes[NTS_NUM_STATUS] = {0};
    uint64_t ages[KEY_NUM_AGES] = {0};
    for (size_t i = 0; i < NTS_NUM_STATUS; i++) {
        cause_labels[i] = status_label((enum nts_status)i);
    }
    for (size_t w = 0; w < server->num_running; w++) {
        const struct answer_counters *answers = answer_engine_counters(server->workers[w].engine);
        counters_sum(events, answers->events, ANSWER_NUM_EVENTS);
        counters_sum(causes, answers->by_cause, NTS_NUM_STATUS);
        counters_sum(ages, answers->opened_by_age, KEY_NUM_AGES);
        counters_sum(transport, server->workers[w].transport_counters.events, TRANSPORT_NUM_EVENTS);
    }
    log_counters("counters.answers", event_labels, events, ANSWER_NUM_EVENTS);
    log_counters("counters.causes", cause_labels, causes, NTS_NUM_STATUS);
    log_counters("counters.cookies_opened", age_labels, ages, KEY_NUM_AGES);
    log_counters("counters.transport", transport_labels, transport, TRANSPORT_NUM_EVENTS);
    keyring_service_log_status(&server->keyring);
}

bool time_server_look_at_handover(struct time_server *server)
{
    const struct handover_offer offer = {.fds = server->fds,
                                         .num = server->num_fds,
                                         .metrics_fd = server->metrics.listen_fd,
                                         .is_fit = server->clock_was_fit};
    return handover_look(&server->handover, &offer) == HANDOVER_END;
}

void time_server_close(struct time_server *server)
{
    while (server->num_running > 0) {
        time_worker_stop(&server->workers[--server->num_running]);
    }
    metrics_server_close(&server->metrics); /* it reads what goes now */
    for (size_t i = 0; i < server->num_workers; i++) {
        time_worker_close(&server->workers[i]);
        snapshot_slot_clear(&server->workers[i].keyring);
        snapshot_slot_clear(&server->workers[i].settings);
        close(server->workers[i].sockets.wake_fd);
    }
    server_sockets_close(server);
    handover_close(&server->handover);
    free(server->workers);
    if (server->settings != NULL) {
        snapshot_unref(&server->settings->snapshot);
    }
    source_gate_close(&server->gate);
    watchdog_close(&server->watchdog);
    clock_source_close(&server->clock_source);
    keyring_service_close(&server->keyring);
    config_free(&server->live_memory);
    config_free(&server->config_memory);
}

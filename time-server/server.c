#include "server.h"

#include "base/clock_time.h"
#include "runtime/listen.h"
#include "runtime/log.h"
#include "runtime/sandbox.h"
#include "time_metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void settings_destroy(struct snapshot *snapshot)
{
    struct time_settings *settings = (struct time_settings *)snapshot;
    source_policy_close(&settings->policy);
    free(settings);
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
            worker_wake(&server->workers[i]);
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
    server->num_fds = num * server->config.listen.num;
    server->fds = malloc(server->num_fds * sizeof(*server->fds));
    if (server->workers == NULL || server->fds == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    memset(server->fds, -1, server->num_fds * sizeof(*server->fds));
    int cpu = -1;
    for (; server->num_workers < num; server->num_workers++) {
        struct worker *worker = &server->workers[server->num_workers];
        do {
            cpu++;
        } while (one_per_cpu && !CPU_ISSET((size_t)cpu, &cpus));
        *worker = (struct worker){
            .number = server->num_workers,
            .cpu = one_per_cpu ? cpu : -1,
            .clock_board = &server->clock_board,
            .gate = &server->gate,
            .clock_limits = {server->config.clock.max_root_distance_ms * NS_PER_MS,
                             server->config.clock.holdover_s * NS_PER_S},
            .sockets = {.fds = server->fds + server->num_workers * server->config.listen.num,
                        .num = server->config.listen.num,
                        .wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)},
        };
        if (worker->sockets.wake_fd < 0) {
            return error_set(error, NTS_ERR_SYSTEM, "eventfd: %s", strerror(errno));
        }
    }
    return NTS_OK;
}

static enum nts_status bind_sockets(struct time_server *server, struct error *error)
{
    const union net_address *addresses = server->config.listen.items;
    for (size_t i = 0; i < server->config.listen.num; i++) {
        listen_warn_if_shared(&addresses[i], SOCK_DGRAM);
    }
    for (size_t i = 0; i < server->num_fds; i++) {
        enum nts_status status =
            udp_socket_open(&server->fds[i], &addresses[i % server->config.listen.num],
                            (int)server->config.receive_buffer_kib * 1024, error);
        if (status != NTS_OK) {
            server->fds[i] = -1;
            return status;
        }
    }
    return NTS_OK;
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
        status = bind_sockets(server, error);
    }
    if (status == NTS_OK) {
        status = metrics_server_open(&server->metrics, &server->config.metrics, error);
    }
    if (status == NTS_OK) {
        status = sandbox_drop_user(server->config.user, error);
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
        enum nts_status status = worker_start(&server->workers[i], error);
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

enum nts_status time_server_start(struct time_server *server, struct error *error)
{
    enum nts_status status = start_workers(server, error);
    if (status == NTS_OK) {
        server->started_at_s = real_time_ns() / NS_PER_S;
        atomic_store(&server->num_alive, server->num_workers);
        metrics_server_enter(&server->metrics, METRICS_SERVING);
    }
    return status;
}

void time_server_stopping(struct time_server *server)
{
    metrics_server_enter(&server->metrics, METRICS_STOPPING);
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
    const char *name = config_needs_restart(&time_config_table, &server->config, &fresh);
    if (name != NULL) {
        log_warning("config.needs_restart", "option=%s effect=\"unchanged until a restart\"", name);
    }
    server->config.plain_ntp = fresh.plain_ntp;
    server->config.unsynchronised = fresh.unsynchronised;
    server->config.log_level = fresh.log_level;
    server->config.log_format = fresh.log_format;
    config_free(&memory);
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
    const struct clock_limits *limits = &server->workers[0].clock_limits;
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
        worker_wake(&server->workers[i]);
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

void time_server_close(struct time_server *server)
{
    while (server->num_running > 0) {
        worker_stop(&server->workers[--server->num_running]);
    }
    metrics_server_close(&server->metrics); /* it reads what goes now */
    for (size_t i = 0; i < server->num_workers; i++) {
        worker_close(&server->workers[i]);
        snapshot_slot_clear(&server->workers[i].keyring);
        snapshot_slot_clear(&server->workers[i].settings);
        close(server->workers[i].sockets.wake_fd);
    }
    for (size_t i = 0; i < server->num_fds; i++) {
        if (server->fds[i] >= 0) {
            close(server->fds[i]);
        }
    }
    free(server->fds);
    free(server->workers);
    if (server->settings != NULL) {
        snapshot_unref(&server->settings->snapshot);
    }
    source_gate_close(&server->gate);
    clock_source_close(&server->clock_source);
    keyring_service_close(&server->keyring);
    config_free(&server->config_memory);
}

#include "time-server/time_service.h"

#include "base/clock_time.h"
#include "log/log.h"
#include "time-server/config/time_settings.h"
#include "time-server/metrics/time_metrics.h"
#include "time-server/time_check.h"
#include "time-server/time_state.h"
#include "time-server/time_syscalls.h"

#include <inttypes.h>
#include <stdio.h>

#define CLOCK_PATIENCE_S 5 /* to become fit, before a server that runs is replaced */

_Static_assert(CLOCK_SOURCE_FDS <= HOST_MAX_FDS, "the host waits for the clock's descriptors");

static const struct time_config *initial_config(const struct server_host *host)
{
    return &time_settings_of(host->initial)->config;
}

static const struct clock_limits *limits_of(const struct server_host *host)
{
    return &time_settings_of(host->settings)->clock_limits;
}

/* --- the clock --- */

static void log_fit(const struct clock_status *status, int64_t now_ns)
{
    log_info("clock.fit",
             "stratum=%u leap=%u reference_id=%08" PRIx32 " root_delay_us=%" PRId64
             " root_dispersion_us=%" PRId64,
             status->stratum, status->leap, status->reference_id, status->root_delay_ns / 1000,
             clock_root_dispersion_ns(status, now_ns) / 1000);
}

/* As it was reported last. */
static bool clock_was_fit(const struct time_state *self)
{
    return self->clock_was_reported && self->clock_trouble == NULL;
}

/* Hands the workers what the clock source knows, and logs what is new about it. */
static void post_clock(struct server_host *host)
{
    struct time_state *self = time_state_of(host);
    const struct clock_status *status = &self->clock_source.status;
    const struct clock_limits *limits = limits_of(host);
    int64_t now_ns = real_time_ns();
    const char *trouble = clock_trouble(status, limits, now_ns);
    clock_board_post(&self->clock_board, status);
    if (self->clock_was_reported && trouble == self->clock_trouble) {
        return; /* neither fit instead of unfit, nor for another reason */
    }
    self->clock_trouble = trouble;
    self->clock_was_reported = true;
    if (trouble == NULL) {
        log_fit(status, now_ns);
        return;
    }
    const struct time_config *config = &time_settings_of(host->settings)->config;
    log_warning("clock.unfit", "reason=\"%s\" effect=\"%s\"", trouble,
                config->unsynchronised == UNSYNCHRONISED_SILENT ? "silence"
                                                                : "answers say unsynchronised");
}

/* While an old server answers with good time, a new one that knows no time yet does not join in. */
static enum nts_status time_await_fit(struct server_host *host, struct error *error)
{
    const char *trouble = clock_source_await_fit(&time_state_of(host)->clock_source,
                                                 limits_of(host), CLOCK_PATIENCE_S * NS_PER_S);
    if (trouble == NULL) {
        return NTS_OK;
    }
    return error_set(error, NTS_ERR_UNSYNCHRONISED,
                     "handover: the clock is not fit (%s), that of the server that runs is",
                     trouble);
}

/* --- the start --- */

static enum nts_status time_open(struct server_host *host, struct error *error)
{
    struct time_state *self = time_state_of(host);
    self->is_clock_open = true;
    return clock_source_open(&self->clock_source, &initial_config(host)->clock, error);
}

static enum nts_status time_bind(struct server_host *host, struct error *error)
{
    struct time_state *self = time_state_of(host);
    const struct time_workers_setup setup = {
        .transports = &transports,
        .config = initial_config(host),
        .clock_board = &self->clock_board,
        .gate = &host->gate,
    };
    enum nts_status status = time_workers_open(&self->workers, &host->workers, &setup, error);
    self->receive_buffer_kib = initial_config(host)->receive_buffer_kib;
    return status == NTS_OK ? time_workers_bind(&self->workers, &host->pool, error) : status;
}

static enum nts_status time_start(struct server_host *host, struct error *error)
{
    clock_source_tick(&time_state_of(host)->clock_source);
    post_clock(host);
    return time_workers_start(&time_state_of(host)->workers, error);
}

static void time_log_ready(const struct server_host *host)
{
    const struct time_config *config = initial_config(host);
    const union net_address *addresses = config->listen.items;
    for (size_t i = 0; i < config->listen.num; i++) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, &addresses[i]);
        log_info("time.listening", "address=%s", text);
    }
    log_info("time.ready", "version=%s workers=%zu transport=%s crypto=%s plain_ntp=%s",
             NTS_VERSION, host->workers.num, time_state_of(host)->workers.transport->name,
             aead_path_name(aead_path_current()), config->plain_ntp ? "true" : "false");
}

/* --- while it runs --- */

static size_t time_list_fds(const struct server_host *host, int fds[HOST_MAX_FDS])
{
    clock_source_list_fds(&time_state_of(host)->clock_source, fds);
    return CLOCK_SOURCE_FDS;
}

static void time_take_events(struct server_host *host)
{
    clock_source_receive(&time_state_of(host)->clock_source);
    post_clock(host);
}

static void time_tick(struct server_host *host)
{
    clock_source_tick(&time_state_of(host)->clock_source);
    post_clock(host);
}

static void set_receive_buffers(struct time_state *self, int64_t receive_buffer_kib)
{
    bool is_as_wanted = time_workers_set_receive_buffer(&self->workers, receive_buffer_kib);
    if (!is_as_wanted && receive_buffer_kib != self->receive_buffer_kib) {
        log_warning("receive_buffer.limited",
                    "wanted_kib=%" PRId64 " advice=\"raise net.core.rmem_max, or start anew with "
                    "CAP_NET_ADMIN\"",
                    receive_buffer_kib);
    }
    self->receive_buffer_kib = receive_buffer_kib;
}

/* The clock source changes only when it is another one: the one that there is knows the time. It is
 * looked up and connected anew in any case. */
static enum nts_status time_reload(struct server_host *host, struct host_settings *fresh_host,
                                   struct error *error)
{
    struct time_state *self = time_state_of(host);
    const struct time_config *fresh = &time_settings_of(fresh_host)->config;
    if (config_differs(&time_config_table, "clock", server_host_config(host, host->settings),
                       fresh)) {
        enum nts_status status = clock_source_change(&self->clock_source, &fresh->clock, error);
        if (status != NTS_OK) {
            return status;
        }
    } else {
        clock_source_renew(&self->clock_source);
    }
    clock_source_tick(&self->clock_source);
    set_receive_buffers(self, fresh->receive_buffer_kib);
    return NTS_OK;
}

/* The limits may be others. */
static void time_published(struct server_host *host)
{
    if (time_state_of(host)->clock_was_reported) {
        post_clock(host);
    }
}

static void time_count_held_off(const struct server_host *host, uint64_t *over_budget,
                                uint64_t *refused)
{
    struct time_sums sums;
    time_workers_sum(&time_state_of(host)->workers, &sums);
    *over_budget = sums.by_cause[ANSWER_CAUSE_RATE_LIMITED];
    *refused = sums.by_cause[ANSWER_CAUSE_SOURCE_REFUSED];
}

static bool time_is_fit(const struct server_host *host)
{
    return clock_was_fit(time_state_of(host));
}

static void time_report(const struct server_host *host, struct host_report *report)
{
    const struct time_state *self = time_state_of(host);
    report->transport = self->workers.transport->name;
    ((struct time_report *)report)->has_fallen_back = self->workers.has_fallen_back;
}

static void time_status_text(const struct server_host *host, char text[HOST_STATUS_TEXT])
{
    const struct time_state *self = time_state_of(host);
    const struct keyring *ring = host->keyring.ring;
    bool can_seal = keyring_active_key(ring, real_time_ns() / NS_PER_S) != NULL;
    char clock[32] = "not fit";
    if (clock_was_fit(self)) {
        snprintf(clock, sizeof(clock), "fit, stratum %u", self->clock_source.status.stratum);
    }
    snprintf(text, HOST_STATUS_TEXT,
             "Addresses: %zu; workers: %zu on %s; clock: %s; keyring: generation %" PRIu64 "%s",
             initial_config(host)->listen.num, host->workers.num, self->workers.transport->name,
             clock, ring->generation, can_seal ? "" : ", no active key");
}

static void time_log_counters(const struct server_host *host)
{
    struct time_sums sums;
    time_workers_sum(&time_state_of(host)->workers, &sums);
    time_sums_log(&sums);
}

static void time_offer(const struct server_host *host, const int **fds, size_t *num)
{
    *num = time_workers_offer(&time_state_of(host)->workers, fds);
}

static void time_close(struct server_host *host)
{
    struct time_state *self = time_state_of(host);
    time_workers_close(&self->workers);
    if (self->is_clock_open) {
        clock_source_close(&self->clock_source);
    }
}

const struct server_type time_server_type = {
    .name = "nts-time-server",
    .purpose = "answers NTP and NTS-protected NTP (RFC 5905, RFC 8915)",
    .names = {.failed = "time.failed",
              .stopping = "time.stopping",
              .stopped = "time.stopped",
              .worker_failed = "time.worker_failed",
              .healthy = "nts_time_healthy",
              .workers = "nts_time_workers",
              .workers_alive = "nts_time_workers_alive"},
    .without_active_key = "clients get NTS NAK, or no fresh cookies",
    .settings = &time_settings_type,
    .report_size = sizeof(struct time_report),
    .syscalls = time_syscalls,
    .check = time_check,
    .open = time_open,
    .await_fit = time_await_fit,
    .bind = time_bind,
    .start = time_start,
    .log_ready = time_log_ready,
    .list_fds = time_list_fds,
    .take_events = time_take_events,
    .tick = time_tick,
    .reload = time_reload,
    .published = time_published,
    .count_held_off = time_count_held_off,
    .is_fit = time_is_fit,
    .report = time_report,
    .status_text = time_status_text,
    .log_counters = time_log_counters,
    .offer = time_offer,
    .close = time_close,
    .write_metrics = time_metrics_write,
    .judge = time_metrics_judge,
};

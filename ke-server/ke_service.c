#include "ke-server/ke_service.h"

#include "base/clock_time.h"
#include "crypto/boringssl.h"
#include "ke-server/ke_check.h"
#include "ke-server/ke_limits.h"
#include "ke-server/ke_state.h"
#include "ke-server/metrics/ke_metrics.h"
#include "log/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const struct ke_config *initial_config(const struct server_host *host)
{
    return &ke_settings_of(host->initial)->config;
}

/* --- the start --- */

static enum nts_status ke_open(struct server_host *host, struct error *error)
{
    struct ke_state *self = ke_state_of(host);
    const struct certificate_files *list;
    size_t num;
    enum nts_status status =
        ke_config_certificates(&list, &num, initial_config(host), host->config_path, error);
    if (status == NTS_OK) {
        status = certificate_service_open(&self->certificates, list, num, error);
    }
    if (status == NTS_OK) {
        certificate_service_log_loaded(&self->certificates);
        certificate_service_tick(&self->certificates);
    }
    return status;
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
        log_warning("descriptors.few", "limit=%zu needed=%zu advice=\"raise RLIMIT_NOFILE\"",
                    (size_t)limit.rlim_cur, num);
    }
}

static enum nts_status open_worker(struct server_host *host, size_t num, struct error *error)
{
    struct ke_state *self = ke_state_of(host);
    struct ke_worker *worker = &self->workers[self->num_workers];
    size_t number = self->num_workers++; /* from here on, ke_close cleans up */
    enum nts_status status = ke_worker_init(worker, number, host->workers.done_fd,
                                            listening_max(&self->listening), error);
    if (status != NTS_OK) {
        return status;
    }
    worker->max_connections = (size_t)initial_config(host)->max_connections;
    worker->gate = &host->gate;
    worker_group_add(&host->workers, &worker->worker);
    return listening_fill(worker, &self->listening, num, &host->pool, error);
}

/* What a new server may take over: the descriptors of all listeners, as they are at the start. */
static enum nts_status list_listeners(struct ke_state *self, struct error *error)
{
    size_t num = 0;
    for (size_t w = 0; w < self->num_workers; w++) {
        num += self->workers[w].num_listeners;
    }
    self->listen_fds = malloc(num * sizeof(*self->listen_fds));
    if (self->listen_fds == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    for (size_t w = 0; w < self->num_workers; w++) {
        for (size_t i = 0; i < self->workers[w].num_listeners; i++) {
            self->listen_fds[self->num_listen_fds++] = self->workers[w].listeners[i].fd;
        }
    }
    return NTS_OK;
}

static enum nts_status ke_bind(struct server_host *host, struct error *error)
{
    struct ke_state *self = ke_state_of(host);
    const struct ke_config *config = initial_config(host);
    size_t num = ke_num_workers(config);
    enum nts_status status =
        listening_open(&self->listening, &config->listen, num, &host->pool, error);
    if (status != NTS_OK) {
        return status;
    }
    raise_descriptor_limit(ke_descriptors_needed(config, listening_max(&self->listening)));
    status = worker_group_open(&host->workers, num, error);
    if (status != NTS_OK) {
        return status;
    }
    self->workers = calloc(num, sizeof(*self->workers));
    if (self->workers == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    for (size_t i = 0; status == NTS_OK && i < num; i++) {
        status = open_worker(host, num, error);
    }
    return status == NTS_OK ? list_listeners(self, error) : status;
}

static void ke_unprivileged(struct server_host *host)
{
    certificate_service_warn_if_unreadable(&ke_state_of(host)->certificates);
}

static enum nts_status ke_start(struct server_host *host, struct error *error)
{
    enum nts_status status = worker_group_start(&host->workers, error);
    return status == NTS_OK
               ? server_watch_start(&ke_state_of(host)->watch, ke_settings_of(host->settings),
                                    host->keyring.ring, error)
               : status;
}

static void ke_log_ready(const struct server_host *host)
{
    listening_log(&ke_state_of(host)->listening);
    log_info("ke.ready", "workers=%zu version=%s tls=\"%s\"", host->workers.num, NTS_VERSION,
             boringssl_version());
}

/* --- while it runs --- */

static size_t ke_list_fds(const struct server_host *host, int fds[HOST_MAX_FDS])
{
    fds[0] = certificate_service_fd(&ke_state_of(host)->certificates);
    return 1;
}

static void follow_certificates(struct server_host *host)
{
    struct certificate_service *certificates = &ke_state_of(host)->certificates;
    if (certificate_service_follow(certificates)) {
        server_host_publish(host);
        certificate_service_log_loaded(certificates);
    }
}

static void ke_tick(struct server_host *host)
{
    follow_certificates(host);
    certificate_service_tick(&ke_state_of(host)->certificates);
}

static struct snapshot *ke_extra(const struct server_host *host)
{
    return &ke_state_of(host)->certificates.contexts->snapshot;
}

/* All or nothing: a configuration counts only with the certificates that it names. */
static enum nts_status ke_reload(struct server_host *host, struct host_settings *fresh_host,
                                 struct error *error)
{
    struct ke_settings *fresh = ke_settings_of(fresh_host);
    const struct certificate_files *list;
    size_t num;
    enum nts_status status =
        ke_config_certificates(&list, &num, &fresh->config, host->config_path, error);
    if (status == NTS_OK) {
        status = certificate_service_reload(&ke_state_of(host)->certificates, list, num, error);
    }
    if (status == NTS_OK && fresh->config.watch.interval_s > 0) {
        time_servers_inherit(&fresh->time_servers, &ke_settings_of(host->settings)->time_servers);
    }
    return status;
}

static void ke_published(struct server_host *host)
{
    struct server_watch *watch = &ke_state_of(host)->watch;
    if (watch->is_running) {
        server_watch_publish(watch, ke_settings_of(host->settings), host->keyring.ring);
    }
}

static void ke_log_reloaded(struct server_host *host)
{
    certificate_service_log_loaded(&ke_state_of(host)->certificates);
}

static void ke_count_held_off(const struct server_host *host, uint64_t *over_budget,
                              uint64_t *refused)
{
    struct ke_sums sums;
    ke_sum(&sums, host);
    *over_budget = sums.values[KE_EVENT_LIMITED];
    *refused = sums.values[KE_EVENT_SOURCE_REFUSED];
}

static void ke_report(const struct server_host *host, struct host_report *report)
{
    const struct certificate_service *certificates = &ke_state_of(host)->certificates;
    struct ke_report *own = (struct ke_report *)report;
    report->transport = "io_uring";
    own->certificate_not_after_s = tls_contexts_first_not_after_s(certificates->contexts);
    memcpy(own->certificate_loads, certificates->loads, sizeof(own->certificate_loads));
}

static void ke_status_text(const struct server_host *host, char text[HOST_STATUS_TEXT])
{
    const struct keyring *ring = host->keyring.ring;
    const struct tls_contexts *contexts = ke_state_of(host)->certificates.contexts;
    int64_t now_s = real_time_ns() / NS_PER_S;
    snprintf(text, HOST_STATUS_TEXT,
             "Workers: %zu; certificates: %zu, %" PRId64 " days left; keyring: generation %" PRIu64
             "%s",
             host->workers.num, contexts->num,
             (tls_contexts_first_not_after_s(contexts) - now_s) / 86400, ring->generation,
             keyring_active_key(ring, now_s) != NULL ? "" : ", no active key");
}

static void ke_log_counters(const struct server_host *host)
{
    struct ke_sums sums;
    ke_sum(&sums, host);
    ke_counters_log(sums.values);
}

static void ke_log_status(const struct server_host *host)
{
    certificate_service_log_status(&ke_state_of(host)->certificates);
    server_watch_log_status(&ke_state_of(host)->watch);
}

static void ke_offer(const struct server_host *host, const int **fds, size_t *num)
{
    *fds = ke_state_of(host)->listen_fds;
    *num = ke_state_of(host)->num_listen_fds;
}

static void ke_released(struct server_host *host)
{
    struct ke_state *self = ke_state_of(host);
    for (size_t i = 0; i < self->num_workers; i++) {
        ke_worker_look_again(&self->workers[i]);
    }
}

static void ke_close(struct server_host *host)
{
    struct ke_state *self = ke_state_of(host);
    server_watch_close(&self->watch);
    for (size_t i = 0; i < self->num_workers; i++) {
        ke_worker_close(&self->workers[i]);
    }
    free(self->workers);
    free(self->listen_fds);
    listening_close(&self->listening);
    certificate_service_close(&self->certificates);
}

const struct server_type ke_server_type = {
    .name = "nts-ke-server",
    .purpose = "NTS key establishment (RFC 8915) for a farm of time servers",
    .names = {.failed = "ke.failed",
              .stopping = "ke.stopping",
              .stopped = "ke.stopped",
              .worker_failed = "ke.worker_failed",
              .healthy = "nts_ke_healthy",
              .workers = "nts_ke_workers",
              .workers_alive = "nts_ke_workers_alive"},
    .without_active_key = "clients get Error 2 and no cookies",
    .needs_active_key = true, /* every layout of a key can seal for the mandatory algorithm */
    .settings = &ke_settings_type,
    .report_size = sizeof(struct ke_report),
    .check = ke_check,
    .open = ke_open,
    .bind = ke_bind,
    .unprivileged = ke_unprivileged,
    .start = ke_start,
    .log_ready = ke_log_ready,
    .list_fds = ke_list_fds,
    .take_events = follow_certificates,
    .tick = ke_tick,
    .extra = ke_extra,
    .reload = ke_reload,
    .published = ke_published,
    .log_reloaded = ke_log_reloaded,
    .count_held_off = ke_count_held_off,
    .report = ke_report,
    .status_text = ke_status_text,
    .log_counters = ke_log_counters,
    .log_status = ke_log_status,
    .offer = ke_offer,
    .released = ke_released,
    .close = ke_close,
    .write_metrics = ke_metrics_write,
    .judge = ke_metrics_judge,
};

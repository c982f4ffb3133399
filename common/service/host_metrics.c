#include "service/host_metrics.h"

#include "service/service_metrics.h"

#include <string.h>

/* What a page is made of: the newest report, and the live state, both good until the next look. */
static const struct live_state *look(struct server_host *host)
{
    pthread_mutex_lock(&host->report_lock);
    memcpy(host->metrics_report, host->posted, host->type->report_size);
    pthread_mutex_unlock(&host->report_lock);
    return (const struct live_state *)snapshot_take(&host->metrics_live);
}

static void judge_as(struct health *health, struct server_host *host, const struct live_state *live)
{
    const struct host_report *report = host->metrics_report;
    if (host->type->judge != NULL) {
        host->type->judge(health, host, report, live);
    }
    service_health_keyring(health, &report->keyring);
    service_health_workers(health, report->num_workers, report->num_alive);
}

static void judge_host(struct health *health, void *context)
{
    struct server_host *host = context;
    judge_as(health, host, look(host));
}

static void write_page(struct metrics_page *page, void *context)
{
    struct server_host *host = context;
    struct health health = {0};
    const struct live_state *live = look(host);
    const struct host_report *report = host->metrics_report;
    const struct host_names *names = &host->type->names;
    judge_as(&health, host, live);
    service_metrics_build(page, report->transport, report->started_at_s);
    metrics_gauge(page, names->healthy, NULL, "1 if /healthz says that all is well",
                  health_is_good(&health) ? 1 : 0);
    metrics_gauge(page, names->workers, NULL, "Worker threads", (double)report->num_workers);
    metrics_gauge(page, names->workers_alive, NULL, "Worker threads that do not hang",
                  (double)report->num_alive);
    if (host->type->write_metrics != NULL) {
        host->type->write_metrics(page, host, report, live);
    }
    service_metrics_keyring(page, &report->keyring);
}

enum nts_status host_metrics_start(struct server_host *host, struct error *error)
{
    const struct metrics_source source = {
        .write = write_page, .judge = judge_host, .context = host};
    return metrics_server_start(&host->metrics, &source, error);
}

void host_metrics_post(struct server_host *host)
{
    pthread_mutex_lock(&host->report_lock);
    memcpy(host->posted, host->draft, host->type->report_size);
    pthread_mutex_unlock(&host->report_lock);
}

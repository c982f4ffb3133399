#include "time-server/metrics/time_metrics.h"

#include "base/clock_time.h"
#include "log/log.h"
#include "time-server/config/time_settings.h"
#include "time-server/time_state.h"

#define LABEL_ONLY(name, label, ...) label,

static const char *const event_labels[] = {ANSWER_EVENT_TABLE(LABEL_ONLY)};
static const char *const age_labels[] = {KEY_AGE_TABLE(LABEL_ONLY)};

void time_sums_log(const struct time_sums *sums)
{
    const char *transport_labels[TRANSPORT_MAX_COUNTERS];
    for (size_t i = 0; i < sums->transport.num; i++) {
        transport_labels[i] = sums->transport.rows[i].label;
    }
    log_counters("counters.answers", event_labels, sums->events, ANSWER_NUM_EVENTS);
    log_counters("counters.causes", answer_causes.labels, sums->by_cause, answer_causes.num);
    log_counters("counters.cookies_opened", age_labels, sums->opened_by_age, KEY_NUM_AGES);
    log_counters("counters.transport", transport_labels, sums->transport.values,
                 sums->transport.num);
}

static void write_batch_sizes(struct metrics_page *page, const struct time_sums *sums)
{
    double bounds[ANSWER_NUM_BATCH_SIZES];
    for (size_t i = 0; i < ANSWER_NUM_BATCH_SIZES; i++) {
        bounds[i] = (double)(1u << i);
    }
    metrics_family(page, &(struct metric_family){"nts_time_batch_size", METRIC_HISTOGRAM, NULL,
                                                 "Datagrams answered in one go"});
    metrics_histogram(page, METRIC_NO_LABELS,
                      &(struct metric_histogram){bounds, sums->batch_sizes, ANSWER_NUM_BATCH_SIZES,
                                                 (double)sums->events[ANSWER_REQUESTS]});
}

static void write_counters(struct metrics_page *page, const struct time_sums *sums,
                           const struct time_report *report)
{
    static const struct metric_row events[] = {ANSWER_EVENT_TABLE(METRIC_ROW)};
    const char *aeads[AEAD_NUM_ALGORITHMS];
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        aeads[i] = aead_at(i)->name;
    }
    metrics_counters(page, "nts_time", events, sums->events, ANSWER_NUM_EVENTS);
    metrics_counters_by_status(
        page,
        &(struct metric_split){"nts_time_refused",
                               "Requests that got silence or an NTS NAK, by cause", "cause"},
        &answer_causes, sums->by_cause);
    metrics_counters_by(
        page,
        &(struct metric_split){"nts_time_cookies_opened",
                               "Cookies opened, by how their master key stands to the active one",
                               "key_age"},
        age_labels, sums->opened_by_age, KEY_NUM_AGES);
    metrics_counters_by(
        page,
        &(struct metric_split){"nts_time_aead_answers", "NTS answers, by AEAD algorithm", "aead"},
        aeads, sums->answered_by_aead, AEAD_NUM_ALGORITHMS);
    write_batch_sizes(page, sums);
    metrics_counters(page, "nts_time_transport", sums->transport.rows, sums->transport.values,
                     sums->transport.num);
    const uint64_t fallbacks = report->has_fallen_back ? 1 : 0;
    static const struct metric_row fallback = {
        "fallbacks", "1 if system calls took the place of a forbidden io_uring"};
    metrics_counters(page, "nts_time_transport", &fallback, &fallbacks, 1);
}

#define SECONDS(ns) ((double)(ns) / (double)NS_PER_S)

static void write_clock(struct metrics_page *page, const struct server_host *host,
                        const struct time_settings *settings)
{
    struct clock_status status;
    int64_t now_ns = real_time_ns();
    clock_board_read(&time_state_of(host)->clock_board, &status);
    bool is_fit = clock_is_fit(&status, &settings->clock_limits, now_ns);
    int64_t dispersion_ns = clock_root_dispersion_ns(&status, now_ns);
    metrics_gauge(page, "nts_time_clock_fit", NULL, "1 if good time is claimed", is_fit ? 1 : 0);
    metrics_gauge(page, "nts_time_clock_stratum", NULL,
                  "Stratum as the clock source has it; told to clients while the clock is fit",
                  status.stratum);
    metrics_gauge(page, "nts_time_clock_leap", NULL,
                  "Leap indicator: 0 none, 1 insert, 2 delete a second, 3 unsynchronised",
                  status.leap);
    metrics_gauge(page, "nts_time_clock_root_delay_seconds", "seconds",
                  "Round trip to the reference clock", SECONDS(status.root_delay_ns));
    metrics_gauge(page, "nts_time_clock_root_dispersion_seconds", "seconds",
                  "Dispersion to the reference clock, grown since the last update",
                  SECONDS(dispersion_ns));
    metrics_gauge(page, "nts_time_clock_root_distance_seconds", "seconds",
                  "Half the root delay plus the root dispersion",
                  SECONDS(status.root_delay_ns) / 2 + SECONDS(dispersion_ns));

    metrics_family(page, &(struct metric_family){"nts_time_clock_update_age_seconds", METRIC_GAUGE,
                                                 "seconds",
                                                 "Time since the clock source last vouched for "
                                                 "the clock; absent: never"});
    if (status.updated_at_ns != 0) {
        metrics_value(page, METRIC_NO_LABELS, SECONDS(now_ns - status.updated_at_ns));
    }
    metrics_family(page,
                   &(struct metric_family){"nts_time_clock_offset_seconds", METRIC_GAUGE, "seconds",
                                           "Offset of the upstream server's clock to this "
                                           "host's, as last measured; absent: none is"});
    if (settings->config.clock.source == CLOCK_UPSTREAM && status.stratum != 0) {
        metrics_value(page, METRIC_NO_LABELS, SECONDS(status.offset_ns));
    }
}

void time_metrics_judge(struct health *health, const struct server_host *host,
                        const struct host_report *report, const struct live_state *live)
{
    struct clock_status status;
    (void)report;
    clock_board_read(&time_state_of(host)->clock_board, &status);
    const char *trouble =
        clock_trouble(&status, &time_settings_of(live->settings)->clock_limits, real_time_ns());
    if (trouble != NULL) {
        health_add(health, "clock: %s", trouble);
    }
}

void time_metrics_write(struct metrics_page *page, const struct server_host *host,
                        const struct host_report *report, const struct live_state *live)
{
    struct time_sums sums;
    time_workers_sum(&time_state_of(host)->workers, &sums);
    write_counters(page, &sums, (const struct time_report *)report);
    write_clock(page, host, time_settings_of(live->settings));
}

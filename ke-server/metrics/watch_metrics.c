#include "ke-server/metrics/watch_metrics.h"

#include "base/clock_time.h"

static double addresses(const struct watch_report *report)
{
    return (double)report->num_addresses;
}

static double addresses_up(const struct watch_report *report)
{
    return (double)report->num_up;
}

static double missing_keys(const struct watch_report *report)
{
    return (double)report->num_missing_keys;
}

static double round_trip_s(const struct watch_report *report)
{
    return (double)report->sample.delay_ns / (double)NS_PER_S;
}

static double offset_s(const struct watch_report *report)
{
    return (double)report->sample.offset_ns / (double)NS_PER_S;
}

struct gauge {
    struct metric_family family;
    double (*value)(const struct watch_report *report);
    bool needs_sample;
};

static const struct gauge gauges[] = {
    {{"nts_ke_time_server_addresses", METRIC_GAUGE, NULL, "Addresses of the time server"},
     addresses,
     false},
    {{"nts_ke_time_server_addresses_up", METRIC_GAUGE, NULL,
      "Addresses of the time server that answer as they should"},
     addresses_up,
     false},
    {{"nts_ke_time_server_missing_keys", METRIC_GAUGE, NULL,
      "Live master keys that an address of the time server answers with an NTS NAK"},
     missing_keys,
     false},
    {{"nts_ke_time_server_round_trip_seconds", METRIC_GAUGE, "seconds",
      "Round trip of the last answer"},
     round_trip_s,
     true},
    {{"nts_ke_time_server_offset_seconds", METRIC_GAUGE, "seconds",
      "Time of the last answer less this host's"},
     offset_s,
     true},
};

static void write_gauge(struct metrics_page *page, struct server_watch *watch,
                        const struct gauge *gauge)
{
    struct watch_report report;
    metrics_family(page, &gauge->family);
    for (size_t i = 0; server_watch_report(watch, i, &report); i++) {
        char server[TIME_SERVER_TEXT_LEN];
        time_server_format(server, report.name, report.port);
        if (report.has_sample || !gauge->needs_sample) {
            metrics_value(page, METRIC_LABELS({"server", server}), gauge->value(&report));
        }
    }
}

void watch_metrics_write(struct metrics_page *page, struct server_watch *watch)
{
    struct watch_report report;
    for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
        write_gauge(page, watch, &gauges[i]);
    }
    metrics_family(page,
                   &(struct metric_family){"nts_ke_time_server_rounds", METRIC_COUNTER, NULL,
                                           "Requests to the time server, with those sent again in "
                                           "place of one lost, by what came of them"});
    for (size_t i = 0; server_watch_report(watch, i, &report); i++) {
        char server[TIME_SERVER_TEXT_LEN];
        time_server_format(server, report.name, report.port);
        for (size_t outcome = 0; outcome < WATCH_NUM_OUTCOMES; outcome++) {
            metrics_count(
                page,
                METRIC_LABELS({"server", server},
                              {"result", watch_outcome_label((enum watch_outcome)outcome)}),
                report.num_rounds[outcome]);
        }
    }
}

#include "metrics/health.h"
#include "metrics/metrics_text.h"
#include "process/heartbeat.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

static const struct metric_family waits = {"nts_wait_seconds", METRIC_COUNTER, "seconds",
                                           "time \\ lost\nto \"waits\""};

/* assert_page ends the page and fails the test unless it is `expected`. */
static void assert_page(struct metrics_page *page, const char *expected)
{
    cr_assert_eq(metrics_page_end(page), NTS_OK);
    cr_assert_eq(page->len, strlen(expected), "%.*s", (int)page->len, page->data);
    cr_assert_eq(memcmp(page->data, expected, page->len), 0, "%.*s", (int)page->len, page->data);
    metrics_page_free(page);
}

static void assert_fails(struct metrics_page *page, enum nts_status status)
{
    cr_assert_eq(metrics_page_end(page), status);
    metrics_page_free(page);
}

static void write_waits(struct metrics_page *page)
{
    metrics_family(page, &waits);
    metrics_value(page, METRIC_LABELS({"who", "a\\b\"c\nd"}, {"why", ""}), 0.5);
}

Test(metrics_text, prometheus_names_a_counter_with_its_suffix_and_escapes)
{
    struct metrics_page page;
    metrics_page_init(&page, METRICS_PROMETHEUS);
    write_waits(&page);
    assert_page(&page, "# HELP nts_wait_seconds_total Time \\\\ lost\\nto \"waits\"\n"
                       "# TYPE nts_wait_seconds_total counter\n"
                       "nts_wait_seconds_total{who=\"a\\\\b\\\"c\\nd\",why=\"\"} 0.5\n");
}

Test(metrics_text, openmetrics_names_the_family_without_suffix_and_has_unit_and_end)
{
    struct metrics_page page;
    metrics_page_init(&page, METRICS_OPENMETRICS);
    write_waits(&page);
    assert_page(&page, "# HELP nts_wait_seconds Time \\\\ lost\\nto \\\"waits\\\"\n"
                       "# TYPE nts_wait_seconds counter\n"
                       "# UNIT nts_wait_seconds seconds\n"
                       "nts_wait_seconds_total{who=\"a\\\\b\\\"c\\nd\",why=\"\"} 0.5\n"
                       "# EOF\n");
}

Test(metrics_text, info_is_a_gauge_where_the_format_has_none)
{
    static const struct metric_family build = {"nts_build", METRIC_INFO, NULL, "What runs"};
    struct metrics_page page;
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_family(&page, &build);
    metrics_count(&page, METRIC_LABELS({"version", "1"}), 1);
    assert_page(&page, "# HELP nts_build_info What runs\n# TYPE nts_build_info gauge\n"
                       "nts_build_info{version=\"1\"} 1\n");
    metrics_page_init(&page, METRICS_OPENMETRICS);
    metrics_family(&page, &build);
    metrics_count(&page, METRIC_LABELS({"version", "1"}), 1);
    assert_page(&page, "# HELP nts_build What runs\n# TYPE nts_build info\n"
                       "nts_build_info{version=\"1\"} 1\n# EOF\n");
}

Test(metrics_text, histogram_is_cumulative_and_its_bounds_are_floats)
{
    static const double bounds[] = {0.0005, 1, 1e20};
    static const uint64_t counts[] = {2, 0, 3, 4};
    struct metrics_page page;
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_family(&page, &(struct metric_family){"nts_x", METRIC_HISTOGRAM, NULL, "X"});
    metrics_histogram(&page, METRIC_LABELS({"a", "b"}),
                      &(struct metric_histogram){bounds, counts, 3, 7.25});
    assert_page(&page, "# HELP nts_x X\n# TYPE nts_x histogram\n"
                       "nts_x_bucket{a=\"b\",le=\"0.0005\"} 2\n"
                       "nts_x_bucket{a=\"b\",le=\"1.0\"} 2\n"
                       "nts_x_bucket{a=\"b\",le=\"1e+20\"} 5\n"
                       "nts_x_bucket{a=\"b\",le=\"+Inf\"} 9\n"
                       "nts_x_count{a=\"b\"} 9\n"
                       "nts_x_sum{a=\"b\"} 7.25\n");
}

Test(metrics_text, numbers_are_exact)
{
    struct metrics_page page;
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_family(&page, &(struct metric_family){"x", METRIC_GAUGE, NULL, "X"});
    metrics_count(&page, METRIC_NO_LABELS, UINT64_MAX);
    metrics_value(&page, METRIC_NO_LABELS, 0.1);
    metrics_value(&page, METRIC_NO_LABELS, 0.1 + 0.2);
    metrics_value(&page, METRIC_NO_LABELS, 1795352584);
    metrics_value(&page, METRIC_NO_LABELS, -INFINITY);
    metrics_value(&page, METRIC_NO_LABELS, NAN);
    assert_page(&page, "# HELP x X\n# TYPE x gauge\nx 18446744073709551615\nx 0.1\n"
                       "x 0.30000000000000004\nx 1795352584\nx -Inf\nx NaN\n");
}

Test(metrics_text, tables_become_families_and_labels)
{
    static const struct metric_row rows[] = {{"sent", "what was sent"}, {"lost", "what was not"}};
    static const char *const labels[] = {"old", "new"};
    static const uint64_t values[] = {7, 8};
    struct metrics_page page;
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_counters(&page, "nts", rows, values, 2);
    metrics_counters_by(&page, &(struct metric_split){"nts_keys", "Keys", "age"}, labels, values,
                        2);
    metrics_gauge(&page, "nts_age_seconds", "seconds", "Age", 3);
    assert_page(&page, "# HELP nts_sent_total What was sent\n# TYPE nts_sent_total counter\n"
                       "nts_sent_total 7\n"
                       "# HELP nts_lost_total What was not\n# TYPE nts_lost_total counter\n"
                       "nts_lost_total 8\n"
                       "# HELP nts_keys_total Keys\n# TYPE nts_keys_total counter\n"
                       "nts_keys_total{age=\"old\"} 7\nnts_keys_total{age=\"new\"} 8\n"
                       "# HELP nts_age_seconds Age\n# TYPE nts_age_seconds gauge\n"
                       "nts_age_seconds 3\n");
}

Test(metrics_text, each_status_of_a_set_has_a_sample_and_no_other)
{
    static const char *const labels[] = {"forged", "internal"};
    static const uint8_t places[NTS_NUM_STATUS] = {[NTS_ERR_FORGED] = 1, [NTS_ERR_INTERNAL] = 2};
    static const struct status_set set = {2, labels, places};
    uint64_t values[2] = {0};
    values[status_place(&set, NTS_ERR_FORGED)] = 2;
    struct metrics_page page;
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_counters_by_status(&page, &(struct metric_split){"x", "X", "cause"}, &set, values);
    cr_assert_eq(metrics_page_end(&page), NTS_OK);
    char *text = strndup(page.data, page.len);
    cr_assert_not_null(strstr(text, "x_total{cause=\"forged\"} 2\n"));
    cr_assert_not_null(strstr(text, "x_total{cause=\"internal\"} 0\n"));
    cr_assert_null(strstr(text, "\"ok\""));
    cr_assert_null(strstr(text, "too_short"));
    free(text);
    metrics_page_free(&page);
}

Test(metrics_text, rejects_families_that_the_formats_forbid)
{
    static const struct metric_family bad[] = {
        {"", METRIC_GAUGE, NULL, "X"},
        {"9x", METRIC_GAUGE, NULL, "X"},
        {"x-y", METRIC_GAUGE, NULL, "X"},
        {"X", METRIC_GAUGE, NULL, "X"},
        {"x_total", METRIC_COUNTER, NULL, "X"},
        {"x_info", METRIC_INFO, NULL, "X"},
        {"x_bucket", METRIC_HISTOGRAM, NULL, "X"},
        {"x", METRIC_GAUGE, "seconds", "X"},
        {"xseconds", METRIC_GAUGE, "seconds", "X"},
        {"x_seconds", METRIC_INFO, "seconds", "X"},
        {"x", METRIC_GAUGE, NULL, ""},
    };
    struct metrics_page page;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        metrics_page_init(&page, METRICS_PROMETHEUS);
        metrics_family(&page, &bad[i]);
        assert_fails(&page, NTS_ERR_INTERNAL);
    }
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_family(&page, &(struct metric_family){"x_9_seconds", METRIC_GAUGE, "seconds", "X"});
    cr_assert_eq(metrics_page_end(&page), NTS_OK);
    metrics_page_free(&page);
}

Test(metrics_text, rejects_samples_that_do_not_suit_the_family)
{
    static const struct metric_family histogram = {"x", METRIC_HISTOGRAM, NULL, "X"};
    static const struct metric_family gauge = {"x", METRIC_GAUGE, NULL, "X"};
    static const uint64_t counts[] = {1};
    struct metrics_page page;
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_count(&page, METRIC_NO_LABELS, 1); /* of which family? */
    assert_fails(&page, NTS_ERR_INTERNAL);
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_family(&page, &histogram);
    metrics_count(&page, METRIC_NO_LABELS, 1);
    assert_fails(&page, NTS_ERR_INTERNAL);
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_family(&page, &gauge);
    metrics_histogram(&page, METRIC_NO_LABELS, &(struct metric_histogram){NULL, counts, 0, 0});
    assert_fails(&page, NTS_ERR_INTERNAL);
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_family(&page, &gauge);
    metrics_count(&page, METRIC_LABELS({"bad name", "x"}), 1);
    assert_fails(&page, NTS_ERR_INTERNAL);
}

Test(metrics_text, page_is_bounded)
{
    static char long_help[METRICS_PAGE_MAX_LEN];
    struct metrics_page page;
    memset(long_help, 'x', sizeof(long_help) - 1);
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_gauge(&page, "x", NULL, long_help, 1);
    assert_fails(&page, NTS_ERR_NO_SPACE);
    long_help[sizeof(long_help) - 100] = '\0';
    metrics_page_init(&page, METRICS_PROMETHEUS);
    metrics_gauge(&page, "x", NULL, long_help, 1);
    assert_fails(&page, NTS_OK);
}

Test(metrics_text, openmetrics_is_for_who_asks_for_it)
{
    static const struct {
        const char *accept;
        enum metrics_format format;
    } cases[] = {
        {NULL, METRICS_PROMETHEUS},
        {"", METRICS_PROMETHEUS},
        {"*/*", METRICS_PROMETHEUS},
        {"text/html, text/plain;q=0.9", METRICS_PROMETHEUS},
        {"application/openmetrics-text", METRICS_OPENMETRICS},
        {"Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", METRICS_OPENMETRICS},
        {"application/openmetrics-texts", METRICS_PROMETHEUS},
        {"xapplication/openmetrics-text", METRICS_PROMETHEUS},
        {"application/openmetrics-text;q=0", METRICS_PROMETHEUS},
        {"text/plain;q=0.9,application/openmetrics-text;q=0.8", METRICS_PROMETHEUS},
        {"text/plain;q=0.8 , application/openmetrics-text ; q=0.8", METRICS_OPENMETRICS},
        /* Prometheus 2.42's */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
         "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         METRICS_OPENMETRICS},
        {",,;,;q=", METRICS_PROMETHEUS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(metrics_format_choose(cases[i].accept), cases[i].format, "%s",
                     cases[i].accept);
    }
}

Test(health, has_one_reason_per_line_and_is_bounded)
{
    struct health health = {0};
    cr_assert(health_is_good(&health));
    health_add(&health, "clock: %s", "gone");
    health_add(&health, "keyring: none");
    cr_assert_str_eq(health.reasons, "clock: gone\nkeyring: none\n");
    cr_assert_not(health_is_good(&health));
    char longest[sizeof(health.reasons)];
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    health_add(&health, "%s", longest);
    cr_assert_str_eq(health.reasons, "clock: gone\nkeyring: none\n",
                     "a reason is whole or not there");
}

Test(heartbeat, worker_that_does_not_turn_in_time_hangs)
{
    struct heartbeat heartbeat = {0};
    int64_t now_ns = 1000 * NS_PER_S;
    cr_assert(heartbeat_look(&heartbeat, now_ns, HEARTBEAT_PATIENCE_NS), "it has just started");
    cr_assert(
        heartbeat_look(&heartbeat, now_ns + HEARTBEAT_PATIENCE_NS - 1, HEARTBEAT_PATIENCE_NS));
    cr_assert_not(
        heartbeat_look(&heartbeat, now_ns + HEARTBEAT_PATIENCE_NS, HEARTBEAT_PATIENCE_NS));
    heartbeat_turn(&heartbeat);
    cr_assert(heartbeat_look(&heartbeat, now_ns + 2 * HEARTBEAT_PATIENCE_NS, HEARTBEAT_PATIENCE_NS),
              "it is back");
    cr_assert_not(
        heartbeat_look(&heartbeat, now_ns + 3 * HEARTBEAT_PATIENCE_NS, HEARTBEAT_PATIENCE_NS));
}

#include "load/load_report.h"

#include "base/clock_time.h"
#include "crypto/aead.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* A generator that has less time to spare is the limit. */
#define MIN_IDLE_SHARE 0.03

const char *load_report_limit(const struct load_report *report)
{
    const struct load_options *options = report->options;
    const struct load_result *result = &report->result;
    if (load_result_fell_short(result) ||
        (result->wanted_rate <= 0 && load_result_idle_share(result) < MIN_IDLE_SHARE)) {
        return "generator";
    }
    bool has_lost = load_result_loss(result) > options->loss;
    return has_lost || result->wanted_rate <= 0 || report->is_ramp_over ? "server" : "none";
}

/* --- text --- */

static const char *protocol_of(const struct load_options *options)
{
    switch (options->mode) {
    case LOAD_TIME:
        return options->plain ? "ntp" : "nts";
    case LOAD_KE:
        return "nts-ke";
    default:
        return "echo";
    }
}

static bool has_aead(const struct load_options *options)
{
    return options->mode == LOAD_KE || (options->mode == LOAD_TIME && !options->plain);
}

static void print_row(const char *name, uint64_t num, uint64_t of)
{
    if (of > 0) {
        printf("  %-20s %12" PRIu64 "  %8.3f %%\n", name, num, (double)num * 100 / (double)of);
    } else {
        printf("  %-20s %12" PRIu64 "\n", name, num);
    }
}

static void print_counts(const struct load_result *result)
{
    uint64_t num_sent = load_result_sent(result, false);
    print_row("sent", num_sent, 0);
    for (size_t i = 0; i < NUM_LOAD_OUTCOMES; i++) {
        print_row(load_outcome_name((enum load_outcome)i),
                  load_result_sum(result, (enum load_outcome)i), num_sent);
    }
    print_row("unexpected", result->unexpected, 0);
    print_row("late", result->late, 0);
    print_row("verified", result->verified, 0);
    print_row("renewed", result->renewed, 0);
    print_row("send_errors", result->send_errors, 0);
    for (size_t i = 0; i < NUM_REQUEST_KINDS; i++) {
        const struct load_kind_counts *kind = &result->kinds[i];
        if (kind->sent > 0 && kind->sent < num_sent) {
            printf("  %-20s sent %" PRIu64 ", answered %" PRIu64 ", nak %" PRIu64 ", lost %" PRIu64
                   "\n",
                   request_kind_name((enum request_kind)i), kind->sent,
                   kind->outcomes[OUTCOME_ANSWERED], kind->outcomes[OUTCOME_NAKED],
                   kind->outcomes[OUTCOME_LOST]);
        }
    }
    if (result->first_failure[0] != '\0') {
        printf("  first failure: %s\n", result->first_failure);
    }
}

static void print_latency(const struct histogram *latency)
{
    static const double percents[] = {50, 90, 99, 99.9, 99.99};
    printf("\nlatency, us: min %.1f", (double)latency->min_ns / 1e3);
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        printf(", %g %% %.1f", percents[i],
               (double)histogram_percentile(latency, percents[i]) / 1e3);
    }
    printf(", max %.1f\n", (double)latency->max_ns / 1e3);
}

static void print_cpu(const struct load_report *report)
{
    const struct load_result *result = &report->result;
    uint64_t num_sent = load_result_sent(result, false);
    double cpu_s = result->cpu_user_s + result->cpu_system_s;
    printf("generator: %.0f %% of a CPU (user %.2f s, system %.2f s), %.2f us a request, idle "
           "%.0f %% of the time, latest request %.3f ms late; limited by: %s\n",
           load_result_cpu_share(result) * 100, result->cpu_user_s, result->cpu_system_s,
           num_sent > 0 ? cpu_s * 1e6 / (double)num_sent : 0, load_result_idle_share(result) * 100,
           (double)result->max_delay_ns / (double)NS_PER_MS, load_report_limit(report));
}

static void print_steps(const struct load_report *report)
{
    printf("\n%12s %12s %9s %12s %12s\n", "rate", "answered", "lost %", "median us", "99 % us");
    for (size_t i = 0; i < report->num_points; i++) {
        const struct plot_point *point = &report->points[i];
        printf("%12.0f %12.0f %9.3f %12.1f %12.1f  %s\n", point->wanted_rate, point->answer_rate,
               point->loss * 100, (double)point->p50_ns / 1e3, (double)point->p99_ns / 1e3,
               point->passed       ? "passed"
               : point->fell_short ? "generator too slow"
                                   : "failed");
    }
    if (report->best_rate > 0) {
        printf("\nhighest rate with at most %g %% lost: %.0f/s%s\n", report->options->loss * 100,
               report->best_rate, report->is_ramp_over ? "" : " (the search did not end)");
    } else {
        printf("\nno rate with at most %g %% lost was found\n", report->options->loss * 100);
    }
}

void load_report_print_text(const struct load_report *report)
{
    const struct load_options *options = report->options;
    const struct load_result *result = &report->result;
    printf("nts-load %s %s, %s", load_mode_name(options->mode), report->target,
           protocol_of(options));
    if (has_aead(options)) {
        printf(", AEAD %u", options->aead);
    }
    if (report->request_len > 0) {
        printf(", %zu octets", report->request_len);
    }
    if (options->mode != LOAD_KE) {
        printf(", %zu clients (%zu ports, %zu addresses)", options->clients, options->sockets,
               report->num_addresses);
    }
    if (options->ramp) {
        printf(", ramp");
        print_steps(report);
        printf("\nat %s:\n", report->best_rate > 0 ? "that rate" : "the last rate");
    } else if (result->wanted_rate > 0) {
        printf(", open loop, %g a second\n\n", result->wanted_rate);
    } else {
        printf(", closed loop, %zu at a time\n\n",
               options->mode == LOAD_KE ? options->concurrency : options->window);
    }
    print_counts(result);
    printf("\nrate: sent %.0f/s, answered %.0f/s, lost %.3f %%, in %.2f s%s\n",
           load_result_sent_rate(result), load_result_answer_rate(result),
           load_result_loss(result) * 100, (double)result->elapsed_ns / (double)NS_PER_S,
           result->is_interrupted ? ", stopped by a signal" : "");
    if (result->latency.num > 0) {
        print_latency(&result->latency);
    }
    print_cpu(report);
}

/* --- JSON --- */

static json_t *integer(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *seconds_of_ns(int64_t ns)
{
    return json_real((double)ns / (double)NS_PER_S);
}

static json_t *outcomes_json(const struct load_result *result, size_t kind)
{
    const struct load_kind_counts *counts = &result->kinds[kind];
    json_t *object = json_object();
    json_object_set_new(object, "sent", integer(counts->sent));
    for (size_t i = 0; i < NUM_LOAD_OUTCOMES; i++) {
        json_object_set_new(object, load_outcome_name((enum load_outcome)i),
                            integer(counts->outcomes[i]));
    }
    return object;
}

static void add_counts(json_t *root, const struct load_result *result)
{
    json_t *kinds = json_object();
    json_object_set_new(root, "sent", integer(load_result_sent(result, false)));
    for (size_t i = 0; i < NUM_LOAD_OUTCOMES; i++) {
        enum load_outcome outcome = (enum load_outcome)i;
        json_object_set_new(root, load_outcome_name(outcome),
                            integer(load_result_sum(result, outcome)));
    }
    json_object_set_new(root, "late", integer(result->late));
    json_object_set_new(root, "unexpected", integer(result->unexpected));
    json_object_set_new(root, "verified", integer(result->verified));
    json_object_set_new(root, "renewed", integer(result->renewed));
    json_object_set_new(root, "send_errors", integer(result->send_errors));
    for (size_t i = 0; i < NUM_REQUEST_KINDS; i++) {
        if (result->kinds[i].sent > 0) {
            json_object_set_new(kinds, request_kind_name((enum request_kind)i),
                                outcomes_json(result, i));
        }
    }
    json_object_set_new(root, "kinds", kinds);
    json_object_set_new(root, "first_failure",
                        result->first_failure[0] != '\0' ? json_string(result->first_failure)
                                                         : json_null());
}

static json_t *latency_json(const struct histogram *latency)
{
    static const struct {
        const char *name;
        double percent;
    } rows[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99_9", 99.9}, {"p99_99", 99.99}};
    if (latency->num == 0) {
        return json_null();
    }
    json_t *object = json_pack("{s:o, s:f}", "min", seconds_of_ns(latency->min_ns), "mean",
                               histogram_mean_ns(latency) / (double)NS_PER_S);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_object_set_new(object, rows[i].name,
                            seconds_of_ns(histogram_percentile(latency, rows[i].percent)));
    }
    json_object_set_new(object, "max", seconds_of_ns(latency->max_ns));
    return object;
}

static json_t *load_json(const struct load_report *report)
{
    const struct load_options *options = report->options;
    const struct load_result *result = &report->result;
    bool is_open = result->wanted_rate > 0 || options->rate > 0;
    json_t *object = json_pack("{s:s}", "loop",
                               options->ramp ? "ramp"
                               : is_open     ? "open"
                                             : "closed");
    json_object_set_new(object, "rate", is_open ? json_real(result->wanted_rate) : json_null());
    if (options->mode == LOAD_KE) {
        json_object_set_new(object, "concurrency", integer(options->concurrency));
        json_object_set_new(object, "light", json_boolean(options->light));
    } else {
        json_object_set_new(object, "window", is_open ? json_null() : integer(options->window));
        json_object_set_new(object, "clients", integer(options->clients));
        json_object_set_new(object, "sockets", integer(options->sockets));
        json_object_set_new(object, "addresses", integer(report->num_addresses));
        json_object_set_new(object, "requests", integer(report->num_requests));
        json_object_set_new(object, "segments", integer(options->segments));
    }
    json_object_set_new(object, "timeout_s", json_real(options->timeout_s));
    return object;
}

static json_t *cpu_json(const struct load_result *result)
{
    uint64_t num_sent = load_result_sent(result, false);
    double cpu_s = result->cpu_user_s + result->cpu_system_s;
    return json_pack("{s:f, s:f, s:f, s:f, s:f}", "user_s", result->cpu_user_s, "system_s",
                     result->cpu_system_s, "share", load_result_cpu_share(result), "idle_share",
                     load_result_idle_share(result), "per_request_us",
                     num_sent > 0 ? cpu_s * 1e6 / (double)num_sent : 0);
}

static json_t *ramp_json(const struct load_report *report)
{
    if (!report->options->ramp) {
        return json_null();
    }
    json_t *steps = json_array();
    for (size_t i = 0; i < report->num_points; i++) {
        const struct plot_point *point = &report->points[i];
        json_array_append_new(
            steps, json_pack("{s:f, s:f, s:f, s:f, s:o, s:o, s:b, s:b}", "rate", point->wanted_rate,
                             "sent_rate", point->sent_rate, "answer_rate", point->answer_rate,
                             "loss", point->loss, "p50", seconds_of_ns(point->p50_ns), "p99",
                             seconds_of_ns(point->p99_ns), "passed", (int)point->passed,
                             "generator_too_slow", (int)point->fell_short));
    }
    return json_pack("{s:o, s:b, s:f, s:o}", "best_rate",
                     report->best_rate > 0 ? json_real(report->best_rate) : json_null(), "complete",
                     (int)report->is_ramp_over, "max_loss", report->options->loss, "steps", steps);
}

void load_report_print_json(const struct load_report *report)
{
    const struct load_options *options = report->options;
    const struct load_result *result = &report->result;
    json_t *root = json_pack("{s:s, s:s, s:s, s:s}", "schema", "nts-load/1", "mode",
                             load_mode_name(options->mode), "target", report->target, "protocol",
                             protocol_of(options));
    json_object_set_new(root, "aead",
                        has_aead(options) ? json_integer(options->aead) : json_null());
    json_object_set_new(root, "request_octets",
                        report->request_len > 0 ? integer(report->request_len) : json_null());
    json_object_set_new(root, "load", load_json(report));
    add_counts(root, result);
    json_object_set_new(root, "loss", json_real(load_result_loss(result)));
    json_object_set_new(root, "rate",
                        json_pack("{s:f, s:f}", "sent", load_result_sent_rate(result), "answered",
                                  load_result_answer_rate(result)));
    json_object_set_new(root, "latency_s", latency_json(&result->latency));
    json_object_set_new(root, "elapsed_s", seconds_of_ns(result->elapsed_ns));
    json_object_set_new(root, "sending_s", seconds_of_ns(result->sending_ns));
    json_object_set_new(root, "max_delay_s", seconds_of_ns(result->max_delay_ns));
    json_object_set_new(root, "cpu", cpu_json(result));
    json_object_set_new(root, "limited_by", json_string(load_report_limit(report)));
    json_object_set_new(root, "ramp", ramp_json(report));
    json_object_set_new(root, "interrupted", json_boolean(result->is_interrupted));
    json_object_set_new(root, "clean", json_boolean(load_result_is_clean(result)));
    if (json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) != 0) {
        fputs("nts-load: the result is no JSON\n", stderr);
    }
    putchar('\n');
    json_decref(root);
}

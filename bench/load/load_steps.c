#include "load/load_steps.h"

#include "load/ramp.h"
#include "load/run_control.h"

#include <string.h>

#define RAMP_PRECISION 0.02

static struct plot_point point_of(const struct load_result *result,
                                  const struct load_options *options)
{
    struct plot_point point = {
        .wanted_rate = result->wanted_rate,
        .sent_rate = load_result_sent_rate(result),
        .answer_rate = load_result_answer_rate(result),
        .loss = load_result_loss(result),
        .p50_ns = histogram_percentile(&result->latency, 50),
        .p99_ns = histogram_percentile(&result->latency, 99),
        .fell_short = load_result_fell_short(result),
    };
    point.passed = point.loss <= options->loss && load_result_kept_pace(result);
    return point;
}

static void show_step(const struct load_options *options, const struct plot_point *point)
{
    if (options->progress) {
        fprintf(stderr, "%10.0f/s  answered %10.0f/s  lost %6.2f %%  median %8.1f us  %s\n",
                point->wanted_rate, point->answer_rate, point->loss * 100,
                (double)point->p50_ns / 1e3,
                point->passed       ? "passed"
                : point->fell_short ? "failed (the generator did not keep up)"
                                    : "failed");
    }
}

static void run_ramp(struct load_report *report, load_step_run run, void *context)
{
    const struct load_options *options = report->options;
    struct ramp ramp = ramp_start(options->rate, RAMP_PRECISION);
    int64_t end_ns = mono_time_ns() + (int64_t)(options->duration_s * (double)NS_PER_S);
    uint64_t num_left = options->count;
    static struct load_result result;
    while (!ramp.is_over && report->num_points < PLOT_MAX_POINTS) {
        double rate = ramp.next_rate;
        run(context, rate, options->step_s, num_left, &result);
        if (result.is_interrupted) {
            report->result.is_interrupted = true;
            break;
        }
        struct plot_point *point = &report->points[report->num_points++];
        *point = point_of(&result, options);
        show_step(options, point);
        ramp_step(&ramp, point->passed);
        if (point->passed) {
            report->best_rate = rate;
        }
        /* Of the best step, or of the last if none has passed. */
        if (point->passed || report->best_rate <= 0) {
            report->result = result;
        }
        uint64_t num_sent = load_result_sent(&result, false);
        if ((options->count > 0 && num_sent >= num_left) || mono_time_ns() >= end_ns) {
            break;
        }
        num_left -= options->count > 0 ? num_sent : 0;
    }
    report->is_ramp_over = ramp.is_over;
}

void load_steps_run(struct load_report *report, load_step_run run, void *context)
{
    const struct load_options *options = report->options;
    report->num_points = 0;
    report->best_rate = 0;
    if (options->ramp) {
        run_ramp(report, run, context);
        return;
    }
    run(context, options->rate, options->duration_s, options->count, &report->result);
    report->points[report->num_points++] = point_of(&report->result, options);
}

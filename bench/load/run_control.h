/* What all kinds of load share while they run: when to stop, what to show, what it costs. */
#ifndef NTS_LOAD_RUN_CONTROL_H
#define NTS_LOAD_RUN_CONTROL_H

#include "load/load_result.h"

#include "base/clock_time.h"
#include "base/status.h"

/* run_control_catch_signals makes SIGINT and SIGTERM ask for the end instead of bringing it. */
void run_control_catch_signals(void);

/* run_control_is_stopped tells whether a signal has asked for the end. */
bool run_control_is_stopped(void);

/* run_control_pin binds this process to one CPU. NTS_ERR_SYSTEM with text. */
NTS_MUST_CHECK enum nts_status run_control_pin(int cpu, struct error *error);

/* run_control_raise_limits allows as many descriptors as the system lets us have. */
void run_control_raise_limits(void);

/* CPU time of this process, from run_meter_start to run_meter_stop, which adds it to `*result`. */
struct run_meter {
    double user_s;
    double system_s;
};

struct run_meter run_meter_start(void);
void run_meter_stop(const struct run_meter *meter, struct load_result *result);

/* The line that is rewritten while the load runs, on standard error. */
struct progress {
    bool is_shown;
    int64_t start_ns;
    int64_t last_ns;
    uint64_t last_answered;
    uint64_t last_sent;
    uint64_t last_lost;
};

struct progress progress_start(bool is_shown, int64_t now_ns);

/* progress_show rewrites it, a few times a second at most. */
void progress_show(struct progress *progress, const struct load_result *result, int64_t now_ns);

/* progress_end clears the line. */
void progress_end(const struct progress *progress);

#endif

/* One rate, or a ramp of rates: the same for every kind of load. */
#ifndef NTS_LOAD_STEPS_H
#define NTS_LOAD_STEPS_H

#include "load/load_report.h"

/* Runs load at `rate` (0: closed loop) for so long, `max_count` requests at most (0: no limit). */
typedef void (*load_step_run)(void *context, double rate, double duration_s, uint64_t max_count,
                              struct load_result *result);

/* load_steps_run does what the options ask for and fills result, best_rate and points of
 * `*report`. */
void load_steps_run(struct load_report *report, load_step_run run, void *context);

#endif

/* Looks for the highest rate that a server answers: doubles it until too much is lost, then halves
 * the interval between the last rate that did and the first that did not (in ratio). A rate is
 * given up only when it fails twice, since a stall of the machine is not the server's limit. Pure.
 */
#ifndef NTS_LOAD_RAMP_H
#define NTS_LOAD_RAMP_H

#include <stdbool.h>

struct ramp {
    double next_rate;   /* to try now */
    double passed_rate; /* the highest that passed; 0: none yet */
    double failed_rate; /* the lowest that failed; 0: none yet */
    double precision;   /* where to stop: failed_rate / passed_rate - 1 */
    bool is_retry;      /* next_rate has failed once */
    bool is_over;
};

/* ramp_start begins at `first_rate`. */
struct ramp ramp_start(double first_rate, double precision);

/* ramp_step takes in whether `next_rate` passed, and chooses the next one. */
void ramp_step(struct ramp *ramp, bool passed);

#endif

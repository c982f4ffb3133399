#include "load/ramp.h"

#include <math.h>

#define GROWTH   2.0
#define MIN_RATE 1.0
#define MAX_RATE 1e7

struct ramp ramp_start(double first_rate, double precision)
{
    return (struct ramp){.next_rate = first_rate, .precision = precision};
}

void ramp_step(struct ramp *ramp, bool passed)
{
    if (!passed && !ramp->is_retry) {
        ramp->is_retry = true;
        return;
    }
    ramp->is_retry = false;
    if (passed) {
        ramp->passed_rate = ramp->next_rate;
    } else {
        ramp->failed_rate = ramp->next_rate;
    }

    if (ramp->failed_rate <= 0) {
        ramp->next_rate = ramp->passed_rate * GROWTH;
        ramp->is_over = ramp->next_rate > MAX_RATE;
    } else if (ramp->passed_rate <= 0) {
        ramp->next_rate = ramp->failed_rate / GROWTH;
        ramp->is_over = ramp->next_rate < MIN_RATE;
    } else {
        ramp->next_rate = sqrt(ramp->passed_rate * ramp->failed_rate);
        ramp->is_over = ramp->failed_rate <= ramp->passed_rate * (1 + ramp->precision);
    }
}

#include "load/ramp.h"
#include "load/schedule.h"

#include <criterion/criterion.h>

/* Runs a search against a server that answers `limit` requests a second. */
static struct ramp search(double limit, double first_rate, unsigned *num_steps)
{
    struct ramp ramp = ramp_start(first_rate, 0.02);
    *num_steps = 0;
    while (!ramp.is_over) {
        cr_assert_lt(++*num_steps, 100);
        ramp_step(&ramp, ramp.next_rate <= limit);
    }
    return ramp;
}

Test(ramp, finds_the_limit_from_below_and_from_above)
{
    static const double first_rates[] = {10, 10000, 3e6};
    for (size_t i = 0; i < 3; i++) {
        unsigned num_steps;
        struct ramp ramp = search(123456, first_rates[i], &num_steps);
        cr_assert_leq(ramp.passed_rate, 123456);
        cr_assert_gt(ramp.passed_rate, 123456 / 1.02);
        cr_assert_gt(ramp.failed_rate, 123456);
        cr_assert_lt(num_steps, 40);
    }
}

Test(ramp, one_failure_is_no_failure)
{
    struct ramp ramp = ramp_start(1000, 0.02);
    ramp_step(&ramp, false);
    cr_assert_float_eq(ramp.next_rate, 1000, 1e-9);
    ramp_step(&ramp, true);
    cr_assert_float_eq(ramp.next_rate, 2000, 1e-9);
    cr_assert_float_eq(ramp.failed_rate, 0, 0);
    ramp_step(&ramp, false);
    ramp_step(&ramp, false);
    cr_assert_float_eq(ramp.failed_rate, 2000, 1e-9);
}

Test(ramp, ends_with_a_server_that_never_answers_or_always)
{
    unsigned num_steps;
    struct ramp never = search(0, 10000, &num_steps);
    cr_assert_float_eq(never.passed_rate, 0, 0);
    struct ramp always = search(1e12, 10000, &num_steps);
    cr_assert_gt(always.passed_rate, 1e6);
}

Test(schedule, keeps_the_rate_without_drift)
{
    struct schedule schedule = schedule_start(1000, 3);
    for (int i = 0; i < 3000000; i++) {
        schedule_advance(&schedule);
    }
    cr_assert_eq(schedule_next_ns(&schedule), 1000 + 1000000 * NS_PER_S);
}

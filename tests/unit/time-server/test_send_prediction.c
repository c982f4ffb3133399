#include "time-server/protocol/send_prediction.h"

#include <criterion/criterion.h>

/* Lets replies leave after `first_ns`, and `next_ns` each, until the prediction has settled. Those
 * that are asked for leave later by two thirds of the first. */
static struct send_prediction settle(struct send_prediction prediction, int64_t first_ns,
                                     int64_t next_ns)
{
    for (int i = 0; i < 8000; i++) {
        size_t position = i % 2 == 0 ? 0 : 31;
        int64_t left_ns = first_ns + first_ns * 2 / 3 + (int64_t)position * next_ns;
        int64_t predicted_ns = prediction.first_ns + (int64_t)position * prediction.next_ns;
        send_prediction_learn(&prediction, position, left_ns - predicted_ns);
    }
    return prediction;
}

Test(send_prediction, learns_what_the_kernel_takes)
{
    static const struct {
        int64_t first_ns, next_ns;
    } truths[] = {{100, 0}, {30000, 1500}, {700, 4000}, {100000, 20000}};
    struct send_prediction prediction = SEND_PREDICTION_START;
    for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++) {
        prediction = settle(prediction, truths[i].first_ns, truths[i].next_ns);
        cr_assert_leq(llabs(prediction.first_ns - truths[i].first_ns), 10, "%zu", i);
        cr_assert_leq(llabs(prediction.next_ns - truths[i].next_ns), 200, "%zu", i);
    }
}

Test(send_prediction, one_reply_that_was_held_up_changes_little)
{
    struct send_prediction before = settle(SEND_PREDICTION_START, 5000, 1500);
    struct send_prediction prediction = before;
    send_prediction_learn(&prediction, 0, 900000);
    send_prediction_learn(&prediction, 31, -900000);
    cr_assert_leq(llabs(prediction.first_ns - before.first_ns), 300);
    cr_assert_leq(llabs(prediction.next_ns - before.next_ns), 10);
}

Test(send_prediction, a_stepped_clock_changes_nothing)
{
    struct send_prediction before = SEND_PREDICTION_START;
    struct send_prediction prediction = before;
    send_prediction_learn(&prediction, 0, INT64_C(3600000000000));
    send_prediction_learn(&prediction, 7, -INT64_C(3600000000000));
    cr_assert_eq(prediction.first_ns, before.first_ns);
    cr_assert_eq(prediction.next_ns, before.next_ns);
}

Test(send_prediction, never_leaves_its_bounds)
{
    struct send_prediction prediction = SEND_PREDICTION_START;
    for (int i = 0; i < 20000; i++) {
        send_prediction_learn(&prediction, 0, -500000);
        send_prediction_learn(&prediction, 1, -500000);
    }
    cr_assert(prediction.first_ns == 0 && prediction.next_ns == 0);
    for (int i = 0; i < 20000; i++) {
        send_prediction_learn(&prediction, 0, 500000);
        send_prediction_learn(&prediction, 1, 500000);
    }
    cr_assert(prediction.first_ns == 200000 && prediction.next_ns == 50000);
}

#include "load/load_result.h"

#include "base/clock_time.h"

#include <criterion/criterion.h>

static struct load_result result;

static void set_up(void)
{
    result.kinds[REQUEST_GOOD].sent = 900;
    result.kinds[REQUEST_GOOD].outcomes[OUTCOME_ANSWERED] = 891;
    result.kinds[REQUEST_GOOD].outcomes[OUTCOME_LOST] = 9;
    result.kinds[REQUEST_BAD_COOKIE].sent = 100;
    result.kinds[REQUEST_BAD_COOKIE].outcomes[OUTCOME_NAKED] = 100;
    result.kinds[REQUEST_GARBAGE].sent = 1000;
    result.sending_ns = NS_PER_S / 2;
    result.elapsed_ns = NS_PER_S;
}

TestSuite(load_result, .init = set_up);

Test(load_result, loss_counts_only_what_is_owed_an_answer)
{
    cr_assert_float_eq(load_result_loss(&result), 0.009, 1e-9);
    result.kinds[REQUEST_GOOD].outcomes[OUTCOME_FAILED] = 1;
    cr_assert_float_eq(load_result_loss(&result), 0.010, 1e-9);
    cr_assert_eq(load_result_sent(&result, false), 2000);
    cr_assert_eq(load_result_sent(&result, true), 1000);
}

Test(load_result, rates_are_per_second_of_what_they_took)
{
    cr_assert_float_eq(load_result_sent_rate(&result), 4000, 1e-9);
    cr_assert_float_eq(load_result_answer_rate(&result), 991, 1e-9);
    static const struct load_result nothing;
    cr_assert_float_eq(load_result_sent_rate(&nothing), 0, 0);
    cr_assert_float_eq(load_result_loss(&nothing), 0, 0);
}

Test(load_result, a_generator_that_is_slower_than_wanted_fell_short)
{
    cr_assert_not(load_result_fell_short(&result), "a closed loop wants no rate");
    result.wanted_rate = 4000;
    cr_assert_not(load_result_fell_short(&result));
    result.wanted_rate = 4100;
    cr_assert(load_result_fell_short(&result));
    result.is_starved = true;
    cr_assert_not(load_result_fell_short(&result), "it was the answers that were missing");
}

Test(load_result, a_server_that_answers_long_after_did_not_keep_pace)
{
    result.elapsed_ns = result.sending_ns + result.sending_ns / 25;
    cr_assert(load_result_kept_pace(&result));
    result.elapsed_ns = result.sending_ns + result.sending_ns / 15;
    cr_assert_not(load_result_kept_pace(&result));
    result.elapsed_ns = result.sending_ns;
    result.wanted_rate = 4100;
    cr_assert_not(load_result_kept_pace(&result));
}

Test(load_result, is_clean_unless_something_came_that_should_not)
{
    cr_assert(load_result_is_clean(&result), "loss and the NAKs that were asked for are clean");
    uint64_t *const dirt[] = {
        &result.kinds[REQUEST_GOOD].outcomes[OUTCOME_NAKED],
        &result.kinds[REQUEST_GOOD].outcomes[OUTCOME_KISSED],
        &result.kinds[REQUEST_GOOD].outcomes[OUTCOME_FAILED],
        &result.kinds[REQUEST_BAD_COOKIE].outcomes[OUTCOME_ANSWERED],
        &result.unexpected,
    };
    for (size_t i = 0; i < sizeof(dirt) / sizeof(dirt[0]); i++) {
        *dirt[i] = 1;
        cr_assert_not(load_result_is_clean(&result), "%zu", i);
        *dirt[i] = 0;
    }
}

#include "base/clock_time.h"
#include "time-server/clock/clock_state.h"
#include "time-server/config/time_config.h"

#include <criterion/criterion.h>
#include <pthread.h>

static const struct clock_limits limits = {.max_root_distance_ns = 100 * NS_PER_MS,
                                           .holdover_ns = 600 * NS_PER_S};

static struct clock_status good(void)
{
    return (struct clock_status){.updated_at_ns = 1000 * NS_PER_S,
                                 .stratum = 1,
                                 .root_delay_ns = 20 * NS_PER_MS,
                                 .root_dispersion_ns = 80 * NS_PER_MS,
                                 .is_usable = true};
}

Test(clock_state, fit_within_distance_and_holdover)
{
    struct clock_status s = good();
    int64_t now_ns = s.updated_at_ns;
    cr_assert(clock_is_fit(&s, &limits, now_ns));
    cr_assert(clock_is_fit(&s, &limits, now_ns + 600 * NS_PER_S), "80 + 9 + 10 ms");
    cr_assert_not(clock_is_fit(&s, &limits, now_ns + 601 * NS_PER_S), "holdover");
    s.root_delay_ns = 41 * NS_PER_MS;
    cr_assert_not(clock_is_fit(&s, &limits, now_ns), "distance");
}

Test(clock_state, dispersion_grows_by_15_ppm)
{
    struct clock_status s = good();
    cr_assert_eq(clock_root_dispersion_ns(&s, s.updated_at_ns + 1000 * NS_PER_S), 95 * NS_PER_MS);
    cr_assert_eq(clock_root_dispersion_ns(&s, s.updated_at_ns - NS_PER_S), 80 * NS_PER_MS,
                 "a clock that was stepped back does not shrink it");
}

Test(clock_state, unfit_when_the_source_does_not_vouch)
{
    struct clock_status s = good();
    int64_t now_ns = s.updated_at_ns;
    s.is_usable = false;
    cr_assert_not(clock_is_fit(&s, &limits, now_ns));
    s = good();
    s.leap = NTP_LEAP_UNSYNCHRONISED;
    cr_assert_not(clock_is_fit(&s, &limits, now_ns));
    s = good();
    s.stratum = 16;
    cr_assert_not(clock_is_fit(&s, &limits, now_ns));
    s.stratum = 0;
    cr_assert_not(clock_is_fit(&s, &limits, now_ns));
    s = (struct clock_status){0};
    cr_assert_not(clock_is_fit(&s, &limits, 0), "nothing learnt yet");
}

Test(clock_state, trouble_is_named_as_long_as_there_is_one)
{
    struct clock_status s = good();
    int64_t now_ns = s.updated_at_ns;
    cr_assert_null(clock_trouble(&s, &limits, now_ns));
    cr_assert_str_eq(clock_trouble(&s, &limits, now_ns + 601 * NS_PER_S),
                     "nothing heard from the source for longer than holdover_s");
    s.root_delay_ns = 41 * NS_PER_MS;
    cr_assert_str_eq(clock_trouble(&s, &limits, now_ns),
                     "root distance is above max_root_distance_ms");
    s = good();
    s.stratum = 16;
    cr_assert_str_eq(clock_trouble(&s, &limits, now_ns),
                     "the stratum is not one that a server can have");
    s = good();
    s.is_usable = false;
    s.trouble = "no satellites";
    cr_assert_str_eq(clock_trouble(&s, &limits, now_ns), "no satellites");
}

static void *post_many(void *argument)
{
    for (int64_t i = 1; i <= 200000; i++) {
        struct clock_status s = {.updated_at_ns = i,
                                 .reference_ns = i,
                                 .root_delay_ns = i,
                                 .root_dispersion_ns = i,
                                 .reference_id = (uint32_t)i};
        clock_board_post(argument, &s);
    }
    return NULL;
}

Test(clock_state, board_never_shows_half_a_status)
{
    static struct clock_board board;
    pthread_t writer;
    cr_assert_eq(pthread_create(&writer, NULL, post_many, &board), 0);
    struct clock_status s;
    do {
        clock_board_read(&board, &s);
        cr_assert_eq(s.reference_ns, s.updated_at_ns);
        cr_assert_eq(s.root_dispersion_ns, s.updated_at_ns);
        cr_assert_eq(s.reference_id, (uint32_t)s.updated_at_ns);
    } while (s.updated_at_ns < 200000);
    pthread_join(writer, NULL);
}

Test(clock_state, precision_is_that_of_a_clock)
{
    int8_t precision = clock_precision();
    cr_assert_leq(precision, -10);
    cr_assert_geq(precision, -30);
}

Test(time_config, reference_ids)
{
    uint32_t id;
    cr_assert(reference_id_parse(&id, "GPS"));
    cr_assert_eq(id, 0x47505300, "zero padded");
    cr_assert(reference_id_parse(&id, "192.0.2.1"));
    cr_assert_eq(id, 0xc0000201);
    cr_assert_not(reference_id_parse(&id, ""));
    cr_assert_not(reference_id_parse(&id, "LOCAL"));
}

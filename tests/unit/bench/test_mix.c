#include "load/mix.h"

#include <criterion/criterion.h>

Test(mix, gives_each_kind_its_share)
{
    struct mix mix;
    size_t counts[NUM_REQUEST_KINDS] = {0};
    cr_assert(mix_parse(&mix, "good=90,bad-cookie=5,placeholders=4,garbage=1"));
    for (size_t i = 0; i < 1000; i++) {
        counts[mix_next(&mix)]++;
    }
    cr_assert_eq(counts[REQUEST_GOOD], 900);
    cr_assert_eq(counts[REQUEST_BAD_COOKIE], 50);
    cr_assert_eq(counts[REQUEST_PLACEHOLDERS], 40);
    cr_assert_eq(counts[REQUEST_GARBAGE], 10);
}

Test(mix, spreads_a_kind_evenly)
{
    struct mix mix;
    size_t since_last = 0;
    cr_assert(mix_parse(&mix, "bad-cookie=1,good=9"));
    for (size_t i = 0; i < 100; i++) {
        since_last++;
        if (mix_next(&mix) == REQUEST_BAD_COOKIE) {
            cr_assert_leq(since_last, 10);
            since_last = 0;
        }
    }
}

Test(mix, of_one_kind_has_no_other)
{
    struct mix mix = mix_only(REQUEST_GARBAGE);
    cr_assert(mix_has(&mix, REQUEST_GARBAGE));
    cr_assert_not(mix_has(&mix, REQUEST_GOOD));
    cr_assert_eq(mix_next(&mix), REQUEST_GARBAGE);
    cr_assert_not(request_is_answered(REQUEST_GARBAGE));
    cr_assert(request_is_answered(REQUEST_BAD_COOKIE));
}

Test(mix, refuses_what_is_none)
{
    static const char *const texts[] = {
        "",       "good",    "good=",         "good=x",           "good=-1",      "good=1,",
        "=1",     "nice=1",  "good=1,good=2", "good=1;",          "good=1.5",     "good= 1",
        "good=0", "goods=1", "goo=1",         "good=0,garbage=0", "good=1000001",
    };
    struct mix mix;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_assert_not(mix_parse(&mix, texts[i]), "%s", texts[i]);
    }
    cr_assert(mix_parse(&mix, "good=1000000,garbage=0"));
}

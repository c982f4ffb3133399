#include "load/histogram.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

static struct histogram histogram;

Test(histogram, is_exact_for_small_values)
{
    for (int64_t value = 0; value < 128; value++) {
        histogram_add(&histogram, value);
    }
    cr_assert_eq(histogram_percentile(&histogram, 50), 63);
    cr_assert_eq(histogram_percentile(&histogram, 100), 127);
    cr_assert_eq(histogram.min_ns, 0);
    cr_assert_eq(histogram.max_ns, 127);
    cr_assert_float_eq(histogram_mean_ns(&histogram), 63.5, 1e-9);
}

Test(histogram, keeps_every_magnitude_to_one_per_cent)
{
    for (int64_t value = 1; value < INT64_C(1) << 40; value = value * 3 + 1) {
        histogram = (struct histogram){0};
        histogram_add(&histogram, value);
        histogram_add(&histogram, INT64_C(1) << 39);
        int64_t median = histogram_percentile(&histogram, 50);
        int64_t expected = value < INT64_C(1) << 39 ? value : INT64_C(1) << 39;
        cr_assert_geq(median, expected);
        cr_assert_leq((double)median, (double)expected * 1.008, "%lld", (long long)value);
    }
}

Test(histogram, agrees_with_sorting)
{
    enum { NUM = 10001 };
    static int64_t values[NUM];
    srand(1);
    for (size_t i = 0; i < NUM; i++) {
        values[i] = (int64_t)exp((double)rand() / RAND_MAX * 20);
        histogram_add(&histogram, values[i]);
    }
    static const double percents[] = {1, 50, 90, 99, 99.9};
    for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
        int64_t found = histogram_percentile(&histogram, percents[i]);
        size_t num_within = 0;
        size_t num_clearly_within = 0;
        for (size_t j = 0; j < NUM; j++) {
            num_within += values[j] <= found;
            num_clearly_within += (double)values[j] <= (double)found / 1.008;
        }
        cr_assert_geq(num_within, (size_t)ceil(percents[i] / 100 * NUM));
        cr_assert_leq(num_clearly_within, (size_t)ceil(percents[i] / 100 * NUM));
    }
}

Test(histogram, empty_and_out_of_range)
{
    cr_assert_eq(histogram_percentile(&histogram, 99), 0);
    cr_assert_float_eq(histogram_mean_ns(&histogram), 0, 0);
    histogram_add(&histogram, -5);
    histogram_add(&histogram, INT64_MAX);
    cr_assert_eq(histogram.num, 2);
    cr_assert_eq(histogram_percentile(&histogram, 1), 0);
    cr_assert_eq(histogram_percentile(&histogram, 100), (INT64_C(1) << 40) - 1);
}

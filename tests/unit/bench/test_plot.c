#include "load/plot.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static char *draw(const char *title, const struct plot_point *points, size_t num)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    cr_assert_not_null(out);
    plot_write(out, title, points, num);
    fclose(out);
    return text;
}

static size_t count(const char *text, const char *what)
{
    size_t num = 0;
    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        num++;
    }
    return num;
}

Test(plot, draws_every_point_on_every_curve)
{
    const struct plot_point points[] = {
        {.wanted_rate = 2000, .loss = 0.5, .p50_ns = 2000, .p99_ns = 9000, .passed = false},
        {.wanted_rate = 1000, .loss = 0, .p50_ns = 1000, .p99_ns = 2000, .passed = true},
    };
    char *text = draw("a < b & c", points, 2);
    cr_assert_eq(strncmp(text, "<svg ", 5), 0);
    cr_assert_eq(count(text, "<circle "), 6);
    cr_assert_eq(count(text, "<polyline "), 3);
    cr_assert_eq(count(text, "fill='white'/>"), 1 + 3, "the page, and each point that failed");
    cr_assert_not_null(strstr(text, "a &lt; b &amp; c"));
    cr_assert_not_null(strstr(text, "</svg>"));
    free(text);
}

Test(plot, needs_no_points)
{
    char *text = draw("", NULL, 0);
    cr_assert_null(strstr(text, "nan"));
    cr_assert_null(strstr(text, "inf"));
    cr_assert_eq(count(text, "<circle "), 0);
    free(text);
}

Test(plot, marks_an_axis_with_round_numbers)
{
    cr_assert_float_eq(plot_nice_step(100), 20, 1e-9);
    cr_assert_float_eq(plot_nice_step(320000), 50000, 1e-6);
    cr_assert_float_eq(plot_nice_step(0.05), 0.01, 1e-12);
    for (double max = 0.001; max < 1e7; max *= 1.37) {
        double num = max / plot_nice_step(max);
        cr_assert(num >= 3.99 && num <= 10.01, "%g: %g marks", max, num);
    }
}

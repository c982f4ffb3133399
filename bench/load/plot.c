#include "load/plot.h"

#include <math.h>
#include <stdlib.h>

/* Two panels, one above the other, with the rate as their common axis. */
#define WIDTH        740
#define PANEL_HEIGHT 220
#define LEFT         80
#define RIGHT        40 /* half of the last number on the axis */
#define TOP          40
#define GAP          50
#define PANEL_WIDTH  (WIDTH - LEFT - RIGHT)
#define HEIGHT       (TOP + 2 * PANEL_HEIGHT + GAP + 50)

struct axis {
    double max;
    double step;
};

/* How the y value of a point is found, and drawn. */
struct curve {
    const char *label;
    const char *color;
    double (*value_of)(const struct plot_point *point);
};

static double loss_of(const struct plot_point *point)
{
    return point->loss * 100;
}

static double p50_of(const struct plot_point *point)
{
    return (double)point->p50_ns / 1e3;
}

static double p99_of(const struct plot_point *point)
{
    return (double)point->p99_ns / 1e3;
}

static double rate_of(const struct plot_point *point)
{
    return point->wanted_rate > 0 ? point->wanted_rate : point->sent_rate;
}

double plot_nice_step(double max)
{
    double power = pow(10, floor(log10(max / 4)));
    double ratio = max / 4 / power;
    return power * (ratio >= 5 ? 5 : ratio >= 2 ? 2 : 1);
}

static struct axis axis_up_to(double max)
{
    struct axis axis = {.max = max > 0 ? max : 1};
    axis.step = plot_nice_step(axis.max);
    axis.max = ceil(axis.max / axis.step) * axis.step;
    return axis;
}

static double max_of(const struct plot_point *points, size_t num,
                     double (*value_of)(const struct plot_point *))
{
    double max = 0;
    for (size_t i = 0; i < num; i++) {
        max = fmax(max, value_of(&points[i]));
    }
    return max;
}

static void write_escaped(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        default:
            fputc((unsigned char)*text < ' ' ? '?' : *text, out);
        }
    }
}

static double x_at(const struct axis *axis, double value)
{
    return LEFT + value / axis->max * PANEL_WIDTH;
}

static double y_at(const struct axis *axis, double value, int top)
{
    return top + PANEL_HEIGHT - value / axis->max * PANEL_HEIGHT;
}

/* One of the two diagrams. */
struct panel {
    const struct axis *x;
    const struct axis *y;
    int top;
};

static void write_grid(FILE *out, const struct panel *panel, const char *y_label)
{
    const struct axis *x = panel->x;
    const struct axis *y = panel->y;
    int top = panel->top;
    fprintf(out, "<rect x='%d' y='%d' width='%d' height='%d' fill='none' stroke='#888'/>\n", LEFT,
            top, PANEL_WIDTH, PANEL_HEIGHT);
    for (int i = 0; i * x->step <= x->max * 1.0001; i++) {
        double value = i * x->step;
        fprintf(out, "<path d='M%.1f %d v%d' stroke='#ddd'/>\n", x_at(x, value), top, PANEL_HEIGHT);
        fprintf(out, "<text x='%.1f' y='%d' text-anchor='middle'>%g</text>\n", x_at(x, value),
                top + PANEL_HEIGHT + 16, value);
    }
    for (int i = 0; i * y->step <= y->max * 1.0001; i++) {
        double value = i * y->step;
        fprintf(out, "<path d='M%d %.1f h%d' stroke='#ddd'/>\n", LEFT, y_at(y, value, top),
                PANEL_WIDTH);
        fprintf(out, "<text x='%d' y='%.1f' text-anchor='end'>%g</text>\n", LEFT - 6,
                y_at(y, value, top) + 4, value);
    }
    fprintf(out, "<text x='%d' y='%d' font-weight='bold'>%s</text>\n", LEFT, top - 6, y_label);
}

static void write_curve(FILE *out, const struct panel *panel, const struct curve *curve,
                        const struct plot_point *points, size_t num)
{
    const struct axis *x = panel->x;
    const struct axis *y = panel->y;
    int top = panel->top;
    fprintf(out, "<polyline fill='none' stroke='%s' points='", curve->color);
    for (size_t i = 0; i < num; i++) {
        fprintf(out, "%.1f,%.1f ", x_at(x, rate_of(&points[i])),
                y_at(y, curve->value_of(&points[i]), top));
    }
    fputs("'/>\n", out);
    for (size_t i = 0; i < num; i++) {
        fprintf(out, "<circle cx='%.1f' cy='%.1f' r='3' stroke='%s' fill='%s'/>\n",
                x_at(x, rate_of(&points[i])), y_at(y, curve->value_of(&points[i]), top),
                curve->color, points[i].passed ? curve->color : "white");
    }
}

static int compare_rates(const void *a, const void *b)
{
    double difference = rate_of(a) - rate_of(b);
    return (difference > 0) - (difference < 0);
}

void plot_write(FILE *out, const char *title, const struct plot_point *points, size_t num)
{
    static const struct curve loss = {"loss", "#c0392b", loss_of};
    static const struct curve latencies[] = {{"median", "#2471a3", p50_of},
                                             {"99th percentile", "#b9770e", p99_of}};
    struct plot_point sorted[PLOT_MAX_POINTS];
    num = num < PLOT_MAX_POINTS ? num : PLOT_MAX_POINTS;
    for (size_t i = 0; i < num; i++) {
        sorted[i] = points[i];
    }
    qsort(sorted, num, sizeof(*sorted), compare_rates);

    struct axis x = axis_up_to(max_of(sorted, num, rate_of));
    struct axis loss_axis = axis_up_to(max_of(sorted, num, loss_of));
    struct axis latency_axis = axis_up_to(max_of(sorted, num, p99_of));
    const struct panel loss_panel = {&x, &loss_axis, TOP};
    const struct panel latency_panel = {&x, &latency_axis, TOP + PANEL_HEIGHT + GAP};

    fprintf(out,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' viewBox='0 0 %d %d' "
            "font-family='sans-serif' font-size='12'>\n<rect width='100%%' height='100%%' "
            "fill='white'/>\n<text x='%d' y='16' font-size='14'>",
            WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT);
    write_escaped(out, title);
    fputs("</text>\n", out);
    write_grid(out, &loss_panel, "loss, %");
    write_curve(out, &loss_panel, &loss, sorted, num);
    write_grid(out, &latency_panel, "latency of what was answered, us");
    for (size_t i = 0; i < sizeof(latencies) / sizeof(latencies[0]); i++) {
        write_curve(out, &latency_panel, &latencies[i], sorted, num);
        fprintf(out, "<text x='%d' y='%d' fill='%s'>%s</text>\n", LEFT + 10,
                latency_panel.top + 18 + 16 * (int)i, latencies[i].color, latencies[i].label);
    }
    fprintf(out,
            "<text x='%d' y='%d' text-anchor='middle'>requests per second (filled: within the "
            "limit of loss)</text>\n</svg>\n",
            LEFT + PANEL_WIDTH / 2, HEIGHT - 12);
}

bool plot_save(const char *path, const char *title, const struct plot_point *points, size_t num)
{
    FILE *out = fopen(path, "w");
    if (out == NULL) {
        return false;
    }
    plot_write(out, title, points, num);
    bool is_written = ferror(out) == 0;
    return fclose(out) == 0 && is_written;
}

/* A drawing of rate against loss and latency, as SVG. */
#ifndef NTS_LOAD_PLOT_H
#define NTS_LOAD_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PLOT_MAX_POINTS 128

/* One rate that was tried. */
struct plot_point {
    double wanted_rate; /* a second; 0: closed loop */
    double sent_rate;
    double answer_rate;
    double loss; /* a share */
    int64_t p50_ns;
    int64_t p99_ns;
    bool passed;
    bool fell_short; /* of the wanted rate: the generator's fault */
};

/* plot_write draws the points, which need no order. `title` may hold any text. */
void plot_write(FILE *out, const char *title, const struct plot_point *points, size_t num);

/* plot_save writes the drawing to a file; false with errno. */
bool plot_save(const char *path, const char *title, const struct plot_point *points, size_t num);

/* plot_nice_step returns the distance of marks on an axis that ends at `max` (above 0): 1, 2 or 5
 * times a power of ten, for four to ten marks. */
double plot_nice_step(double max);

#endif

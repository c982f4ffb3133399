/* Latencies in constant memory: a log-linear histogram after the manner of HdrHistogram, which is
 * not packaged for C everywhere. Each power of two is cut into 128 equal parts, so that a value is
 * known to better than 0.8 %, from a nanosecond to 18 minutes. Pure; never allocates. */
#ifndef NTS_LOAD_HISTOGRAM_H
#define NTS_LOAD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_PART_BITS 7
#define HISTOGRAM_MAX_BITS  40
#define HISTOGRAM_NUM_PARTS                                                                        \
    ((size_t)(HISTOGRAM_MAX_BITS - HISTOGRAM_PART_BITS + 1) << HISTOGRAM_PART_BITS)

/* Zero-initialised: empty. */
struct histogram {
    uint64_t parts[HISTOGRAM_NUM_PARTS];
    uint64_t num;
    int64_t min_ns; /* exact, as are the next two */
    int64_t max_ns;
    double sum_ns;
};

/* histogram_add takes one value in. Negative ones count as zero, and those above 2^40 as that. */
void histogram_add(struct histogram *histogram, int64_t value_ns);

/* histogram_percentile returns a value that `percent` (0 to 100) of all values do not exceed: the
 * highest of the part it lies in, but never above the maximum. 0 if the histogram is empty. */
int64_t histogram_percentile(const struct histogram *histogram, double percent);

/* histogram_mean_ns returns the exact mean, 0 if the histogram is empty. */
double histogram_mean_ns(const struct histogram *histogram);

#endif

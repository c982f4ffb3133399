#include "load/histogram.h"

#include <math.h>

#define PARTS_PER_POWER ((uint64_t)1 << HISTOGRAM_PART_BITS)
#define MAX_VALUE       (((uint64_t)1 << HISTOGRAM_MAX_BITS) - 1)

/* Below 128 each value has a part of its own; above, the eight leading bits choose. */
static size_t part_of(uint64_t value)
{
    if (value < PARTS_PER_POWER) {
        return (size_t)value;
    }
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_PART_BITS;
    return (size_t)(((uint64_t)shift << HISTOGRAM_PART_BITS) + (value >> shift));
}

static int64_t highest_of(size_t part)
{
    if (part < PARTS_PER_POWER) {
        return (int64_t)part;
    }
    unsigned shift = (unsigned)(part >> HISTOGRAM_PART_BITS) - 1;
    uint64_t leading = (part & (PARTS_PER_POWER - 1)) + PARTS_PER_POWER;
    return (int64_t)(((leading + 1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, int64_t value_ns)
{
    uint64_t value = value_ns > 0 ? (uint64_t)value_ns : 0;
    if (value > MAX_VALUE) {
        value = MAX_VALUE;
    }
    histogram->parts[part_of(value)]++;
    if (histogram->num == 0 || (int64_t)value < histogram->min_ns) {
        histogram->min_ns = (int64_t)value;
    }
    if ((int64_t)value > histogram->max_ns) {
        histogram->max_ns = (int64_t)value;
    }
    histogram->sum_ns += (double)value;
    histogram->num++;
}

int64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    if (histogram->num == 0) {
        return 0;
    }
    uint64_t wanted = (uint64_t)ceil(percent / 100 * (double)histogram->num);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_NUM_PARTS; i++) {
        seen += histogram->parts[i];
        if (seen > 0 && seen >= wanted) {
            int64_t highest = highest_of(i);
            return highest < histogram->max_ns ? highest : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}

double histogram_mean_ns(const struct histogram *histogram)
{
    return histogram->num > 0 ? histogram->sum_ns / (double)histogram->num : 0;
}

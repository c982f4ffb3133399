/* A page of metrics as text: Prometheus 0.0.4, or OpenMetrics 1.0 on request. Families are
 * written one after the other, each with its samples behind it. Pure; the first thing that goes
 * wrong sticks, so that a page is judged once, at its end. Allocates; never on the packet path. */
#ifndef NTS_METRICS_TEXT_H
#define NTS_METRICS_TEXT_H

#include "base/status_set.h"

#include <stddef.h>
#include <stdint.h>

/* More than this is a fault of ours, not a page. */
#define METRICS_PAGE_MAX_LEN (1 << 20)

enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };

/* metrics_format_choose reads an HTTP Accept header (NULL: none): OpenMetrics if it is accepted by
 * name, and no less gladly than plain text. */
enum metrics_format metrics_format_choose(const char *accept);

/* metrics_content_type returns what the page is served as. */
const char *metrics_content_type(enum metrics_format format);

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_INFO };

struct metric_family {
    const char *name; /* [a-z_][a-z0-9_]*, without the _total or _info that the type brings */
    enum metric_type type;
    const char *unit; /* NULL: none; else the name ends with it */
    const char *help; /* not empty; its first letter is made a capital */
};

struct metric_label {
    const char *name;
    const char *value; /* any text; it is escaped */
};

/* METRIC_LABELS({"name", value}, ...) makes the labels of a sample; METRIC_NO_LABELS is none. */
#define METRIC_LABELS(...) ((const struct metric_label[]){__VA_ARGS__, {NULL, NULL}})
#define METRIC_NO_LABELS   NULL

struct metrics_page {
    enum metrics_format format;
    enum nts_status status;
    struct metric_family family; /* the one that is open */
    char *data;
    size_t len;
    size_t capacity;
};

/* metrics_page_init starts an empty page; metrics_page_free ends it in any case. */
void metrics_page_init(struct metrics_page *page, enum metrics_format format);
void metrics_page_free(struct metrics_page *page);

/* metrics_family opens a family: what it is, ahead of its samples. A family without samples says
 * that there is nothing to tell now. A name or a unit that the formats forbid is
 * NTS_ERR_INTERNAL at the end of the page. */
void metrics_family(struct metrics_page *page, const struct metric_family *family);

/* metrics_count and metrics_value write a sample of the open family: a counter, a gauge or an info
 * (whose value is 1). */
void metrics_count(struct metrics_page *page, const struct metric_label *labels, uint64_t value);
void metrics_value(struct metrics_page *page, const struct metric_label *labels, double value);

/* What a histogram has seen. */
struct metric_histogram {
    const double *bounds;   /* inclusive upper ones, ascending */
    const uint64_t *counts; /* num_bounds + 1 of them, each bucket for itself, not cumulative */
    size_t num_bounds;
    double sum;
};

/* metrics_histogram writes the samples of the open family, which is a histogram. */
void metrics_histogram(struct metrics_page *page, const struct metric_label *labels,
                       const struct metric_histogram *histogram);

/* metrics_page_end closes the page and tells how it went: NTS_OK, NTS_ERR_NO_MEMORY,
 * NTS_ERR_NO_SPACE (METRICS_PAGE_MAX_LEN) or NTS_ERR_INTERNAL. Then `data` has `len` octets. */
NTS_MUST_CHECK enum nts_status metrics_page_end(struct metrics_page *page);

/* --- whole families --- */

/* metrics_gauge writes a family with one sample. */
void metrics_gauge(struct metrics_page *page, const char *name, const char *unit, const char *help,
                   double value);

/* A row of a table of counters, as its X-macro has it. */
struct metric_row {
    const char *label;
    const char *help;
};

/* METRIC_ROW makes such a row of one with a name, a label and a text. */
#define METRIC_ROW(name, label, text) {label, text},

/* metrics_counters writes a counter family for each of the `num` rows: PREFIX_label_total. */
void metrics_counters(struct metrics_page *page, const char *prefix, const struct metric_row *rows,
                      const uint64_t *values, size_t num);

/* A counter family whose samples differ in one label. */
struct metric_split {
    const char *name;
    const char *help;
    const char *label;
};

/* metrics_counters_by writes such a family with a sample for each of the `num` values of the label.
 */
void metrics_counters_by(struct metrics_page *page, const struct metric_split *split,
                         const char *const *label_values, const uint64_t *values, size_t num);

/* metrics_counters_by_status does so for the statuses of a set: `values` has set->num of them. */
void metrics_counters_by_status(struct metrics_page *page, const struct metric_split *split,
                                const struct status_set *set, const uint64_t *values);

#endif

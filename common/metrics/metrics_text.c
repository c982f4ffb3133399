#include "metrics/metrics_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 16384

static const struct {
    const char *openmetrics;
    const char *prometheus; /* which knows fewer types */
    const char *suffix;     /* of the samples */
} types[] = {
    [METRIC_COUNTER] = {"counter", "counter", "_total"},
    [METRIC_GAUGE] = {"gauge", "gauge", ""},
    [METRIC_HISTOGRAM] = {"histogram", "histogram", ""},
    [METRIC_INFO] = {"info", "gauge", "_info"},
};

/* --- octets --- */

static void fail(struct metrics_page *page, enum nts_status status)
{
    if (page->status == NTS_OK) {
        page->status = status;
    }
}

static bool make_room(struct metrics_page *page, size_t len)
{
    if (page->status != NTS_OK) {
        return false;
    }
    if (page->len + len > METRICS_PAGE_MAX_LEN) {
        fail(page, NTS_ERR_NO_SPACE);
        return false;
    }
    size_t capacity = page->capacity > 0 ? page->capacity : FIRST_CAPACITY;
    while (capacity < page->len + len) {
        capacity *= 2;
    }
    if (capacity > page->capacity) {
        char *data = realloc(page->data, capacity);
        if (data == NULL) {
            fail(page, NTS_ERR_NO_MEMORY);
            return false;
        }
        page->data = data;
        page->capacity = capacity;
    }
    return true;
}

static void put_octets(struct metrics_page *page, const char *text, size_t len)
{
    if (make_room(page, len)) {
        memcpy(page->data + page->len, text, len);
        page->len += len;
    }
}

static void put(struct metrics_page *page, const char *text)
{
    put_octets(page, text, strlen(text));
}

/* Escapes what would end a line or a value. Help has no quotes to end in Prometheus's format. */
static void put_escaped(struct metrics_page *page, const char *text, bool escape_quotes)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            put(page, "\\n");
        } else if (*text == '\\' || (*text == '"' && escape_quotes)) {
            put_octets(page, (const char[]){'\\', *text}, 2);
        } else {
            put_octets(page, text, 1);
        }
    }
}

#define NUMBER_LEN 40

/* The shortest of the usual two forms that means the same number. */
static void format_number(char text[NUMBER_LEN], double value)
{
    if (isnan(value)) {
        strcpy(text, "NaN");
    } else if (isinf(value)) {
        strcpy(text, value > 0 ? "+Inf" : "-Inf");
    } else {
        snprintf(text, NUMBER_LEN, "%.15g", value);
        if (strtod(text, NULL) != value) {
            snprintf(text, NUMBER_LEN, "%.17g", value);
        }
    }
}

/* OpenMetrics wants the bounds of a histogram as floats. One series should not have two names, so
 * both formats get them so. */
static void format_bound(char text[NUMBER_LEN], double bound)
{
    format_number(text, bound);
    if (strcspn(text, ".eIN") == strlen(text)) {
        strcat(text, ".0");
    }
}

/* --- the page --- */

void metrics_page_init(struct metrics_page *page, enum metrics_format format)
{
    *page = (struct metrics_page){.format = format, .status = NTS_OK};
}

void metrics_page_free(struct metrics_page *page)
{
    free(page->data);
    page->data = NULL;
}

enum nts_status metrics_page_end(struct metrics_page *page)
{
    if (page->format == METRICS_OPENMETRICS) {
        put(page, "# EOF\n");
    }
    return page->status;
}

static bool is_name(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    return text[0] != '\0' && strchr(letters, text[0]) != NULL &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz_0123456789") == strlen(text);
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len > end_len && strcmp(text + text_len - end_len, end) == 0;
}

/* The suffixes are the formats' own: a family that ends with one would be taken for another. */
static bool is_family(const struct metric_family *family)
{
    if (family->help[0] == '\0') {
        return false;
    }
    static const char *const reserved[] = {"_total", "_info", "_created",
                                           "_count", "_sum",  "_bucket"};
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (ends_with(family->name, reserved[i])) {
            return false;
        }
    }
    if (family->unit == NULL) {
        return is_name(family->name);
    }
    char end[64];
    snprintf(end, sizeof(end), "_%s", family->unit);
    return is_name(family->name) && ends_with(family->name, end) && family->type != METRIC_INFO;
}

static void put_head(struct metrics_page *page, const char *keyword)
{
    bool is_openmetrics = page->format == METRICS_OPENMETRICS;
    put(page, "# ");
    put(page, keyword);
    put(page, " ");
    put(page, page->family.name);
    /* In Prometheus's format a family is called as its samples are. */
    put(page, is_openmetrics ? "" : types[page->family.type].suffix);
    put(page, " ");
}

void metrics_family(struct metrics_page *page, const struct metric_family *family)
{
    if (!is_family(family)) {
        fail(page, NTS_ERR_INTERNAL);
        return;
    }
    page->family = *family;
    bool is_openmetrics = page->format == METRICS_OPENMETRICS;
    put_head(page, "HELP");
    /* The rows of some tables are half sentences. */
    put_octets(page, (const char[]){(char)toupper((unsigned char)family->help[0])}, 1);
    put_escaped(page, family->help + 1, is_openmetrics);
    put(page, "\n");
    put_head(page, "TYPE");
    put(page, is_openmetrics ? types[family->type].openmetrics : types[family->type].prometheus);
    put(page, "\n");
    if (is_openmetrics && family->unit != NULL) {
        put_head(page, "UNIT");
        put(page, family->unit);
        put(page, "\n");
    }
}

/* One line. `le` (NULL: none) is a label beside the others. */
static void put_sample(struct metrics_page *page, const char *suffix,
                       const struct metric_label *labels, const char *le, const char *value)
{
    const char *before = "{";
    put(page, page->family.name);
    put(page, suffix);
    for (; labels != NULL && labels->name != NULL; labels++) {
        if (!is_name(labels->name)) {
            fail(page, NTS_ERR_INTERNAL);
        }
        put(page, before);
        put(page, labels->name);
        put(page, "=\"");
        put_escaped(page, labels->value, true);
        put(page, "\"");
        before = ",";
    }
    if (le != NULL) {
        put(page, before);
        put(page, "le=\"");
        put(page, le);
        put(page, "\"");
        before = ",";
    }
    put(page, before[0] == '{' ? " " : "} ");
    put(page, value);
    put(page, "\n");
}

static void put_single(struct metrics_page *page, const struct metric_label *labels,
                       const char *value)
{
    if (page->family.name == NULL || page->family.type == METRIC_HISTOGRAM) {
        fail(page, NTS_ERR_INTERNAL);
        return;
    }
    put_sample(page, types[page->family.type].suffix, labels, NULL, value);
}

void metrics_count(struct metrics_page *page, const struct metric_label *labels, uint64_t value)
{
    char text[NUMBER_LEN];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    put_single(page, labels, text);
}

void metrics_value(struct metrics_page *page, const struct metric_label *labels, double value)
{
    char text[NUMBER_LEN];
    format_number(text, value);
    put_single(page, labels, text);
}

void metrics_histogram(struct metrics_page *page, const struct metric_label *labels,
                       const struct metric_histogram *histogram)
{
    if (page->family.name == NULL || page->family.type != METRIC_HISTOGRAM) {
        fail(page, NTS_ERR_INTERNAL);
        return;
    }
    uint64_t sum = 0;
    char text[NUMBER_LEN];
    for (size_t i = 0; i <= histogram->num_bounds; i++) {
        char le[NUMBER_LEN];
        sum += histogram->counts[i];
        format_bound(le, i < histogram->num_bounds ? histogram->bounds[i] : INFINITY);
        snprintf(text, sizeof(text), "%" PRIu64, sum);
        put_sample(page, "_bucket", labels, le, text);
    }
    put_sample(page, "_count", labels, NULL, text);
    format_number(text, histogram->sum);
    put_sample(page, "_sum", labels, NULL, text);
}

/* --- whole families --- */

void metrics_gauge(struct metrics_page *page, const char *name, const char *unit, const char *help,
                   double value)
{
    metrics_family(page, &(struct metric_family){name, METRIC_GAUGE, unit, help});
    metrics_value(page, METRIC_NO_LABELS, value);
}

void metrics_counters(struct metrics_page *page, const char *prefix, const struct metric_row *rows,
                      const uint64_t *values, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        char name[128];
        snprintf(name, sizeof(name), "%s_%s", prefix, rows[i].label);
        metrics_family(page, &(struct metric_family){name, METRIC_COUNTER, NULL, rows[i].help});
        metrics_count(page, METRIC_NO_LABELS, values[i]);
    }
    page->family.name = NULL; /* the name goes with this function */
}

void metrics_counters_by(struct metrics_page *page, const struct metric_split *split,
                         const char *const *label_values, const uint64_t *values, size_t num)
{
    metrics_family(page, &(struct metric_family){split->name, METRIC_COUNTER, NULL, split->help});
    for (size_t i = 0; i < num; i++) {
        metrics_count(page, METRIC_LABELS({split->label, label_values[i]}), values[i]);
    }
}

void metrics_counters_by_status(struct metrics_page *page, const struct metric_split *split,
                                const struct status_set *set, const uint64_t *values)
{
    metrics_counters_by(page, split, set->labels, values, set->num);
}

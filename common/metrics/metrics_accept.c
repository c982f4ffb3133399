/* Which format a client wants: RFC 9110, section 12.5.1, as far as it takes to tell two apart. */
#include "metrics/metrics_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const content_types[] = {
    [METRICS_PROMETHEUS] = "text/plain; version=0.0.4; charset=utf-8",
    [METRICS_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

const char *metrics_content_type(enum metrics_format format)
{
    return content_types[format];
}

#define BLANKS " \t"

/* One element of the list: the media range and its parameters, up to the comma. */
struct element {
    const char *range;
    size_t range_len;
    double quality;
};

static bool is_range(const struct element *element, const char *range)
{
    return element->range_len == strlen(range) &&
           strncasecmp(element->range, range, element->range_len) == 0;
}

/* Reads the element at `text` and returns what is behind it. */
static const char *next_element(struct element *element, const char *text)
{
    const char *end = text + strcspn(text, ",");
    element->range = text + strspn(text, BLANKS);
    element->range_len = strcspn(element->range, ",;" BLANKS);
    element->quality = 1;
    for (const char *at = text + strcspn(text, ",;"); at < end; at += strcspn(at, ",;")) {
        at += 1 + strspn(at + 1, BLANKS);
        if (strncasecmp(at, "q=", 2) == 0) {
            element->quality = strtod(at + 2, NULL);
        }
    }
    return *end == ',' ? end + 1 : end;
}

enum metrics_format metrics_format_choose(const char *accept)
{
    double openmetrics = 0;
    double plain = 0;
    while (accept != NULL && *accept != '\0') {
        struct element element;
        accept = next_element(&element, accept);
        if (is_range(&element, "application/openmetrics-text") && element.quality > openmetrics) {
            openmetrics = element.quality;
        } else if (is_range(&element, "text/plain") && element.quality > plain) {
            plain = element.quality;
        }
    }
    return openmetrics > 0 && openmetrics >= plain ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
}

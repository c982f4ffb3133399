#include "base/address.h"
#include "base/arguments.h"
#include "base/clock_time.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool argument_takes_value(const struct argument_row *row)
{
    return row->kind != ARGUMENT_FLAG && row->kind != ARGUMENT_CONSTANT &&
           row->kind != ARGUMENT_ACTION;
}

static bool is_in_range(const struct argument_row *row, double number)
{
    return number >= row->min && (row->max == 0 || number <= row->max);
}

/* Decimal digits, with a sign at most: strtoll alone would skip white space. */
static bool store_integer(void *field, const struct argument_row *row, const char *text)
{
    char *end;
    errno = 0;
    int64_t number = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)text[text[0] == '-']) || *end != '\0' || errno != 0 ||
        !is_in_range(row, (double)number)) {
        return false;
    }
    switch (row->size) {
    case sizeof(uint16_t):
        memcpy(field, &(uint16_t){(uint16_t)number}, row->size);
        return true;
    case sizeof(uint32_t):
        memcpy(field, &(uint32_t){(uint32_t)number}, row->size);
        return true;
    default:
        assert(row->size == sizeof(number));
        memcpy(field, &number, sizeof(number));
        return true;
    }
}

static bool store_real(double *field, const struct argument_row *row, const char *text)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || isspace((unsigned char)text[0]) || *end != '\0' || !isfinite(number) ||
        !is_in_range(row, number)) {
        return false;
    }
    *field = number;
    return true;
}

static bool store_duration(int64_t *field, const struct argument_row *row, const char *text)
{
    int64_t duration_s;
    if (!duration_parse(&duration_s, text) || !is_in_range(row, (double)duration_s)) {
        return false;
    }
    *field = duration_s;
    return true;
}

static bool store_choice(int *field, const struct argument_row *row, const char *text)
{
    for (int i = 0; row->choices[i] != NULL; i++) {
        if (strcmp(row->choices[i], text) == 0) {
            *field = i;
            return true;
        }
    }
    return false;
}

static bool store_host(char *host, uint16_t *port, const struct argument_row *row, const char *text)
{
    return host_port_split(host, port, text, row->default_port) && *port != 0;
}

static bool store_in_list(const char **list, size_t *num, const struct argument_row *row,
                          const char *text)
{
    if (*num == row->size / sizeof(*list)) {
        return false;
    }
    list[(*num)++] = text;
    return true;
}

bool argument_store(void *values, const struct argument_row *row, const char *text)
{
    void *field = (char *)values + row->offset;
    void *companion = (char *)values + row->companion;
    switch (row->kind) {
    case ARGUMENT_FLAG:
        *(bool *)field = true;
        return true;
    case ARGUMENT_CONSTANT:
        *(int *)field = row->constant;
        return true;
    case ARGUMENT_ACTION:
        row->act(values);
        return true;
    case ARGUMENT_TEXT:
        *(const char **)field = text;
        return true;
    case ARGUMENT_INTEGER:
        return store_integer(field, row, text);
    case ARGUMENT_REAL:
        return store_real(field, row, text);
    case ARGUMENT_DURATION:
        return store_duration(field, row, text);
    case ARGUMENT_CHOICE:
        return store_choice(field, row, text);
    case ARGUMENT_HOST:
        return store_host(field, companion, row, text);
    case ARGUMENT_LIST:
        return store_in_list(field, companion, row, text);
    case ARGUMENT_CUSTOM:
        return row->take(field, text);
    }
    return false;
}

static void expected_number(char text[ARGUMENT_EXPECTED_LEN], const struct argument_row *row)
{
    const char *kind = row->kind == ARGUMENT_INTEGER ? "a whole number" : "a number";
    const char *of = row->unit != NULL ? " of " : "";
    const char *unit = row->unit != NULL ? row->unit : "";
    if (row->max != 0) {
        snprintf(text, ARGUMENT_EXPECTED_LEN, "%s%s%s from %.10g to %.10g", kind, of, unit,
                 row->min, row->max);
    } else {
        snprintf(text, ARGUMENT_EXPECTED_LEN, "%s%s%s, at least %.10g", kind, of, unit, row->min);
    }
}

static void expected_choice(char text[ARGUMENT_EXPECTED_LEN], const struct argument_row *row)
{
    size_t len = 0;
    for (size_t i = 0; row->choices[i] != NULL && len < ARGUMENT_EXPECTED_LEN; i++) {
        const char *separator = i == 0 ? "" : row->choices[i + 1] != NULL ? ", " : " or ";
        len += (size_t)snprintf(text + len, ARGUMENT_EXPECTED_LEN - len, "%s%s", separator,
                                row->choices[i]);
    }
}

void argument_expected(char text[ARGUMENT_EXPECTED_LEN], const struct argument_row *row)
{
    if (row->expected != NULL) {
        snprintf(text, ARGUMENT_EXPECTED_LEN, "%s", row->expected);
        return;
    }
    switch (row->kind) {
    case ARGUMENT_INTEGER:
    case ARGUMENT_REAL:
        expected_number(text, row);
        return;
    case ARGUMENT_CHOICE:
        expected_choice(text, row);
        return;
    case ARGUMENT_DURATION:
        snprintf(text, ARGUMENT_EXPECTED_LEN, "a duration such as 90s, 15m, 12h, 1d or 2w%s",
                 row->min > 0 ? ", not 0" : "");
        return;
    case ARGUMENT_HOST:
        snprintf(text, ARGUMENT_EXPECTED_LEN, "%s",
                 row->default_port != 0 ? "HOST[:PORT] or [IPV6][:PORT]"
                                        : "HOST:PORT or [IPV6]:PORT");
        return;
    case ARGUMENT_LIST:
        snprintf(text, ARGUMENT_EXPECTED_LEN, "at most %zu of them",
                 row->size / sizeof(const char *));
        return;
    default:
        snprintf(text, ARGUMENT_EXPECTED_LEN, "%s", row->value != NULL ? row->value : "no value");
        return;
    }
}

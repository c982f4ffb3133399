#include "base/clock_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t real_time_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

int64_t mono_time_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

void rfc3339_format(char text[RFC3339_LEN + 1], int64_t time_s)
{
    time_t time = (time_t)time_s;
    struct tm tm;
    if (gmtime_r(&time, &tm) == NULL ||
        strftime(text, RFC3339_LEN + 1, "%Y-%m-%dT%H:%M:%SZ", &tm) != RFC3339_LEN) {
        memcpy(text, "0000-00-00T00:00:00Z", RFC3339_LEN + 1);
    }
}

/* Reads exactly `digits` decimal digits; -1 if they are not. */
static int read_digits(const char *text, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool rfc3339_parse(int64_t *time_s, const char *text)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    if (strlen(text) != RFC3339_LEN) {
        return false;
    }
    for (int i = 0; i < RFC3339_LEN; i++) {
        if (form[i] != '0' && text[i] != form[i]) {
            return false;
        }
    }
    struct tm tm = {
        .tm_year = read_digits(text, 4) - 1900,
        .tm_mon = read_digits(text + 5, 2) - 1,
        .tm_mday = read_digits(text + 8, 2),
        .tm_hour = read_digits(text + 11, 2),
        .tm_min = read_digits(text + 14, 2),
        .tm_sec = read_digits(text + 17, 2),
    };
    if (tm.tm_year < 70 || tm.tm_mon < 0 || tm.tm_mday < 0 || tm.tm_hour < 0 || tm.tm_min < 0 ||
        tm.tm_sec < 0) {
        return false;
    }
    /* timegm normalises 30 February to 2 March: what comes back must be what went in. */
    time_t time = timegm(&tm);
    char again[RFC3339_LEN + 1];
    rfc3339_format(again, time);
    if (strcmp(again, text) != 0) {
        return false;
    }
    *time_s = time;
    return true;
}

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

static const struct {
    char letter;
    int64_t seconds;
} units[] = {{'w', 7 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};

#define NUM_UNITS (sizeof(units) / sizeof(units[0]))

bool duration_parse(int64_t *duration_s, const char *text)
{
    int64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (*at - '0');
        if (number > DURATION_MAX_S) {
            return false;
        }
    }
    for (size_t i = 0; i < NUM_UNITS; i++) {
        if (at > text && at[0] == units[i].letter && at[1] == '\0') {
            *duration_s = number * units[i].seconds;
            return *duration_s <= DURATION_MAX_S;
        }
    }
    return false;
}

void duration_format(char text[DURATION_TEXT_LEN], int64_t duration_s)
{
    int64_t left_s = duration_s < 0 ? -duration_s : duration_s;
    size_t i = 1; /* days, and no weeks: people count in days */
    while (i + 1 < NUM_UNITS && left_s < units[i].seconds) {
        i++;
    }
    long long major = left_s / units[i].seconds;
    long long minor = i + 1 < NUM_UNITS ? left_s % units[i].seconds / units[i + 1].seconds : 0;
    if (minor > 0) {
        snprintf(text, DURATION_TEXT_LEN, "%lld %c %lld %c", major, units[i].letter, minor,
                 units[i + 1].letter);
    } else {
        snprintf(text, DURATION_TEXT_LEN, "%lld %c", major, units[i].letter);
    }
}

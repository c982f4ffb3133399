#include "log/log.h"

#include "base/clock_time.h"
#include "log/log_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The counters of a server fill a longer line than an event does, but need no escapes. */
#define COUNTERS_TEXT_LEN 4096

_Static_assert(LOG_LINE_LEN > COUNTERS_TEXT_LEN + 256, "a line holds all counters");

#define LEVEL_NAME(name, label, priority)     label,
#define LEVEL_PRIORITY(name, label, priority) priority,

const char *const log_level_names[] = {LOG_LEVEL_TABLE(LEVEL_NAME) NULL};
const char *const log_format_names[] = {
    [LOG_FORMAT_HUMAN] = "human", [LOG_FORMAT_JSON] = "json", NULL};

static atomic_int least_urgent = LOG_LEVEL_INFO;
static atomic_int line_format = LOG_FORMAT_HUMAN;

int log_level_priority(enum log_level level)
{
    static const int priorities[] = {LOG_LEVEL_TABLE(LEVEL_PRIORITY)};
    return priorities[level];
}

void log_set_level(enum log_level level)
{
    atomic_store(&least_urgent, (int)level);
}

void log_set_format(enum log_format format)
{
    atomic_store(&line_format, (int)format);
}

/* Whether standard error leads to the journal: systemd.exec(5), $JOURNAL_STREAM. A program that
 * has redirected it since has the variable all the same. */
static bool find_journal(void)
{
    struct stat stream;
    const char *text = getenv("JOURNAL_STREAM");
    char expected[48];
    if (text == NULL || fstat(STDERR_FILENO, &stream) != 0) {
        return false;
    }
    snprintf(expected, sizeof(expected), "%ju:%ju", (uintmax_t)stream.st_dev,
             (uintmax_t)stream.st_ino);
    return strcmp(text, expected) == 0;
}

static bool is_journal(void)
{
    enum { UNKNOWN, NO, YES };
    static atomic_int answer = UNKNOWN; /* two threads that ask at once find the same */
    int known = atomic_load_explicit(&answer, memory_order_relaxed);
    if (known == UNKNOWN) {
        known = find_journal() ? YES : NO;
        atomic_store(&answer, known);
    }
    return known == YES;
}

/* Writes an event; a failure can be reported nowhere. */
static void write_event(enum log_level level, const char *event, const char *marked)
{
    bool is_json = atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_FORMAT_JSON;
    int64_t now_ns = real_time_ns();
    char seconds[RFC3339_LEN + 1];
    char time[RFC3339_LEN + 8];
    char prefix[8] = "";
    char line[LOG_LINE_LEN];
    rfc3339_format(seconds, now_ns / NS_PER_S);
    snprintf(time, sizeof(time), "%.19s.%03dZ", seconds, (int)(now_ns % NS_PER_S / NS_PER_MS));
    if (is_journal()) {
        snprintf(prefix, sizeof(prefix), "<%d>", log_level_priority(level));
    }
    const struct log_head head = {.prefix = prefix,
                                  .time = is_json || !is_journal() ? time : NULL,
                                  .level = log_level_names[level],
                                  .event = event};
    size_t len = is_json ? log_line_json(line, sizeof(line), &head, marked)
                         : log_line_human(line, sizeof(line), &head, marked);
    if (write(STDERR_FILENO, line, len) < 0) {
        return;
    }
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&least_urgent, memory_order_relaxed)) {
        return;
    }
    char marked_format[LOG_TEXT_LEN];
    char marked[LOG_TEXT_LEN];
    log_mark_format(marked_format, sizeof(marked_format), format);
    va_list args;
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the same conversions as in `format` */
    int len = vsnprintf(marked, sizeof(marked), marked_format, args);
#pragma GCC diagnostic pop
    va_end(args);
    write_event(level, event, len >= 0 ? marked : "");
}

void log_change_level(enum log_level level)
{
    char marked[64];
    snprintf(marked, sizeof(marked), "to=%c%s%c", LOG_MARK_PLAIN, log_level_names[level],
             LOG_MARK_END);
    log_set_level(level);
    write_event(LOG_LEVEL_INFO, "log.level", marked);
}

void log_counters(const char *event, const char *const *names, const uint64_t *values, size_t num)
{
    char marked[COUNTERS_TEXT_LEN] = "";
    size_t len = 0;
    for (size_t i = 0; i < num && len < sizeof(marked) - 80; i++) {
        if (values[i] != 0) {
            len += (size_t)snprintf(marked + len, sizeof(marked) - len, "%s%.40s=%c%" PRIu64 "%c",
                                    len > 0 ? " " : "", names[i], LOG_MARK_PLAIN, values[i],
                                    LOG_MARK_END);
        }
    }
    write_event(LOG_LEVEL_INFO, event, marked);
}

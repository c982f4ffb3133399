#include "runtime/log.h"

#include "base/clock_time.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const log_level_names[] = {"error", "warning", "info", NULL};

static atomic_int least_urgent = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&least_urgent, (int)level);
}

/* Writes a finished line; there is nobody to tell if that fails. */
static void write_line(char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[len] = '\n';
    if (write(STDERR_FILENO, line, len + 1) < 0) {
        return;
    }
}

static size_t start_line(char *line, size_t size, enum log_level level, const char *event)
{
    int64_t now_ns = real_time_ns();
    char time_text[RFC3339_LEN + 1];
    rfc3339_format(time_text, now_ns / NS_PER_S);
    int len = snprintf(line, size, "%.19s.%03dZ %s %s", time_text,
                       (int)(now_ns % NS_PER_S / NS_PER_MS), log_level_names[level], event);
    return (size_t)len;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level > atomic_load_explicit(&least_urgent, memory_order_relaxed)) {
        return;
    }
    char line[1024];
    size_t len = start_line(line, sizeof(line) - 2, level, event);
    line[len++] = ' ';
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + len, sizeof(line) - 1 - len, format, args);
    va_end(args);
    len += more > 0 ? (size_t)more : 0;
    write_line(line, len < sizeof(line) - 1 ? len : sizeof(line) - 2);
}

void log_counters(const char *event, const char *const *names, const uint64_t *values, size_t num)
{
    char line[4096];
    size_t len = start_line(line, sizeof(line), LOG_LEVEL_INFO, event);
    for (size_t i = 0; i < num && len < sizeof(line) - 80; i++) {
        if (values[i] != 0) {
            len += (size_t)snprintf(line + len, sizeof(line) - len, " %.40s=%" PRIu64, names[i],
                                    values[i]);
        }
    }
    write_line(line, len);
}

/* Logs for operators: lifecycle events, one line, one write, on standard error. Traffic is counted,
 * never logged. No secret, cookie or key ever comes here. Thread-safe.
 *
 *   human  `time level event key=value ...`
 *   json   one object a line: time, level, event, and the keys and values of the event
 *
 * Where standard error is systemd's journal ($JOURNAL_STREAM), each line begins with its priority
 * as in sd-daemon(3), and lines for people leave out the time, which the journal has. */
#ifndef NTS_LOG_LOG_H
#define NTS_LOG_LOG_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* One row is the level, its name, and its priority as syslog(3) counts, which the journal takes,
 * and which is the number of the signal (SIGRTMIN + n) that sets it: see control.h. */
#define LOG_LEVEL_TABLE(X)                                                                         \
    X(ERROR, "error", 3)                                                                           \
    X(WARNING, "warning", 4)                                                                       \
    X(INFO, "info", 6)

enum log_level {
#define LOG_LEVEL_ENUM(name, label, priority) LOG_LEVEL_##name,
    LOG_LEVEL_TABLE(LOG_LEVEL_ENUM)
#undef LOG_LEVEL_ENUM
        LOG_NUM_LEVELS
};

enum log_format { LOG_FORMAT_HUMAN, LOG_FORMAT_JSON };

/* The names of the levels and of the formats, in order, ending with NULL. */
extern const char *const log_level_names[];
extern const char *const log_format_names[];

/* The row of an option table for a format (an int) at `OFFSET`. */
#define LOG_FORMAT_OPTION_ROW(OFFSET)                                                              \
    {                                                                                              \
        .name = "log_format", .type = OPTION_CHOICE, .offset = (OFFSET),                           \
        .choices = log_format_names, .default_json = "\"human\"",                                  \
        .help = "how the log is written: `time level event key=value` for people, or one JSON "    \
                "object a line"                                                                    \
    }

/* log_level_priority returns the syslog priority of a level. */
int log_level_priority(enum log_level level);

/* log_set_level drops what is less urgent than `level`. */
void log_set_level(enum log_level level);

/* log_change_level does the same while the program runs, and says so whatever the level is. */
void log_change_level(enum log_level level);

/* log_set_format chooses how the lines from now on are written; human at first. */
void log_set_format(enum log_format format);

/* log_event writes one line. `event` is a dotted name such as "keyring.loaded", the rest
 * `key=value` pairs with a space between them; values with spaces go in double quotes, values of
 * %x are names, not numbers. Keys stand in the format. Control characters become '?', or are
 * escaped in JSON. */
void log_event(enum log_level level, const char *event, const char *format, ...) NTS_PRINTF(3, 4);

#define log_error(event, ...)   log_event(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warning(event, ...) log_event(LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_info(event, ...)    log_event(LOG_LEVEL_INFO, event, __VA_ARGS__)

/* log_counters writes one line `event name=value ...` with the counters that are not zero. They
 * were asked for, so the level does not matter. */
void log_counters(const char *event, const char *const *names, const uint64_t *values, size_t num);

#endif

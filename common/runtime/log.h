/* Logs for operators: lifecycle events as `time level event key=value ...`, one line, one write, on
 * standard error. Traffic is counted, never logged. No secret, cookie or key ever comes here.
 * Thread-safe. */
#ifndef NTS_RUNTIME_LOG_H
#define NTS_RUNTIME_LOG_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };

/* The names of the levels, in order, ending with NULL. */
extern const char *const log_level_names[];

/* log_set_level drops what is less urgent than `level`. */
void log_set_level(enum log_level level);

/* log_event writes one line. `event` is a dotted name such as "keyring.loaded", the rest
 * `key=value` pairs; values with spaces go in double quotes. Control characters become '?'. */
void log_event(enum log_level level, const char *event, const char *format, ...) NTS_PRINTF(3, 4);

#define log_error(event, ...)   log_event(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warning(event, ...) log_event(LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_info(event, ...)    log_event(LOG_LEVEL_INFO, event, __VA_ARGS__)

/* log_counters writes one line `event name=value ...` with the counters that are not zero. */
void log_counters(const char *event, const char *const *names, const uint64_t *values, size_t num);

#endif

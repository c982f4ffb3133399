/* Time: nanoseconds since the Unix epoch or since boot, and RFC 3339 text in UTC. */
#ifndef NTS_BASE_CLOCK_TIME_H
#define NTS_BASE_CLOCK_TIME_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* real_time_ns returns CLOCK_REALTIME, the clock that the farm serves. */
int64_t real_time_ns(void);

/* mono_time_ns returns CLOCK_MONOTONIC, for deadlines. */
int64_t mono_time_ns(void);

#define RFC3339_LEN 20 /* "2026-11-22T00:00:00Z" */

/* rfc3339_format writes `time_s` (seconds since 1970, years 1970 to 9999) and a NUL. */
void rfc3339_format(char text[RFC3339_LEN + 1], int64_t time_s);

/* rfc3339_parse reads exactly YYYY-MM-DDThh:mm:ssZ (RFC 3339 section 5.6, UTC, whole seconds);
 * false if it is anything else or no such date. */
bool rfc3339_parse(int64_t *time_s, const char *text);

#define DURATION_MAX_S (INT64_C(100) * 366 * 86400)

/* duration_parse reads a whole number with a unit - 90s, 15m, 12h, 1d, 2w - of at most
 * DURATION_MAX_S; false if it is anything else. */
bool duration_parse(int64_t *duration_s, const char *text);

#define DURATION_TEXT_LEN 48

/* duration_format writes a duration for people, in its two largest units ("2 d 3 h", "45 s"); the
 * sign is left out. */
void duration_format(char text[DURATION_TEXT_LEN], int64_t duration_s);

#endif

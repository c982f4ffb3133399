/* One event as a line of text. Pure: no I/O, no clock, never allocates.
 *
 * In between an event is marked text: `key=value` pairs with control characters around each value,
 * so that a value may hold spaces and quotes and still has an end. */
#ifndef NTS_LOG_LOG_LINE_H
#define NTS_LOG_LOG_LINE_H

#include <stddef.h>

enum log_mark {
    LOG_MARK_NAME = 0x1c, /* a plain value that is no number, whatever it looks like */
    LOG_MARK_PLAIN,       /* a number, true or false, or one word */
    LOG_MARK_QUOTED,      /* anything */
    LOG_MARK_END,         /* of a value */
};

/* The marked text of an event, and the longest line that comes of it: JSON may need six characters
 * for one. */
#define LOG_TEXT_LEN 1024
#define LOG_LINE_LEN (6 * LOG_TEXT_LEN + 1024)

/* log_mark_format puts marks into a printf format `key=%d other="%s"`, so that printing it gives
 * marked text. A value with a conversion to hexadecimal is a name. Cut to fit. */
void log_mark_format(char *marked, size_t size, const char *format);

/* What stands in front of the pairs. */
struct log_head {
    const char *prefix; /* of the line, may be empty */
    const char *time;   /* RFC 3339; NULL: left out */
    const char *level;
    const char *event;
};

/* log_line_human and log_line_json write one line, with its line feed, of up to `size` characters
 * (at least 512), and return its length. There is no NUL behind it. A line that does not fit is
 * cut behind a character, a JSON object behind a pair. JSON is UTF-8 in any case: other octets
 * become U+FFFD. */
size_t log_line_human(char *line, size_t size, const struct log_head *head, const char *marked);
size_t log_line_json(char *line, size_t size, const struct log_head *head, const char *marked);

#endif

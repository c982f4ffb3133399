#include "log/log_line.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Text that ends where the room ends. */
struct text {
    char *at;
    size_t len;
    size_t size;
    bool is_full; /* something did not fit: nothing more is put */
};

static void put(struct text *text, const char *octets, size_t len)
{
    if (text->is_full || len > text->size - text->len) {
        text->is_full = true;
        return;
    }
    memcpy(text->at + text->len, octets, len);
    text->len += len;
}

static void put_char(struct text *text, char c)
{
    put(text, &c, 1);
}

static void put_string(struct text *text, const char *string)
{
    put(text, string, strlen(string));
}

/* --- from formats to marks --- */

/* The length of the value at the start of `format`, and where it starts: behind a quote if it has
 * one. A value ends with its quote, or before a space. */
static size_t value_span(const char **start, const char *format)
{
    bool is_quoted = *format == '"';
    *start = format + (is_quoted ? 1 : 0);
    return strcspn(*start, is_quoted ? "\"" : " ");
}

static bool has_hexadecimal(const char *value, size_t len)
{
    const char *conversion = memchr(value, '%', len);
    return conversion != NULL && conversion[strspn(conversion + 1, "#0123456789.hlzjt") + 1] == 'x';
}

void log_mark_format(char *marked, size_t size, const char *format)
{
    struct text text = {.at = marked, .size = size - 1};
    while (*format != '\0') {
        size_t key_len = strcspn(format, "=");
        put(&text, format, key_len);
        format += key_len;
        if (*format == '\0') {
            break;
        }
        const char *value;
        size_t value_len = value_span(&value, format + 1);
        bool is_quoted = value != format + 1;
        put_char(&text, '=');
        put_char(&text, is_quoted                           ? LOG_MARK_QUOTED
                        : has_hexadecimal(value, value_len) ? LOG_MARK_NAME
                                                            : LOG_MARK_PLAIN);
        put(&text, value, value_len);
        put_char(&text, LOG_MARK_END);
        format = value + value_len + (is_quoted && value[value_len] == '"' ? 1 : 0);
    }
    marked[text.len] = '\0';
}

/* --- for people --- */

size_t log_line_human(char *line, size_t size, const struct log_head *head, const char *marked)
{
    struct text text = {.at = line, .size = size - 1};
    bool is_quoted = false;
    put_string(&text, head->prefix);
    if (head->time != NULL) {
        put_string(&text, head->time);
        put_char(&text, ' ');
    }
    put_string(&text, head->level);
    put_char(&text, ' ');
    put_string(&text, head->event);
    if (*marked != '\0') {
        put_char(&text, ' ');
    }
    for (const char *c = marked; *c != '\0'; c++) {
        switch (*c) {
        case LOG_MARK_NAME:
        case LOG_MARK_PLAIN:
            break;
        case LOG_MARK_QUOTED:
        case LOG_MARK_END:
            if (*c == LOG_MARK_QUOTED || is_quoted) {
                put_char(&text, '"');
            }
            is_quoted = *c == LOG_MARK_QUOTED;
            break;
        default:
            put_char(&text, (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c);
        }
    }
    line[text.len] = '\n';
    return text.len + 1;
}

/* --- JSON (RFC 8259) --- */

/* The length of the UTF-8 character at `octets` (RFC 3629, section 4), of which `len` are there; 0
 * if it is none. */
static size_t utf8_len(const uint8_t *octets, size_t len)
{
    static const struct {
        uint8_t first, last;            /* of the first octet */
        uint8_t second_min, second_max; /* what would be overlong, a surrogate or too high */
        uint8_t len;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (octets[0] < forms[i].first || octets[0] > forms[i].last || len < forms[i].len) {
            continue;
        }
        bool is_valid = forms[i].len == 1 ||
                        (octets[1] >= forms[i].second_min && octets[1] <= forms[i].second_max);
        for (size_t j = 2; j < forms[i].len; j++) {
            is_valid = is_valid && (octets[j] & 0xc0) == 0x80;
        }
        return is_valid ? forms[i].len : 0;
    }
    return 0;
}

static void put_json_string(struct text *text, const char *string, size_t len)
{
    const uint8_t *octets = (const uint8_t *)string;
    put_char(text, '"');
    for (size_t i = 0; i < len;) {
        size_t char_len = utf8_len(octets + i, len - i);
        char escaped[8];
        if (char_len == 0) {
            put_string(text, "\\ufffd");
            i++;
        } else if (octets[i] == '"' || octets[i] == '\\') {
            put_char(text, '\\');
            put(text, string + i++, 1);
        } else if (octets[i] < 0x20 || octets[i] == 0x7f) {
            snprintf(escaped, sizeof(escaped), "\\u%04x", octets[i++]);
            put_string(text, escaped);
        } else {
            put(text, string + i, char_len);
            i += char_len;
        }
    }
    put_char(text, '"');
}

/* A number as JSON writes it, an integer that every reader takes; or true or false. */
static bool is_json_word(const char *value, size_t len)
{
    size_t sign = len > 0 && value[0] == '-' ? 1 : 0;
    size_t num_digits = len - sign;
    if (num_digits > 0 && num_digits <= 20 && strspn(value + sign, "0123456789") >= num_digits) {
        return num_digits == 1 || value[sign] != '0';
    }
    return (len == 4 && memcmp(value, "true", 4) == 0) ||
           (len == 5 && memcmp(value, "false", 5) == 0);
}

/* Puts all of the pair, or nothing. */
static void put_json_pair(struct text *text, const char *key, size_t key_len, const char *value,
                          size_t value_len, enum log_mark kind)
{
    size_t len_before = text->len;
    if (text->at[len_before - 1] != '{') {
        put_char(text, ',');
    }
    put_json_string(text, key, key_len);
    put_char(text, ':');
    if (kind == LOG_MARK_PLAIN && is_json_word(value, value_len)) {
        put(text, value, value_len);
    } else {
        put_json_string(text, value, value_len);
    }
    if (text->is_full) {
        text->len = len_before;
    }
}

static void put_json_member(struct text *text, const char *key, const char *value)
{
    put_json_pair(text, key, strlen(key), value, strlen(value), LOG_MARK_QUOTED);
}

size_t log_line_json(char *line, size_t size, const struct log_head *head, const char *marked)
{
    static const char end[] = {LOG_MARK_END, '\0'};
    struct text text = {.at = line, .size = size - strlen("}\n")};
    put_string(&text, head->prefix);
    put_char(&text, '{');
    if (head->time != NULL) {
        put_json_member(&text, "time", head->time);
    }
    put_json_member(&text, "level", head->level);
    put_json_member(&text, "event", head->event);
    for (const char *c = marked; *c != '\0';) {
        const char *key = c + strspn(c, " ");
        size_t key_len = strcspn(key, "=");
        if (key[key_len] == '\0' || key[key_len + 1] == '\0') {
            break;
        }
        const char *value = key + key_len + 2;
        size_t value_len = strcspn(value, end);
        put_json_pair(&text, key, key_len, value, value_len, (enum log_mark)key[key_len + 1]);
        c = value + value_len + (value[value_len] == LOG_MARK_END ? 1 : 0);
    }
    line[text.len] = '}';
    line[text.len + 1] = '\n';
    return text.len + 2;
}

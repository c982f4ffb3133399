#include "base/json_slice.h"

#include <string.h>

/* A pass over the text. `at` stays where the fault is. */
struct scan {
    const char *at;
    const char *end;
    unsigned depth;
};

static bool scan_value(struct scan *scan);

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_at(const struct scan *scan, char c)
{
    return scan->at < scan->end && *scan->at == c;
}

static bool scan_char(struct scan *scan, char c)
{
    bool is_there = is_at(scan, c);
    scan->at += is_there;
    return is_there;
}

static void scan_space(struct scan *scan)
{
    while (scan->at < scan->end && *scan->at != '\0' && strchr(" \t\r\n", *scan->at) != NULL) {
        scan->at++;
    }
}

/* --- strings --- */

static int hex_value(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Reads the four digits of \uXXXX; -1 if they are none. */
static int scan_unit(struct scan *scan)
{
    int unit = 0;
    for (int i = 0; i < 4; i++, scan->at++) {
        int digit = scan->at < scan->end ? hex_value(*scan->at) : -1;
        if (digit < 0) {
            return -1;
        }
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Behind "\u": a code point but NUL, of which those above 0xffff are two units. */
static bool scan_code_point(struct scan *scan, uint32_t *code)
{
    int unit = scan_unit(scan);
    if (unit <= 0 || (unit >= 0xdc00 && unit <= 0xdfff)) {
        return false;
    }
    *code = (uint32_t)unit;
    if (unit < 0xd800 || unit > 0xdbff) {
        return true;
    }
    int low = scan_char(scan, '\\') && scan_char(scan, 'u') ? scan_unit(scan) : -1;
    *code = 0x10000 + (((uint32_t)unit & 0x3ff) << 10) + ((uint32_t)low & 0x3ff);
    return low >= 0xdc00 && low <= 0xdfff;
}

static size_t encode_utf8(char out[4], uint32_t code)
{
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t leads[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    for (size_t i = len; i-- > 1; code >>= 6) {
        out[i] = (char)(0x80 | (code & 0x3f));
    }
    out[0] = (char)(leads[len] | code);
    return len;
}

static size_t scan_escape(struct scan *scan, char out[4])
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    uint32_t code;
    if (scan_char(scan, 'u')) {
        return scan_code_point(scan, &code) ? encode_utf8(out, code) : 0;
    }
    const char *name = scan->at < scan->end && *scan->at != '\0' ? strchr(names, *scan->at) : NULL;
    if (name == NULL) {
        return 0;
    }
    out[0] = values[name - names];
    scan->at++;
    return 1;
}

/* RFC 3629: no overlong forms, no surrogates, nothing above 0x10ffff. */
static size_t scan_utf8(struct scan *scan, char out[4])
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = (uint8_t)*scan->at;
    size_t len = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (len == 0 || lead > 0xf4 || len > (size_t)(scan->end - scan->at)) {
        return 0;
    }
    uint32_t code = len == 1 ? lead : lead & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        uint8_t octet = (uint8_t)scan->at[i];
        if ((octet & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (octet & 0x3f);
    }
    if (code < least[len] || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) {
        return 0;
    }
    memcpy(out, scan->at, len);
    scan->at += len;
    return len;
}

/* Decodes one character of a string. Returns its octets, 0 if it is none. */
static size_t scan_character(struct scan *scan, char out[4])
{
    if (scan->at == scan->end || (uint8_t)*scan->at < 0x20) {
        return 0;
    }
    return scan_char(scan, '\\') ? scan_escape(scan, out) : scan_utf8(scan, out);
}

static bool scan_string(struct scan *scan)
{
    char octets[4];
    if (!scan_char(scan, '"')) {
        return false;
    }
    while (!scan_char(scan, '"')) {
        if (scan_character(scan, octets) == 0) {
            return false;
        }
    }
    return true;
}

/* Whether two strings, from quote to quote, decode to the same. */
static bool is_same_string(const struct json_slice *a, const struct json_slice *b)
{
    struct scan left = {.at = a->start + 1, .end = a->end - 1};
    struct scan right = {.at = b->start + 1, .end = b->end - 1};
    while (left.at < left.end && right.at < right.end) {
        char left_octets[4];
        char right_octets[4];
        size_t len = scan_character(&left, left_octets);
        if (scan_character(&right, right_octets) != len ||
            memcmp(left_octets, right_octets, len) != 0) {
            return false;
        }
    }
    return left.at == left.end && right.at == right.end;
}

/* --- the other values --- */

static bool scan_digits(struct scan *scan)
{
    const char *start = scan->at;
    while (scan->at < scan->end && is_digit(*scan->at)) {
        scan->at++;
    }
    return scan->at > start;
}

static bool scan_number(struct scan *scan)
{
    scan_char(scan, '-');
    if (!scan_char(scan, '0') && !scan_digits(scan)) {
        return false;
    }
    if (scan_char(scan, '.') && !scan_digits(scan)) {
        return false;
    }
    if (scan_char(scan, 'e') || scan_char(scan, 'E')) {
        (void)(scan_char(scan, '-') || scan_char(scan, '+'));
        return scan_digits(scan);
    }
    return true;
}

static bool scan_word(struct scan *scan, const char *word)
{
    while (*word != '\0' && scan_char(scan, *word)) {
        word++;
    }
    return *word == '\0';
}

static bool scan_list(struct scan *scan)
{
    scan_space(scan);
    if (scan_char(scan, ']')) {
        return true;
    }
    do {
        scan_space(scan);
        if (!scan_value(scan)) {
            return false;
        }
        scan_space(scan);
    } while (scan_char(scan, ','));
    return scan_char(scan, ']');
}

/* A name that no member before had. */
static bool scan_name(struct scan *scan, struct json_slice *names, size_t num)
{
    struct json_slice *name = &names[num];
    name->start = scan->at;
    if (num == JSON_SLICE_MAX_MEMBERS || !scan_string(scan)) {
        return false;
    }
    name->end = scan->at;
    for (size_t i = 0; i < num; i++) {
        if (is_same_string(&names[i], name)) {
            scan->at = name->start;
            return false;
        }
    }
    return true;
}

static bool scan_object(struct scan *scan)
{
    struct json_slice names[JSON_SLICE_MAX_MEMBERS + 1];
    size_t num = 0;
    scan_space(scan);
    if (scan_char(scan, '}')) {
        return true;
    }
    do {
        scan_space(scan);
        if (!scan_name(scan, names, num++)) {
            return false;
        }
        scan_space(scan);
        if (!scan_char(scan, ':')) {
            return false;
        }
        scan_space(scan);
        if (!scan_value(scan)) {
            return false;
        }
        scan_space(scan);
    } while (scan_char(scan, ','));
    return scan_char(scan, '}');
}

static bool scan_value(struct scan *scan)
{
    if (is_at(scan, '{') || is_at(scan, '[')) {
        bool is_object = is_at(scan, '{');
        if (scan->depth == JSON_SLICE_MAX_DEPTH) {
            return false;
        }
        scan->depth++;
        scan->at++;
        bool is_right = is_object ? scan_object(scan) : scan_list(scan);
        scan->depth--;
        return is_right;
    }
    switch (scan->at < scan->end ? *scan->at : '\0') {
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        return scan_number(scan);
    }
}

bool json_slice_parse(struct json_slice *value, const char *text, size_t len,
                      struct json_position *fault)
{
    struct scan scan = {.at = text, .end = text + len};
    scan_space(&scan);
    value->start = scan.at;
    bool is_right = scan_value(&scan);
    value->end = scan.at;
    if (is_right) {
        scan_space(&scan);
        if (scan.at == scan.end) {
            return true;
        }
    }
    *fault = (struct json_position){.line = 1, .column = 1};
    for (const char *at = text; at < scan.at; at++) {
        fault->line += *at == '\n';
        fault->column = *at == '\n' ? 1 : fault->column + 1;
    }
    return false;
}

/* --- what is in a slice --- */

bool json_slice_is_object(const struct json_slice *value)
{
    return *value->start == '{';
}

bool json_slice_is_list(const struct json_slice *value)
{
    return *value->start == '[';
}

bool json_slice_next(struct json_slice *value, struct json_slice *name, struct json_slice *rest)
{
    /* What comes next begins behind a bracket or a comma; the last bracket is at rest->end. */
    struct scan scan = {.at = rest->start + 1, .end = rest->end};
    scan_space(&scan);
    if (rest->end - rest->start < 2 || is_at(&scan, ']') || is_at(&scan, '}')) {
        return false;
    }
    if (name != NULL) {
        name->start = scan.at;
        scan_string(&scan);
        name->end = scan.at;
        scan_space(&scan);
        scan_char(&scan, ':');
        scan_space(&scan);
    }
    value->start = scan.at;
    scan_value(&scan);
    value->end = scan.at;
    scan_space(&scan);
    rest->start = scan.at;
    return true;
}

bool json_slice_member(struct json_slice *value, const struct json_slice *object, const char *name)
{
    struct json_slice rest = *object;
    struct json_slice found;
    while (json_slice_is_object(object) && json_slice_next(value, &found, &rest)) {
        if (json_slice_equals(&found, name)) {
            return true;
        }
    }
    return false;
}

bool json_slice_integer(int64_t *integer, const struct json_slice *value)
{
    const char *at = value->start;
    bool is_negative = *at == '-';
    at += is_negative;
    *integer = 0;
    for (; at < value->end; at++) {
        int digit = is_negative ? '0' - *at : *at - '0';
        if (!is_digit(*at) || __builtin_mul_overflow(*integer, 10, integer) ||
            __builtin_add_overflow(*integer, digit, integer)) {
            return false;
        }
    }
    return true;
}

size_t json_slice_string(char *text, size_t capacity, const struct json_slice *value)
{
    size_t len = 0;
    text[0] = '\0';
    if (*value->start != '"') {
        return SIZE_MAX;
    }
    struct scan scan = {.at = value->start + 1, .end = value->end - 1};
    while (scan.at < scan.end) {
        char octets[4];
        size_t num = scan_character(&scan, octets);
        if (len + num >= capacity) {
            return SIZE_MAX;
        }
        memcpy(text + len, octets, num);
        len += num;
        text[len] = '\0';
    }
    return len;
}

bool json_slice_equals(const struct json_slice *value, const char *text)
{
    if (*value->start != '"') {
        return false;
    }
    struct scan scan = {.at = value->start + 1, .end = value->end - 1};
    while (scan.at < scan.end) {
        char octets[4];
        size_t num = scan_character(&scan, octets);
        if (strncmp(text, octets, num) != 0) {
            return false;
        }
        text += num;
    }
    return *text == '\0';
}

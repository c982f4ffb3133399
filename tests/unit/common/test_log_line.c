#include "log/log.h"
#include "log/log_line.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_LEN 8192

static const struct log_head head = {
    .prefix = "", .time = "2026-11-22T12:00:00.000Z", .level = "info", .event = "a.b"};

#define JSON_HEAD "{\"time\":\"2026-11-22T12:00:00.000Z\",\"level\":\"info\",\"event\":\"a.b\""

/* What both forms make of an event. */
static struct {
    char human[MAX_LEN];
    char json[MAX_LEN];
} lines;

static void render(const char *marked)
{
    lines.human[log_line_human(lines.human, MAX_LEN - 1, &head, marked)] = '\0';
    lines.json[log_line_json(lines.json, MAX_LEN - 1, &head, marked)] = '\0';
}

static void log_lines(const char *format, ...)
{
    char marked_format[LOG_TEXT_LEN];
    char marked[LOG_TEXT_LEN];
    va_list args;
    log_mark_format(marked_format, sizeof(marked_format), format);
    va_start(args, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(marked, sizeof(marked), marked_format, args);
#pragma GCC diagnostic pop
    va_end(args);
    render(marked);
}

static void expect(const char *human, const char *json)
{
    char expected[MAX_LEN];
    snprintf(expected, sizeof(expected), "2026-11-22T12:00:00.000Z info a.b%s\n", human);
    cr_assert_str_eq(lines.human, expected);
    snprintf(expected, sizeof(expected), JSON_HEAD "%s}\n", json);
    cr_assert_str_eq(lines.json, expected);
}

Test(log_line, types_of_values_come_from_format_and_text)
{
    log_lines("workers=%d version=%s plain=%s", 2, "0.1.0", "true");
    expect(" workers=2 version=0.1.0 plain=true",
           ",\"workers\":2,\"version\":\"0.1.0\",\"plain\":true");
    log_lines("left_s=%" PRId64 " next_s=%s last_s=%s", INT64_C(-7), "86400", "none");
    expect(" left_s=-7 next_s=86400 last_s=none",
           ",\"left_s\":-7,\"next_s\":86400,\"last_s\":\"none\"");
}

/* One key id in ten thousand has no letter in it; its type must not change with that. */
Test(log_line, identifiers_stay_strings)
{
    log_lines("id=%08" PRIx32 " before=%08x num=%zu", UINT32_C(0x12345678), 0xbu, (size_t)3);
    expect(" id=12345678 before=0000000b num=3",
           ",\"id\":\"12345678\",\"before\":\"0000000b\",\"num\":3");
    log_lines("code=\"%s\" zip=%s", "123", "0123");
    expect(" code=\"123\" zip=0123", ",\"code\":\"123\",\"zip\":\"0123\"");
}

Test(log_line, quotes_and_pairs_inside_a_value_stay_inside)
{
    log_lines("reason=\"%s\" kept=true", "c.json: clock: got \"x\" kept=false, expected y\\z");
    expect(
        " reason=\"c.json: clock: got \"x\" kept=false, expected y\\z\" kept=true",
        ",\"reason\":\"c.json: clock: got \\\"x\\\" kept=false, expected y\\\\z\",\"kept\":true");
}

Test(log_line, no_input_breaks_the_line)
{
    log_lines("file=\"%s\" a=1", "x\ny\tz\x7f");
    expect(" file=\"x?y?z?\" a=1", ",\"file\":\"x\\u000ay\\u0009z\\u007f\",\"a\":1");
}

Test(log_line, an_event_needs_no_pairs)
{
    render("");
    expect("", "");
}

Test(log_line, json_is_utf8_whatever_comes)
{
    static const struct {
        const char *octets;
        const char *json;
    } cases[] = {
        {"\xc3\xa9", "\xc3\xa9"},                             /* e with acute */
        {"\xe2\x82\xac", "\xe2\x82\xac"},                     /* euro */
        {"\xf0\x9f\x95\x92", "\xf0\x9f\x95\x92"},             /* a clock */
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},             /* U+10FFFF */
        {"\xff", "\\ufffd"},                                  /* never in UTF-8 */
        {"\xc0\xaf", "\\ufffd\\ufffd"},                       /* overlong */
        {"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},            /* overlong */
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},            /* a surrogate */
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* above U+10FFFF */
        {"\xc3(", "\\ufffd("},                                /* no continuation */
        {"\xe2\x82", "\\ufffd\\ufffd"},                       /* cut off */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[256];
        log_lines("v=\"%s\"", cases[i].octets);
        snprintf(expected, sizeof(expected), JSON_HEAD ",\"v\":\"%s\"}\n", cases[i].json);
        cr_assert_str_eq(lines.json, expected, "case %zu: %s", i, lines.json);
    }
}

Test(log_line, longest_text_fits_a_json_line)
{
    char marked[LOG_TEXT_LEN];
    char line[LOG_LINE_LEN];
    memset(marked, 1, sizeof(marked));
    memcpy(marked, "k=\x1e", 3);
    marked[sizeof(marked) - 1] = '\0';
    size_t len = log_line_json(line, sizeof(line), &head, marked);
    cr_assert_eq(memcmp(line + len - 9, "\\u0001\"}\n", 9), 0, "%.*s", (int)len, line);
    cr_assert_eq(len, strlen(JSON_HEAD ",\"k\":\"\"}\n") + 6 * (sizeof(marked) - 4));
}

Test(log_line, what_does_not_fit_leaves_whole_pairs)
{
    char line[512];
    char marked[LOG_TEXT_LEN];
    memset(marked, 'x', sizeof(marked));
    memcpy(marked,
           "a=\x1d"
           "1\x1f k=\x1e",
           9);
    marked[sizeof(marked) - 1] = '\0';
    size_t len = log_line_json(line, sizeof(line), &head, marked);
    cr_assert_eq(len, strlen(JSON_HEAD ",\"a\":1}\n"));
    cr_assert_eq(memcmp(line, JSON_HEAD ",\"a\":1}\n", len), 0);
    len = log_line_human(line, sizeof(line), &head, marked);
    cr_assert_eq(len, sizeof(line));
    cr_assert_eq(line[len - 1], '\n');
}

Test(log_line, formats_that_end_early_are_no_danger)
{
    static const char *const formats[] = {"", "a", "a=", "a=\"", "a=\"b", "a=%", "=", "a= b"};
    char marked[LOG_TEXT_LEN];
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        log_mark_format(marked, sizeof(marked), formats[i]);
        render(marked);
        cr_assert_eq(strncmp(lines.json, JSON_HEAD, strlen(JSON_HEAD)), 0);
    }
}

/* --- through log_event --- */

static int log_fd;

static void capture(void)
{
    int fds[2];
    cr_assert_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    dup2(fds[1], STDERR_FILENO);
    log_fd = fds[0];
}

static const char *captured(void)
{
    static char text[MAX_LEN];
    ssize_t len = read(log_fd, text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

Test(log, level_drops_what_is_less_urgent, .init = capture)
{
    log_set_level(LOG_LEVEL_WARNING);
    log_info("a.b", "n=%d", 1);
    cr_assert_str_empty(captured());
    log_warning("a.b", "n=%d", 2);
    cr_assert_not_null(strstr(captured(), "Z warning a.b n=2\n"));
    log_set_level(LOG_LEVEL_ERROR);
    log_warning("a.b", "n=%d", 3);
    cr_assert_str_empty(captured());
    log_error("a.b", "n=%d", 4);
    cr_assert_not_null(strstr(captured(), "Z error a.b n=4\n"));
}

Test(log, change_of_the_level_is_always_said, .init = capture)
{
    log_set_level(LOG_LEVEL_ERROR);
    log_change_level(LOG_LEVEL_WARNING);
    cr_assert_not_null(strstr(captured(), "Z info log.level to=warning\n"));
    log_info("a.b", "n=%d", 1);
    cr_assert_str_empty(captured());
}

Test(log, counters_come_as_they_are_asked_for_and_without_zeros, .init = capture)
{
    static const char *const names[] = {"one", "none", "big"};
    static const uint64_t values[] = {1, 0, UINT64_MAX};
    log_set_level(LOG_LEVEL_ERROR);
    log_counters("counters.x", names, values, 3);
    cr_assert_not_null(strstr(captured(), "Z info counters.x one=1 big=18446744073709551615\n"));
    log_set_format(LOG_FORMAT_JSON);
    log_counters("counters.x", names, values, 3);
    cr_assert_not_null(
        strstr(captured(), "\"event\":\"counters.x\",\"one\":1,\"big\":18446744073709551615}\n"));
}

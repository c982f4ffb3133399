#include "base/json_slice.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Text in memory of its own, so that a read behind its end is seen. */
static bool accepts(const char *text, size_t len, struct json_position *fault)
{
    struct json_slice value;
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    bool is_right = json_slice_parse(&value, copy, len, fault);
    cr_assert(!is_right || (value.start >= copy && value.end <= copy + len));
    free(copy);
    return is_right;
}

static struct json_slice parsed(const char *text)
{
    struct json_slice value;
    struct json_position fault;
    cr_assert(json_slice_parse(&value, text, strlen(text), &fault), "%s", text);
    return value;
}

static const char *const right[] = {
    "{}",
    " [ ] ",
    "[1,-0,0.5,1e9,1E-2,-12.50e+3]",
    "\"\"",
    "[true,false,null]",
    "{\"a\":{\"a\":1},\"b\":[{}]}",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\ud83d\\ude00\"",
    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"",
    "\t{\r\n\"a\" : 1 }\n",
};
static const char *const wrong[] = {
    "",
    " ",
    "{",
    "}",
    "[",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"\\u0061\":2}",
    "{1:1}",
    "[01]",
    "[1.]",
    "[.5]",
    "[+1]",
    "[-]",
    "[1e]",
    "[1e+]",
    "[tru]",
    "[truee]",
    "[True]",
    "[nul]",
    "{} {}",
    "{}x",
    "'a'",
    "\"a",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\\u0000\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83d\\u0041\"",
    "\"\n\"",
    "\"\\",
    "\"\\u00",
    "\"\x80\"",
    "\"\xc0\x80\"",
    "\"\xc3\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xe2\x82\"",
    "\xef\xbb\xbf{}",
    "[1]//",
    "[Infinity]",
};

Test(json_slice, accepts_what_is_json_and_refuses_near_misses)
{
    struct json_position fault;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        cr_assert(accepts(right[i], strlen(right[i]), &fault), "%s", right[i]);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(accepts(wrong[i], strlen(wrong[i]), &fault), "%s", wrong[i]);
    }
    cr_assert_not(accepts("{}\0", 3, &fault), "a NUL behind it");
}

Test(json_slice, names_the_place_of_a_fault)
{
    struct json_position fault;
    cr_assert_not(accepts("{\n  \"a\": 1,\n  \"b\" 2\n}", 22, &fault));
    cr_assert_eq(fault.line, 3);
    cr_assert_eq(fault.column, 7);
    cr_assert_not(accepts("{\"a\": 1, \"a\": 2}", 16, &fault));
    cr_assert_eq(fault.column, 10, "the second of two members");
}

Test(json_slice, bounds_depth_and_members)
{
    char text[1024] = "";
    struct json_position fault;
    for (int depth = 1; depth <= JSON_SLICE_MAX_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        cr_assert_eq(accepts(text, 2 * (size_t)depth, &fault), depth <= JSON_SLICE_MAX_DEPTH);
    }
    for (int num = JSON_SLICE_MAX_MEMBERS; num <= JSON_SLICE_MAX_MEMBERS + 1; num++) {
        size_t len = 0;
        for (int i = 0; i < num; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"m%d\":%d",
                                    i == 0 ? "{" : ",", i, i);
        }
        text[len++] = '}';
        cr_assert_eq(accepts(text, len, &fault), num == JSON_SLICE_MAX_MEMBERS);
    }
}

Test(json_slice, walks_objects_and_lists)
{
    struct json_slice root = parsed(" { \"a\" : [ 1 , {} , \"]\" ] , \"\\u0062\" : { } } ");
    struct json_slice value;
    struct json_slice name;
    struct json_slice rest = root;
    int64_t number;
    cr_assert(json_slice_is_object(&root));
    cr_assert(json_slice_next(&value, &name, &rest));
    cr_assert(json_slice_equals(&name, "a"));
    cr_assert(json_slice_is_list(&value));

    struct json_slice list = value;
    cr_assert(json_slice_next(&value, NULL, &list));
    cr_assert(json_slice_integer(&number, &value));
    cr_assert_eq(number, 1);
    cr_assert(json_slice_next(&value, NULL, &list));
    cr_assert(json_slice_is_object(&value));
    cr_assert(json_slice_next(&value, NULL, &list));
    cr_assert(json_slice_equals(&value, "]"));
    cr_assert_not(json_slice_next(&value, NULL, &list));
    cr_assert_not(json_slice_next(&value, NULL, &list));

    cr_assert(json_slice_next(&value, &name, &rest));
    cr_assert(json_slice_equals(&name, "b"));
    cr_assert_not(json_slice_next(&value, &name, &rest));
    cr_assert(json_slice_member(&value, &root, "b"));
    cr_assert(json_slice_is_object(&value));
    cr_assert_not(json_slice_member(&value, &root, "c"));
    cr_assert_not(json_slice_member(&value, &root, ""));
}

Test(json_slice, reads_integers_and_nothing_like_them)
{
    int64_t number;
    struct json_slice value = parsed("-9223372036854775808");
    cr_assert(json_slice_integer(&number, &value));
    cr_assert_eq(number, INT64_MIN);
    value = parsed("9223372036854775807");
    cr_assert(json_slice_integer(&number, &value));
    cr_assert_eq(number, INT64_MAX);
    static const char *const others[] = {
        "9223372036854775808", "1.0", "1e3", "\"1\"", "[1]", "true"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        value = parsed(others[i]);
        cr_assert_not(json_slice_integer(&number, &value), "%s", others[i]);
    }
}

Test(json_slice, decodes_strings_into_bounded_memory)
{
    char text[8];
    struct json_slice value = parsed("\"a\\u00e9\\ud83d\\ude00\"");
    cr_assert_eq(json_slice_string(text, 8, &value), 7);
    cr_assert_str_eq(text, "a\xc3\xa9\xf0\x9f\x98\x80");
    cr_assert_eq(json_slice_string(text, 7, &value), SIZE_MAX);
    cr_assert_str_eq(text, "a\xc3\xa9", "as much as fits, in whole characters");
    cr_assert(json_slice_equals(&value, "a\xc3\xa9\xf0\x9f\x98\x80"));
    cr_assert_not(json_slice_equals(&value, "a\xc3\xa9"));
    cr_assert_not(json_slice_equals(&value, "a\xc3\xa9\xf0\x9f\x98\x80z"));
    value = parsed("12");
    cr_assert_eq(json_slice_string(text, 8, &value), SIZE_MAX);
    cr_assert_not(json_slice_equals(&value, "12"));
}

/* --- against another implementation --- */

static const char sample[] = "{\"format\": \"nts-keyring/1\",\n \"generation\": 7, \"x\": [true, "
                             "false, null, -1.5e2, \"\\u00e9"
                             "\\\\\\ud83d\\ude00\xc3\xa9\"],\n \"keys\": [{\"id\": \"b01dface\", "
                             "\"n\": {}}, {\"id\": \"a\"}]}";

/* A few octets of the sample replaced, inserted, removed or repeated. */
static size_t mutate(char *text, size_t capacity)
{
    static const char octets[] =
        "{}[]:,\"\\ue0123456789.-+truefalsn \n\t\x01\x7f\x80\xc3\xed\xa0\xf4\xff";
    size_t len = sizeof(sample) - 1;
    memcpy(text, sample, len);
    for (long num = random() % 3 + 1; num > 0; num--) {
        size_t at = (size_t)random() % len;
        char octet = octets[(size_t)random() % (sizeof(octets) - 1)];
        switch (random() % 4) {
        case 0:
            text[at] = octet;
            break;
        case 1:
            memmove(text + at, text + at + 1, --len - at);
            break;
        case 2:
            memmove(text + at + 1, text + at, len++ - at);
            text[at] = octet;
            break;
        default:
            memcpy(text + at, sample, len - at < 12 ? len - at : 12);
            break;
        }
    }
    cr_assert_lt(len, capacity);
    return len;
}

Test(json_slice, agrees_with_jansson_on_altered_text)
{
    unsigned seed = (unsigned)time(NULL);
    size_t num_right = 0;
    srandom(seed);
    for (int i = 0; i < 20000; i++) {
        char text[sizeof(sample) + 16];
        struct json_position fault;
        json_error_t error = {0};
        size_t len = mutate(text, sizeof(text));
        json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
        /* jansson also refuses numbers that do not fit into its types. */
        if (json != NULL || json_error_code(&error) != json_error_numeric_overflow) {
            cr_assert_eq(accepts(text, len, &fault), json != NULL, "seed %u: %.*s: %s", seed,
                         (int)len, text, error.text);
        }
        num_right += json != NULL;
        json_decref(json);
    }
    cr_assert_gt(num_right, 1000, "seed %u", seed);
}

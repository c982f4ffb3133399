#include "config/config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct item {
    const char *name;
    int64_t port;
};

struct values {
    bool flag;
    int64_t number;
    const char *text;
    const char *file;
    union net_address address;
    int choice;
    struct item object;
    struct option_list list;
};

static const char *check_even(const void *field)
{
    return *(const int64_t *)field % 2 == 0 ? NULL : "an even number";
}

static const char *const colours[] = {"red", "green", NULL};
static const struct option_row item_rows[] = {
    {.name = "name",
     .type = OPTION_STRING,
     .offset = offsetof(struct item, name),
     .min = 1,
     .max = 8,
     .help = "a name"},
    {.name = "port",
     .type = OPTION_INT,
     .offset = offsetof(struct item, port),
     .min = 1,
     .max = 65535,
     .default_json = "123",
     .help = "a port"},
};
static const struct option_table item_table = {item_rows, 2, sizeof(struct item)};
static const struct option_row item_element = {.type = OPTION_OBJECT, .members = &item_table};
static const struct option_row rows[] = {
    {.name = "flag",
     .type = OPTION_BOOL,
     .offset = offsetof(struct values, flag),
     .default_json = "true",
     .help = "a flag"},
    {.name = "number",
     .type = OPTION_INT,
     .offset = offsetof(struct values, number),
     .min = 0,
     .max = 100,
     .default_json = "8",
     .check = check_even,
     .needs_restart = true,
     .help = "n"},
    {.name = "text",
     .type = OPTION_STRING,
     .offset = offsetof(struct values, text),
     .min = 1,
     .max = 5,
     .default_json = "null",
     .help = "t"},
    {.name = "file", .type = OPTION_PATH, .offset = offsetof(struct values, file), .help = "f"},
    {.name = "address",
     .type = OPTION_ADDRESS,
     .offset = offsetof(struct values, address),
     .min = 4460,
     .default_json = "\"[::1]\"",
     .help = "a"},
    {.name = "choice",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct values, choice),
     .choices = colours,
     .default_json = "\"green\"",
     .needs_restart = true,
     .help = "c"},
    {.name = "object",
     .type = OPTION_OBJECT,
     .offset = offsetof(struct values, object),
     .members = &item_table,
     .default_json = "{\"name\": \"x\"}",
     .help = "o"},
    {.name = "list",
     .type = OPTION_LIST,
     .offset = offsetof(struct values, list),
     .min = 0,
     .max = 2,
     .element = &item_element,
     .default_json = "[]",
     .help = "l"},
};
static const struct option_table table = {rows, sizeof(rows) / sizeof(rows[0]),
                                          sizeof(struct values)};

static char path[] = "/tmp/nts-config-test-XXXXXX";

static enum nts_status load(struct values *values, struct config_memory *memory, const char *text,
                            struct error *error)
{
    strcpy(path, "/tmp/nts-config-test-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    enum nts_status status = config_load(values, memory, &table, path, error);
    unlink(path);
    return status;
}

Test(config, fills_defaults_and_makes_paths_relative_to_the_file)
{
    struct values v;
    struct config_memory memory;
    struct error error;
    cr_assert_eq(load(&v, &memory, "{\"file\": \"keyring.json\"}", &error), NTS_OK, "%s",
                 error.text);
    cr_assert(v.flag);
    cr_assert_eq(v.number, 8);
    cr_assert_null(v.text);
    cr_assert_str_eq(v.file, "/tmp/keyring.json");
    cr_assert_eq(address_port(&v.address), 4460);
    cr_assert_eq(v.choice, 1);
    cr_assert_str_eq(v.object.name, "x");
    cr_assert_eq(v.object.port, 123);
    cr_assert_eq(v.list.num, 0);
    config_free(&memory);
}

Test(config, reads_what_is_given)
{
    struct values v;
    struct config_memory memory;
    struct error error;
    cr_assert_eq(load(&v, &memory,
                      "{\"file\":\"/a/b\",\"flag\":false,\"number\":100,\"text\":\"hello\","
                      "\"choice\":\"red\",\"list\":[{\"name\":\"a\"},{\"name\":\"b\",\"port\":9}]}",
                      &error),
                 NTS_OK, "%s", error.text);
    cr_assert_not(v.flag);
    cr_assert_str_eq(v.file, "/a/b");
    cr_assert_eq(v.choice, 0);
    const struct item *items = v.list.items;
    cr_assert_eq(v.list.num, 2);
    cr_assert_str_eq(items[1].name, "b");
    cr_assert_eq(items[0].port, 123);
    cr_assert_eq(items[1].port, 9);
    config_free(&memory);
}

Test(config, finds_credentials_where_the_service_manager_puts_them)
{
    struct values v;
    struct config_memory memory;
    struct error error;
    static const char text[] = "{\"file\": \"${CREDENTIALS_DIRECTORY}/ke.key\"}";
    setenv("CREDENTIALS_DIRECTORY", "/run/credentials/nts-ke-server.service", 1);
    cr_assert_eq(load(&v, &memory, text, &error), NTS_OK, "%s", error.text);
    cr_assert_str_eq(v.file, "/run/credentials/nts-ke-server.service/ke.key");
    config_free(&memory);

    unsetenv("CREDENTIALS_DIRECTORY");
    cr_assert_eq(load(&v, &memory, text, &error), NTS_ERR_CONFIG);
    cr_assert_not_null(strstr(error.text, "file: got \"${CREDENTIALS_DIRECTORY}/ke.key\", expected "
                                          "a service manager that passes credentials"),
                       "%s", error.text);

    /* Only at the beginning, and only that name. */
    cr_assert_eq(load(&v, &memory, "{\"file\": \"${HOME}/x\"}", &error), NTS_OK);
    cr_assert_str_eq(v.file, "/tmp/${HOME}/x");
    config_free(&memory);
}

Test(config, errors_name_file_key_value_and_expectation)
{
    static const struct {
        const char *text;
        const char *error;
    } wrong[] = {
        {"{", "not JSON"},
        {"[]", "expected an object"},
        {"{\"file\":\"x\",\"file\":\"y\"}", "not JSON: duplicate object key"},
        {"{}", "file: got nothing, expected a value: this option has no default"},
        {"{\"file\":\"\"}", "file: got \"\", expected a file name"},
        {"{\"file\":\"x\",\"fiel\":1}", "fiel: got 1, expected no such key"},
        {"{\"file\":\"x\",\"flag\":1}", "flag: got 1, expected true or false"},
        {"{\"file\":\"x\",\"number\":101}", "number: got 101, expected an integer from 0 to 100"},
        {"{\"file\":\"x\",\"number\":1.5}", "number: got 1.5, expected an integer"},
        {"{\"file\":\"x\",\"number\":\"8\"}", "number: got \"8\", expected an integer"},
        {"{\"file\":\"x\",\"number\":7}", "number: got 7, expected an even number"},
        {"{\"file\":\"x\",\"text\":\"123456\"}",
         "text: got \"123456\", expected a string of 1 to 5"},
        {"{\"file\":\"x\",\"text\":\"a\\u0000\"}", "not JSON"},
        {"{\"file\":\"x\",\"text\":\"a\\n\"}", "expected a string of 1 to 5 printable"},
        {"{\"file\":\"x\",\"text\":null}", "text: got null, expected a string"},
        {"{\"file\":\"x\",\"address\":\"localhost\"}",
         "address: got \"localhost\", expected an add"},
        {"{\"file\":\"x\",\"choice\":\"blue\"}",
         "choice: got \"blue\", expected one of \"red\", \"green\""},
        {"{\"file\":\"x\",\"object\":{\"name\":\"a\",\"port\":0}}",
         "object.port: got 0, expected an integer from 1 to 65535"},
        {"{\"file\":\"x\",\"list\":[{\"name\":\"a\"},{\"name\":\"b\",\"port\":99999}]}",
         "list[1].port: got 99999, expected an integer from 1 to 65535"},
        {"{\"file\":\"x\",\"list\":[{\"name\":\"a\"},{\"nmae\":\"b\"}]}",
         "list[1].nmae: got \"b\", expected no such key"},
        {"{\"file\":\"x\",\"list\":[{},{},{}]}",
         "list: got [{},{},{}], expected an array of 0 to 2"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct values v;
        struct config_memory memory;
        struct error error = {""};
        cr_assert_eq(load(&v, &memory, wrong[i].text, &error), NTS_ERR_CONFIG, "case %zu", i);
        cr_assert_not_null(strstr(error.text, wrong[i].error), "case %zu: %s", i, error.text);
        cr_assert_not_null(strstr(error.text, path), "case %zu: %s", i, error.text);
    }
}

Test(config, a_file_that_is_missing_or_a_directory_is_an_error)
{
    struct values v;
    struct config_memory memory;
    struct error error;
    cr_assert_eq(config_load(&v, &memory, &table, "/nonexistent/x.json", &error), NTS_ERR_CONFIG);
    cr_assert_not_null(strstr(error.text, "/nonexistent/x.json: cannot open: No such file"));
    cr_assert_eq(config_load(&v, &memory, &table, "/tmp", &error), NTS_ERR_CONFIG);
}

Test(config, tells_what_needs_a_restart)
{
    struct values a;
    struct values b;
    struct config_memory memory_a;
    struct config_memory memory_b;
    struct error error;
    cr_assert_eq(load(&a, &memory_a, "{\"file\":\"/x\",\"list\":[{\"name\":\"a\"}]}", &error),
                 NTS_OK);
    cr_assert_eq(load(&b, &memory_b, "{\"file\":\"/x\",\"flag\":false}", &error), NTS_OK);
    size_t row = 0;
    cr_assert_null(config_needs_restart(&table, &a, &b, &row));
    cr_assert(config_differs(&table, "flag", &a, &b) && config_differs(&table, "list", &a, &b));
    cr_assert_not(config_differs(&table, "number", &a, &b));
    config_free(&memory_b);
    cr_assert_eq(load(&b, &memory_b, "{\"file\":\"/x\",\"number\":10,\"choice\":\"red\"}", &error),
                 NTS_OK);
    row = 0;
    cr_assert_str_eq(config_needs_restart(&table, &a, &b, &row), "number");
    cr_assert_str_eq(config_needs_restart(&table, &a, &b, &row), "choice");
    cr_assert_null(config_needs_restart(&table, &a, &b, &row));
    config_free(&memory_a);
    config_free(&memory_b);
}

Test(config, reference_lists_every_option_with_range_and_default)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    config_print_reference(out, &table);
    fclose(out);
    cr_assert_not_null(strstr(text, "| `number` | integer, 0 to 100 | `8` | n (restart) |"));
    cr_assert_not_null(strstr(text, "| `file` | file name | must be given | f |"));
    cr_assert_not_null(strstr(text, "| `list[].port` | integer, 1 to 65535 | `123` | a port |"));
    cr_assert_not_null(
        strstr(text, "| `choice` | `\"red\"`, `\"green\"` | `\"green\"` | c (restart) |"));
    free(text);
}

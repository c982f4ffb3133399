#include "base/address.h"
#include "base/arguments.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A program with one row of each kind, and two commands. */

enum colour { RED, GREEN };

struct values {
    bool flag;
    int family;
    const char *text;
    int number;
    uint16_t small;
    size_t size;
    int64_t debt;
    double real;
    int64_t duration_s;
    enum colour colour;
    char host[HOST_TEXT_LEN];
    uint16_t port;
    const char *list[3];
    size_t num_listed;
    char custom;
    const char *operand;
};

static const char *const colours[] = {[RED] = "red", [GREEN] = "green", NULL};

static bool take_custom(void *field, const char *text)
{
    *(char *)field = text[0];
    return strlen(text) == 1;
}

static void act(const void *values)
{
    printf("acted on %d\n", ((const struct values *)values)->number);
}

#define FIELD(field) ARGUMENT_FIELD(struct values, field)

enum { C_PAINT = 1, C_WASH = 2 };

/* clang-format off */
static const struct argument_row rows[] = {
    {.name = "flag", .letter = 'f', .kind = ARGUMENT_FLAG, FIELD(flag), .help = "a flag"},
    {.letter = '4', .kind = ARGUMENT_CONSTANT, FIELD(family), .constant = 4, .help = "four"},
    {.letter = '6', .kind = ARGUMENT_CONSTANT, FIELD(family), .constant = 6, .help = "six"},
    {.name = "act", .kind = ARGUMENT_ACTION, .act = act, .help = "act"},
    {.name = "text", .letter = 't', .value = "FILE", .kind = ARGUMENT_TEXT, FIELD(text),
     .required_by = C_WASH, .help = "a text"},
    {.heading = "Numbers",
     .name = "number", .letter = 'n', .value = "N", .kind = ARGUMENT_INTEGER, FIELD(number),
     .min = 1, .max = 10, .default_value = "7", .help = "a number"},
    {.name = "small", .value = "N", .kind = ARGUMENT_INTEGER, FIELD(small), .max = 65535,
     .unit = "octets", .help = "a number of two octets"},
    {.name = "size", .value = "N", .kind = ARGUMENT_INTEGER, FIELD(size), .min = 1,
     .help = "a number without a limit"},
    {.name = "debt", .value = "N", .kind = ARGUMENT_INTEGER, FIELD(debt), .min = -5, .max = 5,
     .help = "may be negative"},
    {.name = "real", .value = "S", .kind = ARGUMENT_REAL, FIELD(real), .min = 0.5, .max = 2,
     .unit = "seconds", .help = "not whole"},
    {.name = "duration", .value = "D", .kind = ARGUMENT_DURATION, FIELD(duration_s), .min = 1,
     .default_value = "1d", .help = "a duration"},
    {.heading = "Of washing",
     .name = "colour", .value = "NAME", .kind = ARGUMENT_CHOICE, FIELD(colour),
     .choices = colours, .taken_by = C_WASH, .help = "a colour"},
    {.name = "host", .value = "HOST[:PORT]", .kind = ARGUMENT_HOST, FIELD(host),
     .companion = offsetof(struct values, port), .default_port = 123, .help = "a host"},
    {.name = "host-and-port", .value = "HOST:PORT", .kind = ARGUMENT_HOST, FIELD(host),
     .companion = offsetof(struct values, port), .help = "a host with its port"},
    {.name = "list", .value = "X", .kind = ARGUMENT_LIST, FIELD(list),
     .companion = offsetof(struct values, num_listed), .help = "up to three"},
    {.name = "custom", .value = "C", .kind = ARGUMENT_CUSTOM, .take = take_custom, FIELD(custom),
     .expected = "one letter", .help = "a letter"},
};

static const struct argument_row wall = {
    .value = "WALL", .kind = ARGUMENT_TEXT, FIELD(operand), .required_by = C_PAINT};
static const struct argument_row clothes = {
    .value = "X", .kind = ARGUMENT_LIST, FIELD(list),
    .companion = offsetof(struct values, num_listed)};
/* clang-format on */

static const struct argument_command commands[] = {
    {"paint", "paint a wall with a brush that is described at such length that its line is broken",
     &wall},
    {"wash", "wash clothes", &clothes},
};

static const struct argument_command no_commands[] = {{.operand = &wall}};

static const struct argument_program program = {
    .name = "prog",
    .purpose = "test the parser",
    .library_version = "Lib 1",
    .commands = commands,
    .num_commands = 2,
    .rows = rows,
    .num_rows = sizeof(rows) / sizeof(rows[0]),
    .notes = "Notes.",
    .usage_status = 2,
};

static struct values values;
static size_t command;

/* Parses the words of one line; "''" is an empty word. */
static int parse_for(const struct argument_program *of, const char *line)
{
    static char copy[512];
    char *argv[32] = {copy};
    int argc = 1;
    snprintf(copy, sizeof(copy), "%s %s", of->name, line);
    strtok(copy, " ");
    for (char *word = strtok(NULL, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    }
    values = (struct values){0};
    command = SIZE_MAX;
    return arguments_parse(&values, &command, of, argc, argv);
}

static int parse(const char *line)
{
    return parse_for(&program, line);
}

static void assert_accepted(const char *line)
{
    cr_assert_eq(parse(line), -1, "%s", line);
}

/* What is printed goes into a file that is read back. */
static void read_back(FILE *stream, char *text, size_t size)
{
    fflush(stream);
    rewind(stream);
    size_t len = fread(text, 1, size - 1, stream);
    text[len] = '\0';
}

static void redirect(FILE *stream)
{
    FILE *file = tmpfile();
    cr_assert_not_null(file);
    cr_assert_geq(dup2(fileno(file), fileno(stream)), 0);
    fclose(file);
}

/* Asserts the status and that `text` is a part of what the parser prints. */
static void assert_prints(const struct argument_program *of, const char *line, int status,
                          const char *text)
{
    char printed[8192];
    FILE *stream = status == 0 || of->error_prefix != NULL ? stdout : stderr;
    redirect(stream);
    cr_assert_eq(parse_for(of, line), status, "%s", line);
    read_back(stream, printed, sizeof(printed));
    cr_assert_not_null(strstr(printed, text), "%s: %s", line, printed);
    if (status == 2) {
        cr_assert_not_null(strstr(printed, "Try 'prog --help'.\n"), "%s: %s", line, printed);
    }
}

static void assert_refused(const char *line, const char *text)
{
    assert_prints(&program, line, 2, text);
}

/* --- values --- */

Test(arguments, stores_each_kind_of_value)
{
    assert_accepted("wash --flag -6 --text a --number 10 --small 65535 --size 1 --debt -5 "
                    "--real 0.5 --duration 2w --colour green --host h --list a --list b "
                    "--custom x c");
    cr_assert_eq(command, 1);
    cr_assert(values.flag);
    cr_assert_eq(values.family, 6);
    cr_assert_str_eq(values.text, "a");
    cr_assert_eq(values.number, 10);
    cr_assert_eq(values.small, 65535);
    cr_assert_eq(values.size, 1);
    cr_assert_eq(values.debt, -5);
    cr_assert_float_eq(values.real, 0.5, 0);
    cr_assert_eq(values.duration_s, 14 * 86400);
    cr_assert_eq(values.colour, GREEN);
    cr_assert_str_eq(values.host, "h");
    cr_assert_eq(values.port, 123);
    cr_assert_eq(values.num_listed, 3);
    cr_assert_str_eq(values.list[0], "a");
    cr_assert_str_eq(values.list[2], "c");
    cr_assert_eq(values.custom, 'x');
}

Test(arguments, stores_defaults_and_leaves_the_rest)
{
    assert_accepted("paint w");
    cr_assert_eq(command, 0);
    cr_assert_str_eq(values.operand, "w");
    cr_assert_eq(values.number, 7);
    cr_assert_eq(values.duration_s, 86400);
    cr_assert_not(values.flag);
    cr_assert_null(values.text);
    cr_assert_eq(values.num_listed, 0);
}

Test(arguments, refuses_near_misses_of_each_kind)
{
    static const struct {
        const char *line;
        const char *text;
    } wrong[] = {
        {"paint w --flag=1", "prog: --flag: got '1', expected no value\n"},
        {"paint w --number 0", "--number: got '0', expected a whole number from 1 to 10\n"},
        {"paint w --number 11", "--number: got '11', expected a whole number from 1 to 10\n"},
        {"paint w --number 5x", "--number: got '5x'"},
        {"paint w --number 5.0", "--number: got '5.0'"},
        {"paint w --number +5", "--number: got '+5'"},
        {"paint w --number ''", "--number: got ''"},
        {"paint w --small 65536", "'65536', expected a whole number of octets from 0 to 65535"},
        {"paint w --small -1", "--small: got '-1'"},
        {"paint w --size 0", "--size: got '0', expected a whole number, at least 1\n"},
        {"paint w --size 9223372036854775808", "--size: got '9223372036854775808'"},
        {"paint w --debt -6", "--debt: got '-6', expected a whole number from -5 to 5"},
        {"paint w --debt --5", "--debt: got '--5'"},
        {"paint w --debt -", "--debt: got '-'"},
        {"paint w --real 0.49", "--real: got '0.49', expected a number of seconds from 0.5 to 2\n"},
        {"paint w --real 2.01", "--real: got '2.01'"},
        {"paint w --real nan", "--real: got 'nan'"},
        {"paint w --real 1s", "--real: got '1s'"},
        {"paint w --real ''", "--real: got ''"},
        {"paint w --duration 0s", "--duration: got '0s', expected a duration such as 90s"},
        {"paint w --duration 1", "--duration: got '1'"},
        {"wash -t a --colour gree", "--colour: got 'gree', expected red or green\n"},
        {"wash -t a --colour greens", "--colour: got 'greens'"},
        {"paint w --host h:0", "--host: got 'h:0', expected HOST[:PORT] or [IPV6][:PORT]\n"},
        {"paint w --host ''", "--host: got ''"},
        {"paint w --host-and-port h", "got 'h', expected HOST:PORT or [IPV6]:PORT\n"},
        {"paint w --list a --list b --list c --list d", "got 'd', expected at most 3 of them\n"},
        {"paint w --custom xy", "--custom: got 'xy', expected one letter\n"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_refused(wrong[i].line, wrong[i].text);
    }
}

Test(arguments, a_repeated_option_replaces_the_value_before)
{
    assert_accepted("paint w -n 2 --number 3 -4 -6 --host a:1 --host b");
    cr_assert_eq(values.number, 3);
    cr_assert_eq(values.family, 6);
    cr_assert_str_eq(values.host, "b");
    cr_assert_eq(values.port, 123);
}

/* --- forms --- */

Test(arguments, takes_every_form_of_an_option)
{
    static const char *const lines[] = {
        "paint w --number=3 --text=", "paint w --number 3 -t ''", "paint w -n3 --te ''",
        "paint w -n 3 --tex=",        "paint w -f4n3 -t ''",      "paint --number 3 w -t ''",
        "paint -n 3 -t '' -- w",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_accepted(lines[i]);
        cr_assert_eq(values.number, 3, "%s", lines[i]);
        cr_assert_str_eq(values.text, "", "%s", lines[i]);
        cr_assert_str_eq(values.operand, "w", "%s", lines[i]);
    }
    /* A value may look like an option, and contain "=". */
    assert_accepted("paint w -t --flag");
    cr_assert_str_eq(values.text, "--flag");
    cr_assert_not(values.flag);
    assert_accepted("paint w --text=a=b");
    cr_assert_str_eq(values.text, "a=b");
}

Test(arguments, takes_dashes_as_operands_where_they_are)
{
    assert_accepted("paint -");
    cr_assert_str_eq(values.operand, "-");
    assert_accepted("paint -- --flag");
    cr_assert_str_eq(values.operand, "--flag");
    cr_assert_not(values.flag);
    assert_accepted("paint -- --");
    cr_assert_str_eq(values.operand, "--");
}

Test(arguments, takes_shortened_names_while_they_are_unambiguous)
{
    assert_accepted("paint w --num 3 --dur 2s --fl");
    cr_assert_eq(values.number, 3);
    cr_assert_eq(values.duration_s, 2);
    cr_assert(values.flag);
    /* The whole name wins over those that begin with it. */
    assert_accepted("paint w --host h");
    assert_refused("paint w --hos h", "option: got '--hos', expected one name: several");
    assert_refused("paint w --d 3", "option: got '--d', expected one name");
    assert_refused("paint w --numbers 3", "option: got '--numbers', expected one that --help");
    assert_accepted("paint w --l a");
}

Test(arguments, refuses_unknown_options_and_missing_values)
{
    assert_refused("paint w --nonsense",
                   "option: got '--nonsense', expected one that --help lists");
    assert_refused("paint w --nonsense=3", "option: got '--nonsense=3'");
    assert_refused("paint w -x", "option: got '-x'");
    assert_refused("paint w -fx", "option: got '-fx'");
    assert_refused("paint w --number", "--number: got no argument, expected a whole number");
    assert_refused("paint w -n", "--number: got no argument, expected a whole number");
    assert_refused("paint w -ft", "--text: got no argument, expected FILE");
}

/* --- commands and operands --- */

Test(arguments, wants_a_command)
{
    assert_refused("", "command: got 'nothing', expected one that --help lists\n");
    assert_refused("sweep", "command: got 'sweep', expected one that --help lists\n");
    assert_refused("pain w", "command: got 'pain'");
    assert_refused("--flag paint w",
                   "command: got '--flag', expected one that --help lists, first");
}

Test(arguments, refuses_what_a_command_does_not_take)
{
    assert_refused("paint w --colour red", "prog: paint has no option --colour\n");
    assert_refused("paint", "paint: got 'nothing', expected WALL\n");
    assert_refused("paint a b", "paint: got 'b', expected no further argument\n");
    assert_refused("wash -t x a b c d", "wash: got 'd', expected at most 3 of them\n");
    assert_refused("wash a", "prog: --text FILE is needed\n");
    assert_accepted("wash -t x");
}

Test(arguments, works_without_commands)
{
    struct argument_program plain = program;
    plain.commands = no_commands;
    plain.num_commands = 1;
    cr_assert_eq(parse_for(&plain, "w --flag"), -1);
    cr_assert_str_eq(values.operand, "w");
    assert_prints(&plain, "", 2, "prog: WALL: got 'nothing', expected WALL\n");
    assert_prints(&plain, "a b", 2, "prog: unexpected argument 'b'\n");
    assert_prints(&plain, "--help", 0, "Usage: prog WALL [OPTION]...\n");
}

Test(arguments, a_plugin_prints_errors_to_standard_output)
{
    struct argument_program plugin = program;
    plugin.error_prefix = "STATE - ";
    plugin.usage_status = 3;
    assert_prints(&plugin, "paint w -n 0", 3, "STATE - --number: got '0', expected a whole");
}

/* --- help --- */

Test(arguments, actions_end_the_program)
{
    assert_prints(&program, "paint -n 4 --act --nonsense", 0, "acted on 4\n");
    assert_prints(&program, "--version", 0, "prog " NTS_VERSION ", Lib 1\n");
    assert_prints(&program, "paint -V", 0, "prog " NTS_VERSION);
    assert_prints(&program, "sweep --help", 0, "Usage: prog COMMAND [ARGUMENT]...\n");
    assert_prints(&program, "wash --help", 0, "Usage: prog wash --text FILE [X]... [OPTION]...\n");
}

/* The help of `of`, of the whole program if it is NULL. */
static void get_help(char *text, size_t size, const struct argument_command *of)
{
    FILE *out = fmemopen(text, size, "w");
    cr_assert_not_null(out);
    arguments_print_help(out, &program, of);
    cr_assert_eq(fclose(out), 0);
}

Test(arguments, help_lists_commands_options_and_defaults)
{
    char text[8192];
    get_help(text, sizeof(text), NULL);
    static const char *const parts[] = {
        "prog - test the parser\n",
        "\nCommands:\n  paint WALL ",
        "\n  wash        ",
        "\nOptions:\n  -f, --flag  ",
        "\n  -4          ",
        "a number (default 7)\n",
        "\nNumbers:\n  -n, --number N",
        "\n  -h, --help  ",
        "\n  -V, --version",
        "\nNotes.\n",
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        cr_assert_not_null(strstr(text, parts[i]), "%s in %s", parts[i], text);
    }
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
        cr_assert_leq(strcspn(line, "\n"), 80, "%.100s", line);
        cr_assert(line[0] == '\n' || strchr(line, '\n')[-1] != ' ', "%.100s", line);
    }
}

Test(arguments, help_of_a_command_has_its_options_alone)
{
    char text[8192];
    get_help(text, sizeof(text), &commands[0]);
    cr_assert_not_null(strstr(text, "prog paint - paint a wall"));
    cr_assert_not_null(strstr(text, "--number N"));
    cr_assert_null(strstr(text, "--colour"));
    cr_assert_not_null(strstr(text, "Of washing:"), "other options of the group remain");
    get_help(text, sizeof(text), &commands[1]);
    cr_assert_not_null(strstr(text, "--colour"));
}

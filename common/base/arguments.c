#include "base/arguments.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

const struct argument_row arguments_common[ARGUMENTS_NUM_COMMON] = {
    {.name = "help", .letter = 'h', .kind = ARGUMENT_ACTION, .help = "print this help"},
    {.name = "version", .letter = 'V', .kind = ARGUMENT_ACTION, .help = "print the version"},
};

#define GO_ON (-1)

/* One pass over argv. */
struct pass {
    void *values;
    const struct argument_program *program;
    const struct argument_command *command; /* NULL: there is none of that name */
    char **argv;                            /* what is still to be read, ends with NULL */
    bool is_given[ARGUMENTS_MAX_ROWS];
    bool has_operand;
};

/* --- errors --- */

static int end_error(const struct argument_program *program)
{
    fprintf(stderr, "Try '%s --help'.\n", program->name);
    return program->usage_status;
}

static FILE *begin_error(const struct argument_program *program)
{
    if (program->error_prefix != NULL) {
        fputs(program->error_prefix, stdout);
        return stdout;
    }
    fprintf(stderr, "%s: ", program->name);
    return stderr;
}

int arguments_error(const struct argument_program *program, const char *format, ...)
{
    FILE *out = begin_error(program);
    va_list values;
    va_start(values, format);
    vfprintf(out, format, values);
    va_end(values);
    fputc('\n', out);
    return end_error(program);
}

int arguments_wrong(const struct argument_program *program, const char *what, const char *value,
                    const char *expected)
{
    return arguments_error(program, "%s: got '%s', expected %s", what, value, expected);
}

static int wrong_value(const struct pass *pass, const char *what, const struct argument_row *row,
                       const char *value)
{
    char expected[ARGUMENT_EXPECTED_LEN];
    argument_expected(expected, row);
    return arguments_wrong(pass->program, what, value, expected);
}

static int wrong_command(const struct pass *pass, const char *name)
{
    return arguments_wrong(pass->program, "command", name != NULL ? name : "nothing",
                           name != NULL && name[0] == '-' ? "one that --help lists, first"
                                                          : "one that --help lists");
}

/* --- options --- */

#define NAME_LEN 40

static void format_name(char name[NAME_LEN], const struct argument_row *row)
{
    if (row->name != NULL) {
        snprintf(name, NAME_LEN, "--%s", row->name);
    } else {
        snprintf(name, NAME_LEN, "-%c", row->letter);
    }
}

/* Row `i` of the program's, then of those that all programs have; NULL behind the last. */
static const struct argument_row *row_at(const struct argument_program *program, size_t i)
{
    if (i < program->num_rows) {
        return &program->rows[i];
    }
    i -= program->num_rows;
    return i < ARGUMENTS_NUM_COMMON ? &arguments_common[i] : NULL;
}

static int print_common(const struct pass *pass, const struct argument_row *row)
{
    const struct argument_program *program = pass->program;
    if (row == &arguments_common[0]) {
        arguments_print_help(stdout, program, pass->command);
    } else {
        printf("%s %s%s%s\n", program->name, NTS_VERSION,
               program->library_version != NULL ? ", " : "",
               program->library_version != NULL ? program->library_version : "");
    }
    return 0;
}

/* Stores one option. `value` is NULL if it was not given. */
static int take_option(struct pass *pass, const struct argument_row *row, const char *value)
{
    const struct argument_program *program = pass->program;
    char name[NAME_LEN];
    format_name(name, row);
    if (row == &arguments_common[0] || row == &arguments_common[1]) {
        return print_common(pass, row);
    }
    if (pass->command == NULL) {
        return GO_ON; /* the error is printed at the end, unless help is asked for before */
    }
    if (row->taken_by != 0 && (row->taken_by & 1u << (pass->command - program->commands)) == 0) {
        return arguments_error(program, "%s has no option %s", pass->command->name, name);
    }
    if (argument_takes_value(row) && value == NULL) {
        char expected[ARGUMENT_EXPECTED_LEN];
        argument_expected(expected, row);
        return arguments_error(program, "%s: got no argument, expected %s", name, expected);
    }
    if (!argument_store(pass->values, row, value)) {
        return wrong_value(pass, name, row, value);
    }
    pass->is_given[row - program->rows] = true;
    return row->kind == ARGUMENT_ACTION ? 0 : GO_ON;
}

/* The row that the first `len` letters of `name` stand for: that name, or the only one that begins
 * so. NULL if there is none; `*is_ambiguous` if there are several. */
static const struct argument_row *find_name(const struct argument_program *program,
                                            const char *name, size_t len, bool *is_ambiguous)
{
    const struct argument_row *found = NULL;
    const struct argument_row *row;
    *is_ambiguous = false;
    for (size_t i = 0; (row = row_at(program, i)) != NULL; i++) {
        if (row->name == NULL || strncmp(row->name, name, len) != 0) {
            continue;
        }
        if (row->name[len] == '\0') {
            *is_ambiguous = false;
            return row;
        }
        *is_ambiguous = found != NULL;
        found = row;
    }
    return *is_ambiguous ? NULL : found;
}

/* --NAME, --NAME=VALUE or --NAME VALUE. */
static int take_long(struct pass *pass, const char *text)
{
    const char *name = text + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    bool is_ambiguous;
    const struct argument_row *row = find_name(pass->program, name, len, &is_ambiguous);
    if (row == NULL) {
        return arguments_wrong(pass->program, "option", text,
                               is_ambiguous ? "one name: several begin like that"
                                            : "one that --help lists");
    }
    if (!argument_takes_value(row) && value != NULL) {
        char full_name[NAME_LEN];
        format_name(full_name, row);
        return arguments_wrong(pass->program, full_name, value, "no value");
    }
    if (argument_takes_value(row) && value == NULL && *pass->argv != NULL) {
        value = *pass->argv++;
    }
    return take_option(pass, row, value);
}

/* -X, several letters in one word, with a value in the rest of the word or in the next one. */
static int take_letters(struct pass *pass, const char *text)
{
    int exit_status = GO_ON;
    for (const char *letter = text + 1; *letter != '\0' && exit_status == GO_ON; letter++) {
        const struct argument_row *row;
        size_t i = 0;
        while ((row = row_at(pass->program, i)) != NULL && row->letter != *letter) {
            i++;
        }
        if (row == NULL) {
            return arguments_wrong(pass->program, "option", text, "one that --help lists");
        }
        if (argument_takes_value(row)) {
            const char *value = letter[1] != '\0'     ? letter + 1
                                : *pass->argv != NULL ? *pass->argv++
                                                      : NULL;
            return take_option(pass, row, value);
        }
        exit_status = take_option(pass, row, NULL);
    }
    return exit_status;
}

/* --- operands --- */

/* How errors name the operand. */
static const char *operand_name(const struct argument_command *command)
{
    return command->name != NULL ? command->name : command->operand->value;
}

static int take_operand(struct pass *pass, const char *text)
{
    const struct argument_command *command = pass->command;
    if (command == NULL) {
        return GO_ON;
    }
    const struct argument_row *row = command->operand;
    if (row == NULL || (pass->has_operand && row->kind != ARGUMENT_LIST)) {
        return command->name != NULL
                   ? arguments_wrong(pass->program, command->name, text, "no further argument")
                   : arguments_error(pass->program, "unexpected argument '%s'", text);
    }
    pass->has_operand = true;
    return argument_store(pass->values, row, text)
               ? GO_ON
               : wrong_value(pass, operand_name(command), row, text);
}

/* --- the whole --- */

static int read_all(struct pass *pass)
{
    int exit_status = GO_ON;
    bool only_operands = false;
    while (exit_status == GO_ON && *pass->argv != NULL) {
        const char *text = *pass->argv++;
        if (only_operands || text[0] != '-' || text[1] == '\0') {
            exit_status = take_operand(pass, text);
        } else if (strcmp(text, "--") == 0) {
            only_operands = true;
        } else {
            exit_status = text[1] == '-' ? take_long(pass, text) : take_letters(pass, text);
        }
    }
    return exit_status;
}

static bool is_missing(const struct pass *pass, const struct argument_row *row)
{
    if ((row->required_by & 1u << (pass->command - pass->program->commands)) == 0) {
        return false;
    }
    /* A list may have been filled by operands. */
    return row->kind == ARGUMENT_LIST
               ? *(const size_t *)((const char *)pass->values + row->companion) == 0
               : !pass->is_given[row - pass->program->rows];
}

static int check_required(const struct pass *pass)
{
    const struct argument_program *program = pass->program;
    const struct argument_row *operand = pass->command->operand;
    if (operand != NULL && operand->required_by != 0 && !pass->has_operand) {
        return arguments_wrong(program, operand_name(pass->command), "nothing", operand->value);
    }
    for (size_t i = 0; i < program->num_rows; i++) {
        const struct argument_row *row = &program->rows[i];
        if (is_missing(pass, row)) {
            char name[NAME_LEN];
            format_name(name, row);
            return row->expected != NULL
                       ? arguments_wrong(program, name, "nothing", row->expected)
                       : arguments_error(program, "%s %s is needed", name, row->value);
        }
    }
    return GO_ON;
}

static void store_defaults(void *values, const struct argument_program *program)
{
    for (size_t i = 0; i < program->num_rows; i++) {
        const struct argument_row *row = &program->rows[i];
        if (row->default_value != NULL) {
            bool is_right = argument_store(values, row, row->default_value);
            assert(is_right);
            (void)is_right;
        }
    }
}

int arguments_parse(void *values, size_t *command, const struct argument_program *program, int argc,
                    char **argv)
{
    struct pass pass = {.values = values, .program = program, .argv = argv + (argc > 0)};
    bool has_commands = program->commands[0].name != NULL;
    const char *name = *pass.argv;
    assert(program->num_rows <= ARGUMENTS_MAX_ROWS);
    store_defaults(values, program);
    if (!has_commands) {
        pass.command = &program->commands[0];
    }
    for (size_t i = 0; has_commands && i < program->num_commands && name != NULL; i++) {
        if (strcmp(program->commands[i].name, name) == 0) {
            pass.command = &program->commands[i];
            pass.argv++;
            break;
        }
    }
    int exit_status = read_all(&pass);
    if (exit_status != GO_ON) {
        return exit_status;
    }
    if (pass.command == NULL) {
        return wrong_command(&pass, name);
    }
    *command = (size_t)(pass.command - program->commands);
    return check_required(&pass);
}

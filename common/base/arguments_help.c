#include "base/arguments.h"

#include <string.h>

#define WIDTH         80
#define MAX_LABEL_LEN 22 /* of what stands before the help on its line */
#define LABEL_LEN     64
#define HELP_LEN      512

/* Prints the words of `text` from column `indent` on, where its further lines begin too, and ends
 * the line. */
static void print_wrapped(FILE *out, const char *text, size_t indent)
{
    size_t column = indent;
    while (*text != '\0') {
        size_t len = strcspn(text, " \n");
        if (column > indent && column + 1 + len > WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, len, out);
        column += len;
        text += len;
        if (*text == '\n') {
            fprintf(out, "\n%*s", text[1] != '\n' ? (int)indent : 0, "");
            column = indent;
        }
        text += *text != '\0';
    }
    fputc('\n', out);
}

static void format_label(char label[LABEL_LEN], const struct argument_row *row)
{
    char letter[] = {'-', row->letter, '\0'};
    snprintf(label, LABEL_LEN, "%s%s%s%s%s%s", row->letter != 0 ? letter : "    ",
             row->letter != 0 && row->name != NULL ? ", " : "", row->name != NULL ? "--" : "",
             row->name != NULL ? row->name : "", row->value != NULL ? " " : "",
             row->value != NULL ? row->value : "");
}

static void format_command(char label[LABEL_LEN], const struct argument_command *command)
{
    bool has_operand = command->operand != NULL && command->operand->required_by != 0;
    snprintf(label, LABEL_LEN, "%s%s%s", command->name, has_operand ? " " : "",
             has_operand ? command->operand->value : "");
}

static void print_entry(FILE *out, const char *label, const char *help)
{
    fprintf(out, "  %-*s", MAX_LABEL_LEN, label);
    fprintf(out, strlen(label) > MAX_LABEL_LEN ? "\n%*s" : "  ", MAX_LABEL_LEN + 4, "");
    print_wrapped(out, help, MAX_LABEL_LEN + 4);
}

static void print_row(FILE *out, const struct argument_row *row)
{
    char label[LABEL_LEN];
    char help[HELP_LEN];
    format_label(label, row);
    if (row->default_value != NULL) {
        snprintf(help, sizeof(help), "%s (default %s)", row->help, row->default_value);
    } else {
        snprintf(help, sizeof(help), "%s", row->help);
    }
    print_entry(out, label, help);
}

/* Whether a row belongs into the help: of the program all do. */
static bool is_shown(const struct argument_row *row, const struct argument_program *program,
                     const struct argument_command *command)
{
    return command == NULL || row->taken_by == 0 ||
           (row->taken_by & 1u << (command - program->commands)) != 0;
}

static void print_rows(FILE *out, const struct argument_program *program,
                       const struct argument_command *command)
{
    const char *heading = "Options";
    for (size_t i = 0; i < program->num_rows; i++) {
        const struct argument_row *row = &program->rows[i];
        heading = row->heading != NULL ? row->heading : heading;
        if (is_shown(row, program, command)) {
            if (heading != NULL) {
                fprintf(out, "\n%s:\n", heading);
                heading = NULL; /* printed */
            }
            print_row(out, row);
        }
    }
    fputs(heading != NULL ? "\nOptions:\n" : "", out);
    for (size_t i = 0; i < ARGUMENTS_NUM_COMMON; i++) {
        print_row(out, &arguments_common[i]);
    }
}

static void print_usage(FILE *out, const struct argument_program *program,
                        const struct argument_command *command)
{
    fprintf(out, "Usage: %s", program->name);
    if (command == NULL) {
        fputs(" COMMAND [ARGUMENT]...\n", out);
        return;
    }
    if (command->name != NULL) {
        fprintf(out, " %s", command->name);
    }
    for (size_t i = 0; i < program->num_rows; i++) {
        const struct argument_row *row = &program->rows[i];
        if ((row->required_by & 1u << (command - program->commands)) != 0) {
            fprintf(out, " --%s %s", row->name, row->value);
        }
    }
    if (command->operand != NULL) {
        bool is_needed = command->operand->required_by != 0;
        fprintf(out, is_needed ? " %s" : " [%s]", command->operand->value);
        fputs(command->operand->kind == ARGUMENT_LIST ? "..." : "", out);
    }
    fputs(" [OPTION]...\n", out);
}

static void print_purpose(FILE *out, const struct argument_program *program,
                          const struct argument_command *command)
{
    char line[HELP_LEN];
    if (command != NULL) {
        snprintf(line, sizeof(line), "%s %s - %s", program->name, command->name, command->help);
    } else {
        snprintf(line, sizeof(line), "%s - %s", program->name, program->purpose);
    }
    print_wrapped(out, line, 0);
}

static void print_commands(FILE *out, const struct argument_program *program)
{
    fputs("\nCommands:\n", out);
    for (size_t i = 0; i < program->num_commands; i++) {
        char label[LABEL_LEN];
        format_command(label, &program->commands[i]);
        print_entry(out, label, program->commands[i].help);
    }
    fprintf(out, "\n'%s COMMAND --help' prints the options of one command.\n", program->name);
}

void arguments_print_help(FILE *out, const struct argument_program *program,
                          const struct argument_command *command)
{
    bool has_commands = program->commands[0].name != NULL;
    if (!has_commands) {
        command = &program->commands[0];
    }
    print_purpose(out, program, has_commands ? command : NULL);
    fputc('\n', out);
    print_usage(out, program, command);
    if (command == NULL) {
        print_commands(out, program);
    }
    print_rows(out, program, command);
    if (program->notes != NULL) {
        fputc('\n', out);
        print_wrapped(out, program->notes, 0);
    }
}

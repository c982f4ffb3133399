#include "process/command_line.h"

#include "base/arguments.h"

/* What the rows refer to. */
struct server_line {
    struct server_command command;
    const struct server_program *program;
};

static void print_reference(const void *values)
{
    const struct server_line *line = values;
    config_print_reference(stdout, line->program->options);
}

static const struct argument_row rows[] = {
    {.name = "config",
     .letter = 'c',
     .kind = ARGUMENT_TEXT,
     .value = "FILE",
     ARGUMENT_FIELD(struct server_line, command.config_path),
     .required_by = 1,
     .help = "the configuration, a JSON file"},
    {.name = "check",
     .kind = ARGUMENT_FLAG,
     ARGUMENT_FIELD(struct server_line, command.check),
     .help = "check the configuration and the host as a start would, print each problem, and exit"},
    {.name = "options",
     .kind = ARGUMENT_ACTION,
     .act = print_reference,
     .help = "print the reference of all configuration options as Markdown"},
};

static const struct argument_command commands[] = {{.name = NULL}};

int command_line_parse(struct server_command *command, const struct server_program *program,
                       int argc, char **argv)
{
    const struct argument_program arguments = {
        .name = program->name,
        .purpose = program->purpose,
        .library_version = program->library_version,
        .commands = commands,
        .num_commands = 1,
        .rows = rows,
        .num_rows = sizeof(rows) / sizeof(rows[0]),
        .usage_status = 2,
        .notes = "Signals: HUP reloads, USR1 logs the counters, TERM and INT stop the server. "
                 "RTMIN+3, RTMIN+4 and RTMIN+6 set the log level to error, warning and info until "
                 "the next reload.",
    };
    struct server_line line = {.program = program};
    size_t index;
    int exit_status = arguments_parse(&line, &index, &arguments, argc, argv);
    *command = line.command;
    return exit_status;
}

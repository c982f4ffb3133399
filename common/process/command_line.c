#include "process/command_line.h"

#include <getopt.h>

static void print_help(const struct server_program *program)
{
    printf(
        "%s - %s\n\n"
        "Usage: %s --config FILE [--check]\n\n"
        "  -c, --config FILE  the configuration, JSON\n"
        "      --check        find what would go wrong if it were started, then exit\n"
        "      --options      print the reference of all options as Markdown\n"
        "  -h, --help         print this help\n"
        "  -V, --version      print the version\n\n"
        "Signals: HUP reloads, USR1 logs the counters, TERM and INT stop; RTMIN+3, +4 and +6 log\n"
        "errors, warnings too, everything, until the next reload.\n",
        program->name, program->purpose, program->name);
}

int command_line_parse(struct server_command *command, const struct server_program *program,
                       int argc, char **argv)
{
    enum { FLAG_CHECK = 256, FLAG_OPTIONS };
    static const struct option flags[] = {
        {"config", required_argument, NULL, 'c'},     {"check", no_argument, NULL, FLAG_CHECK},
        {"options", no_argument, NULL, FLAG_OPTIONS}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},          {NULL, 0, NULL, 0},
    };
    *command = (struct server_command){0};
    int flag;
    while ((flag = getopt_long(argc, argv, "c:hV", flags, NULL)) != -1) {
        switch (flag) {
        case 'c':
            command->config_path = optarg;
            break;
        case FLAG_CHECK:
            command->check = true;
            break;
        case FLAG_OPTIONS:
            config_print_reference(stdout, program->options);
            return 0;
        case 'h':
            print_help(program);
            return 0;
        case 'V':
            printf("%s %s, %s\n", program->name, NTS_VERSION, program->library_version);
            return 0;
        default:
            fprintf(stderr, "Try '%s --help'.\n", program->name);
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: unexpected argument '%s'\n", program->name, argv[optind]);
        return 2;
    }
    if (command->config_path == NULL) {
        fprintf(stderr, "%s: --config FILE is needed\nTry '%s --help'.\n", program->name,
                program->name);
        return 2;
    }
    return -1;
}

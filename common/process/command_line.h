/* The command line that both servers share. */
#ifndef NTS_PROCESS_COMMAND_LINE_H
#define NTS_PROCESS_COMMAND_LINE_H

#include "config/config.h"

#include <stdbool.h>

struct server_program {
    const char *name;    /* "nts-ke-server" */
    const char *purpose; /* one line */
    const char *library_version;
    const struct option_table *options;
};

struct server_command {
    const char *config_path;
    bool check;
};

/* command_line_parse reads --config, --check, --help, --options and --version. Returns -1 when the
 * program should go on with `*command`, else the exit status (what was asked for is printed). */
int command_line_parse(struct server_command *command, const struct server_program *program,
                       int argc, char **argv);

#endif

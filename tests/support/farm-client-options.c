#include "farm-client-options.h"

#include "base/arguments.h"
#include "wire/ke_record.h"
#include "wire/ntp_packet.h"

#include <math.h>

static bool take_server(void *field, const char *text)
{
    struct client_options *options = field;
    if (options->num_servers == REPORT_MAX_SERVERS) {
        return false;
    }
    struct client_server *server = &options->servers[options->num_servers++];
    server->text = text;
    return host_port_split(server->host, &server->port, text, NTP_PORT);
}

#define FIELD(field) ARGUMENT_FIELD(struct client_options, field)

/* clang-format off */
static const struct argument_row rows[] = {
    {.name = "ke", .value = "HOST[:PORT]", .required_by = 1,
     .kind = ARGUMENT_HOST, FIELD(ke_host), .companion = offsetof(struct client_options, ke_port),
     .default_port = KE_PORT,
     .help = "where each session runs NTS-KE, once"},
    {.name = "ca", .value = "FILE",
     .kind = ARGUMENT_TEXT, FIELD(ca_file),
     .help = "trust only the CA certificates in this PEM file"},
    {.name = "server", .value = "HOST[:PORT]", .required_by = 1,
     .kind = ARGUMENT_CUSTOM, .take = take_server, .offset = 0,
     .help = "a time server; may be repeated: each session queries all of them in turn"},
    {.name = "sessions", .value = "N",
     .kind = ARGUMENT_INTEGER, FIELD(num_sessions), .min = 1, .max = CLIENT_MAX_SESSIONS,
     .default_value = "10",
     .help = "sessions, 1 to 10000"},
    {.name = "rate", .value = "R",
     .kind = ARGUMENT_REAL, FIELD(rate), .min = 0.001, .max = 1e6, .default_value = "10",
     .help = "requests a second, of all sessions together"},
    {.name = "hold", .value = "N",
     .kind = ARGUMENT_INTEGER, FIELD(max_cookies), .min = 1, .max = CLIENT_MAX_COOKIES,
     .default_value = "4",
     .help = "cookies that the even sessions keep, 1 to 8"},
    {.name = "hoard", .value = "S",
     .kind = ARGUMENT_INTEGER, FIELD(hoard_s), .min = 1, .max = 86400, .unit = "seconds",
     .help = "each odd session uses one cookie only when it is S seconds old"},
    {.name = "timeout", .value = "S",
     .kind = ARGUMENT_REAL, FIELD(timeout_s), .min = 1e-3, .max = 60, .unit = "seconds",
     .default_value = "1",
     .help = "seconds to wait for an answer"},
    {.name = "seconds", .value = "S",
     .kind = ARGUMENT_INTEGER, FIELD(seconds), .min = 1, .max = 86400, .unit = "seconds",
     .help = "stop after this time (default: at SIGTERM or SIGINT)"},
    {.name = "workers", .value = "N",
     .kind = ARGUMENT_INTEGER, FIELD(num_workers), .min = 1, .max = CLIENT_MAX_WORKERS,
     .default_value = "64",
     .help = "threads, and so requests at a time, 1 to 256"},
    {.name = "state", .value = "FILE",
     .kind = ARGUMENT_TEXT, FIELD(state_path),
     .help = "replace FILE with the numbers, twice a second"},
};
/* clang-format on */

static const struct argument_command commands[] = {{.name = NULL}};

static const struct argument_program program = {
    .name = "farm-client",
    .purpose = "many NTS clients at once, which count what they see",
    .commands = commands,
    .num_commands = 1,
    .rows = rows,
    .num_rows = sizeof(rows) / sizeof(rows[0]),
    .notes = "The numbers are printed at the end, as one JSON object.",
    .usage_status = 2,
};

int client_options_parse(struct client_options *options, int argc, char **argv)
{
    size_t command;
    *options = (struct client_options){0};
    int exit_status = arguments_parse(options, &command, &program, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    options->timeout_ms = (int64_t)ceil(options->timeout_s * 1000);
    if (options->num_workers > options->num_sessions) {
        options->num_workers = options->num_sessions;
    }
    return -1;
}

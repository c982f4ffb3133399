/* nts-probe: queries an NTS server as a client does, and explains its answers. */
#include "nts-probe.h"
#include "base/arguments.h"

#include <stdlib.h>

static bool take_aeads(void *field, const char *text)
{
    struct probe_options *options = field;
    options->num_aeads = 0;
    do {
        char *end;
        unsigned long id = strtoul(text, &end, 10);
        if (end == text || (*end != ',' && *end != '\0') || id > UINT16_MAX ||
            aead_find((uint16_t)id) == NULL || options->num_aeads == CLIENT_MAX_AEADS) {
            return false;
        }
        options->aeads[options->num_aeads++] = (uint16_t)id;
        text = *end == ',' ? end + 1 : NULL;
    } while (text != NULL);
    return true;
}

#define FIELD(field) ARGUMENT_FIELD(struct probe_options, field)

/* clang-format off */
static const struct argument_row rows[] = {
    {.name = "ca", .value = "FILE",
     .kind = ARGUMENT_TEXT, FIELD(ca_file),
     .help = "trust only the CA certificates in this PEM file"},
    {.name = "name", .value = "NAME",
     .kind = ARGUMENT_TEXT, FIELD(server_name),
     .help = "the name or address that the certificate must have (default HOST)"},
    {.letter = '4',
     .kind = ARGUMENT_CONSTANT, FIELD(family), .constant = AF_INET,
     .help = "use IPv4 only"},
    {.letter = '6',
     .kind = ARGUMENT_CONSTANT, FIELD(family), .constant = AF_INET6,
     .help = "use IPv6 only"},
    {.name = "aead", .value = "N[,N...]",
     .kind = ARGUMENT_CUSTOM, .take = take_aeads, .offset = 0,
     .expected = "numbers of 15, 16, 17 and 30, with commas",
     .help = "AEAD algorithms to offer, of 15, 16, 17, 30 (default 30,15)"},
    {.name = "ntp-server", .value = "HOST[:PORT]",
     .kind = ARGUMENT_HOST, FIELD(ntp_host), .companion = offsetof(struct probe_options, ntp_port),
     .default_port = NTP_PORT,
     .help = "query this time server, not the one that NTS-KE names"},
    {.name = "count", .value = "N",
     .kind = ARGUMENT_INTEGER, FIELD(count), .min = 1, .max = 1000, .default_value = "4",
     .help = "number of NTP exchanges"},
    {.name = "interval", .value = "S",
     .kind = ARGUMENT_REAL, FIELD(interval_s), .max = 86400, .unit = "seconds",
     .default_value = "1",
     .help = "seconds between two exchanges"},
    {.name = "timeout", .value = "S",
     .kind = ARGUMENT_REAL, FIELD(timeout_s), .min = 0.001, .max = 86400, .unit = "seconds",
     .default_value = "3",
     .help = "seconds to wait for NTS-KE, and again for each answer"},
    {.name = "warn-offset", .value = "S",
     .kind = ARGUMENT_REAL, FIELD(warn_offset_s), .max = 86400, .unit = "seconds",
     .default_value = "0.1",
     .help = "WARNING if the offset is larger than S seconds"},
    {.name = "crit-offset", .value = "S",
     .kind = ARGUMENT_REAL, FIELD(crit_offset_s), .max = 86400, .unit = "seconds",
     .default_value = "1",
     .help = "CRITICAL if the offset is larger than S seconds"},
    {.name = "warn-cert-days", .value = "N",
     .kind = ARGUMENT_INTEGER, FIELD(warn_cert_days), .max = 36500, .unit = "days",
     .default_value = "14",
     .help = "WARNING if the certificate expires in less than N days"},
    {.name = "json",
     .kind = ARGUMENT_FLAG, FIELD(json),
     .help = "print one JSON object"},
};

static const struct argument_row host_operand = {
    .value = "HOST[:PORT]", .required_by = 1,
    .kind = ARGUMENT_HOST, FIELD(host), .companion = offsetof(struct probe_options, port),
    .default_port = KE_PORT};
/* clang-format on */

static const struct argument_command commands[] = {{.operand = &host_operand}};

/* Returns -1 to go on, else the exit status. */
static int parse_arguments(struct probe_options *options, int argc, char **argv)
{
    const struct argument_program program = {
        .name = "nts-probe",
        .purpose = "query an NTS server as a client does, and explain its answers",
        .library_version = boringssl_version(),
        .commands = commands,
        .num_commands = 1,
        .rows = rows,
        .num_rows = sizeof(rows) / sizeof(rows[0]),
        .notes = "HOST is a name, an IPv4 address or an IPv6 address (in brackets if a port "
                 "follows); PORT is the port of NTS-KE, 4460 by default.\n"
                 "The first line and the exit status follow the convention of monitoring plugins: "
                 "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
        .error_prefix = "NTS UNKNOWN - ",
        .usage_status = PROBE_UNKNOWN,
    };
    size_t command;
    *options = (struct probe_options){.family = AF_UNSPEC};
    return arguments_parse(options, &command, &program, argc, argv);
}

int main(int argc, char **argv)
{
    struct probe_options options;
    int exit_status = parse_arguments(&options, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    struct probe_result result;
    probe_run(&result, &options);
    if (options.json) {
        probe_print_json(stdout, &result, &options);
    } else {
        probe_print_text(stdout, &result, &options);
    }
    exit_status = (int)result.state;
    probe_result_free(&result);
    return fflush(stdout) == 0 ? exit_status : PROBE_UNKNOWN;
}

/* nts-probe: asks an NTS server for time the way a client would, and explains what it saw. */
#include "nts-probe.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COUNT 1000

static const struct probe_options defaults = {
    .family = AF_UNSPEC,
    .count = 4,
    .interval_s = 1.0,
    .timeout_s = 3.0,
    .warn_offset_s = 0.1,
    .crit_offset_s = 1.0,
    .warn_cert_days = 14,
};

static void print_help(FILE *out)
{
    fputs("nts-probe - ask an NTS server for time and explain what it answers\n\n"
          "Usage: nts-probe HOST[:PORT] [OPTION]...\n\n"
          "  HOST is a name, an IPv4 address or an IPv6 address (in brackets if a port follows);\n"
          "  PORT is that of NTS-KE, 4460 if it is not given.\n\n"
          "      --ca FILE          trust only the CA certificates in this PEM file\n"
          "      --name NAME        the name or address the certificate must have (default HOST)\n"
          "  -4, -6                 use IPv4 or IPv6 only\n"
          "      --aead N[,N...]    AEAD algorithms to offer, of 15, 16, 17, 30 (default 30,15)\n"
          "      --ntp-server HOST[:PORT]  ask this time server, not the one that NTS-KE names\n"
          "      --count N          NTP exchanges (default 4)\n"
          "      --interval S       seconds between them (default 1)\n"
          "      --timeout S        seconds for NTS-KE, and again for each answer (default 3)\n"
          "      --warn-offset S    WARNING if the offset is larger (default 0.1)\n"
          "      --crit-offset S    CRITICAL if the offset is larger (default 1)\n"
          "      --warn-cert-days N WARNING if the certificate expires sooner (default 14)\n"
          "      --json             print one JSON object\n"
          "  -h, --help             print this help\n"
          "  -V, --version          print the version\n\n"
          "The first line and the exit status follow the convention of monitoring plugins:\n"
          "0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n",
          out);
}

/* Says on standard output, where monitoring looks, what is wrong with the command line. */
static int usage_error(const char *option, const char *value, const char *expected)
{
    printf("NTS UNKNOWN - %s: got '%s', expected %s\n", option, value, expected);
    fputs("Try 'nts-probe --help'.\n", stderr);
    return PROBE_UNKNOWN;
}

static bool parse_seconds(double *seconds, const char *text)
{
    char *end;
    *seconds = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*seconds) && *seconds >= 0 && *seconds <= 86400;
}

static bool parse_number(int64_t *number, const char *text, int64_t min, int64_t max)
{
    char *end;
    *number = strtoll(text, &end, 10);
    return end != text && *end == '\0' && *number >= min && *number <= max;
}

static bool parse_aeads(struct probe_options *options, const char *text)
{
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

enum flag {
    FLAG_CA = 256,
    FLAG_NAME,
    FLAG_AEAD,
    FLAG_NTP_SERVER,
    FLAG_COUNT,
    FLAG_INTERVAL,
    FLAG_TIMEOUT,
    FLAG_WARN_OFFSET,
    FLAG_CRIT_OFFSET,
    FLAG_WARN_CERT_DAYS,
    FLAG_JSON,
};

/* Takes one option with a value. Returns NULL, or what was expected. */
static const char *take_value(struct probe_options *options, int flag, const char *value)
{
    static const char seconds[] = "seconds, 0 to 86400";
    int64_t number = 0;
    switch (flag) {
    case FLAG_CA:
        options->ca_file = value;
        return NULL;
    case FLAG_NAME:
        options->server_name = value;
        return NULL;
    case FLAG_AEAD:
        return parse_aeads(options, value) ? NULL : "numbers of 15, 16, 17 and 30, with commas";
    case FLAG_NTP_SERVER:
        return host_port_split(options->ntp_host, &options->ntp_port, value, NTP_PORT)
                   ? NULL
                   : "HOST[:PORT]";
    case FLAG_COUNT:
        if (!parse_number(&number, value, 1, MAX_COUNT)) {
            return "1 to 1000";
        }
        options->count = (size_t)number;
        return NULL;
    case FLAG_INTERVAL:
        return parse_seconds(&options->interval_s, value) ? NULL : seconds;
    case FLAG_TIMEOUT:
        return parse_seconds(&options->timeout_s, value) && options->timeout_s >= 0.001
                   ? NULL
                   : "seconds, 0.001 to 86400";
    case FLAG_WARN_OFFSET:
        return parse_seconds(&options->warn_offset_s, value) ? NULL : seconds;
    case FLAG_CRIT_OFFSET:
        return parse_seconds(&options->crit_offset_s, value) ? NULL : seconds;
    default: /* FLAG_WARN_CERT_DAYS */
        return parse_number(&options->warn_cert_days, value, 0, 36500) ? NULL : "days, 0 to 36500";
    }
}

static const struct option flags[] = {
    {"ca", required_argument, NULL, FLAG_CA},
    {"name", required_argument, NULL, FLAG_NAME},
    {"aead", required_argument, NULL, FLAG_AEAD},
    {"ntp-server", required_argument, NULL, FLAG_NTP_SERVER},
    {"count", required_argument, NULL, FLAG_COUNT},
    {"interval", required_argument, NULL, FLAG_INTERVAL},
    {"timeout", required_argument, NULL, FLAG_TIMEOUT},
    {"warn-offset", required_argument, NULL, FLAG_WARN_OFFSET},
    {"crit-offset", required_argument, NULL, FLAG_CRIT_OFFSET},
    {"warn-cert-days", required_argument, NULL, FLAG_WARN_CERT_DAYS},
    {"json", no_argument, NULL, FLAG_JSON},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static int take_host(struct probe_options *options, int num_left, char **left)
{
    if (num_left != 1) {
        printf("NTS UNKNOWN - expected one HOST[:PORT], got %d\n", num_left);
        fputs("Try 'nts-probe --help'.\n", stderr);
        return PROBE_UNKNOWN;
    }
    if (!host_port_split(options->host, &options->port, left[0], KE_PORT)) {
        return usage_error("HOST", left[0], "HOST[:PORT] or [IPV6][:PORT]");
    }
    return -1;
}

/* Returns -1 to go on, else the exit status. */
static int parse_arguments(struct probe_options *options, int argc, char **argv)
{
    int flag;
    int index = 0;
    *options = defaults;
    opterr = 0;
    while ((flag = getopt_long(argc, argv, ":46hV", flags, &index)) != -1) {
        switch (flag) {
        case '4':
            options->family = AF_INET;
            break;
        case '6':
            options->family = AF_INET6;
            break;
        case FLAG_JSON:
            options->json = true;
            break;
        case 'h':
            print_help(stdout);
            return 0;
        case 'V':
            printf("nts-probe %s, %s\n", NTS_VERSION, boringssl_version());
            return 0;
        case ':':
            return usage_error(argv[optind - 1], "", "a value");
        case '?':
            return usage_error("option", argv[optind - 1], "one that --help lists");
        default: {
            const char *expected = take_value(options, flag, optarg);
            if (expected != NULL) {
                char name[32];
                snprintf(name, sizeof(name), "--%s", flags[index].name);
                return usage_error(name, optarg, expected);
            }
        }
        }
    }
    return take_host(options, argc - optind, argv + optind);
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

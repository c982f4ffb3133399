#include "farm-client-options.h"

#include "wire/ke_record.h"
#include "wire/ntp_packet.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void print_help(FILE *out)
{
    fputs("farm-client - many NTS clients at once, which count what they see\n\n"
          "Usage: farm-client --ke HOST[:PORT] --server HOST[:PORT]... [OPTION]...\n\n"
          "      --ke HOST[:PORT]     where each session runs NTS-KE, once\n"
          "      --ca FILE            trust only the CA certificates in this PEM file\n"
          "      --server HOST[:PORT] a time server; each session asks all of them in turn\n"
          "      --sessions N         sessions, 1 to 10000 (default 10)\n"
          "      --rate R             requests a second, of all together (default 10)\n"
          "      --hold N             cookies that the even sessions keep, 1 to 8 (default 4)\n"
          "      --hoard S            the odd ones keep a cookie aside until it is S seconds old\n"
          "      --timeout S          seconds to wait for an answer (default 1)\n"
          "      --seconds S          stop after this time (default: at SIGTERM or SIGINT)\n"
          "      --workers N          threads, and so requests at a time, 1 to 256 (default 64)\n"
          "      --state FILE         replace FILE with the numbers, twice a second\n"
          "  -h, --help               print this help\n\n"
          "The numbers, one JSON object, are on standard output at the end.\n",
          out);
}

static bool parse_count(size_t *count, const char *text, size_t max)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    *count = (size_t)value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= 1 && value <= max;
}

static bool parse_positive(double *number, const char *text, double max)
{
    char *end;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*number) && *number > 0 && *number <= max;
}

enum flag {
    FLAG_KE = 256,
    FLAG_CA,
    FLAG_SERVER,
    FLAG_SESSIONS,
    FLAG_RATE,
    FLAG_HOLD,
    FLAG_HOARD,
    FLAG_TIMEOUT,
    FLAG_SECONDS,
    FLAG_WORKERS,
    FLAG_STATE,
};

static const struct option flags[] = {
    {"ke", required_argument, NULL, FLAG_KE},
    {"ca", required_argument, NULL, FLAG_CA},
    {"server", required_argument, NULL, FLAG_SERVER},
    {"sessions", required_argument, NULL, FLAG_SESSIONS},
    {"rate", required_argument, NULL, FLAG_RATE},
    {"hold", required_argument, NULL, FLAG_HOLD},
    {"hoard", required_argument, NULL, FLAG_HOARD},
    {"timeout", required_argument, NULL, FLAG_TIMEOUT},
    {"seconds", required_argument, NULL, FLAG_SECONDS},
    {"workers", required_argument, NULL, FLAG_WORKERS},
    {"state", required_argument, NULL, FLAG_STATE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool take_server(struct client_options *options, const char *text)
{
    if (options->num_servers == REPORT_MAX_SERVERS) {
        return false;
    }
    struct client_server *server = &options->servers[options->num_servers++];
    server->text = text;
    return host_port_split(server->host, &server->port, text, NTP_PORT);
}

/* Takes one option with a value; false if the value is wrong. */
static bool take_value(struct client_options *options, int flag, const char *value)
{
    size_t count = 0;
    double number = 0;
    bool is_right = true;
    switch (flag) {
    case FLAG_KE:
        return host_port_split(options->ke_host, &options->ke_port, value, KE_PORT);
    case FLAG_CA:
        options->ca_file = value;
        return true;
    case FLAG_SERVER:
        return take_server(options, value);
    case FLAG_SESSIONS:
        return parse_count(&options->num_sessions, value, CLIENT_MAX_SESSIONS);
    case FLAG_RATE:
        return parse_positive(&options->rate, value, 1e6);
    case FLAG_HOLD:
        return parse_count(&options->max_cookies, value, CLIENT_MAX_COOKIES);
    case FLAG_HOARD:
        is_right = parse_count(&count, value, 86400);
        options->hoard_s = (int64_t)count;
        return is_right;
    case FLAG_TIMEOUT:
        is_right = parse_positive(&number, value, 60);
        options->timeout_ms = (int64_t)ceil(number * 1000);
        return is_right;
    case FLAG_SECONDS:
        is_right = parse_count(&count, value, 86400);
        options->seconds = (int64_t)count;
        return is_right;
    case FLAG_WORKERS:
        return parse_count(&options->num_workers, value, CLIENT_MAX_WORKERS);
    default: /* FLAG_STATE */
        options->state_path = value;
        return true;
    }
}

int client_options_parse(struct client_options *options, int argc, char **argv)
{
    int flag;
    int index = 0;
    *options = (struct client_options){
        .num_sessions = 10, .num_workers = 64, .rate = 10, .max_cookies = 4, .timeout_ms = 1000};
    while ((flag = getopt_long(argc, argv, "h", flags, &index)) != -1) {
        if (flag == 'h') {
            print_help(stdout);
            return 0;
        }
        if (flag == '?') {
            return 2;
        }
        if (!take_value(options, flag, optarg)) {
            fprintf(stderr, "farm-client: --%s: '%s' will not do, see --help\n", flags[index].name,
                    optarg);
            return 2;
        }
    }
    if (optind != argc || options->ke_host[0] == '\0' || options->num_servers == 0) {
        print_help(stderr);
        return 2;
    }
    if (options->num_workers > options->num_sessions) {
        options->num_workers = options->num_sessions;
    }
    return -1;
}

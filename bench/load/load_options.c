#include "load/load_options.h"

#include "base/arguments.h"
#include "crypto/aead.h"
#include "crypto/boringssl.h"
#include "load/request_pool.h"
#include "load/udp_link.h"
#include "wire/ke_record.h"

#include <stdlib.h>
#include <unistd.h>

#define MAX_CLIENTS     100000
#define DEFAULT_SOCKETS 256

static const char *const transports[] = {
    [ECHO_IO_URING] = "io_uring", [ECHO_RECVMMSG] = "recvmmsg", NULL};

const char *echo_transport_name(enum echo_transport transport)
{
    return transports[transport];
}

static bool take_aead(void *field, const char *text)
{
    char *end;
    unsigned long id = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || id > UINT16_MAX || aead_find((uint16_t)id) == NULL) {
        return false;
    }
    *(uint16_t *)field = (uint16_t)id;
    return true;
}

static bool take_mix(void *field, const char *text)
{
    return mix_parse(field, text);
}

static bool take_source_net(void *field, const char *text)
{
    return source_net_parse(field, text);
}

/* The modes in which an option means something. */
enum {
    M_TIME = 1 << LOAD_TIME,
    M_KE = 1 << LOAD_KE,
    M_LIMIT = 1 << LOAD_LIMIT,
    M_ECHO = 1 << LOAD_ECHO,
    M_UDP = M_TIME | M_LIMIT,
    M_LOAD = M_UDP | M_KE,
};

#define FIELD(field) ARGUMENT_FIELD(struct load_options, field)

/* clang-format off */
static const struct argument_row rows[] = {
    {.heading = "Where load may go",
     .name = "i-operate-this",
     .kind = ARGUMENT_FLAG, FIELD(i_operate_this),
     .help = "allow any address, since you operate the servers (default: loopback, private and "
             "link-local addresses only)"},

    {.heading = "Rate and duration",
     .name = "window", .value = "W", .taken_by = M_UDP,
     .kind = ARGUMENT_INTEGER, FIELD(window), .min = 1, .max = 100000,
     .help = "closed loop: W requests in flight (default 128, unless --rate or --ramp is given)"},
    {.name = "rate", .value = "R", .taken_by = M_LOAD,
     .kind = ARGUMENT_REAL, FIELD(rate), .min = 0.1, .max = 1e7, .unit = "requests a second",
     .help = "open loop: R requests a second, answered or not"},
    {.name = "ramp", .taken_by = M_LOAD,
     .kind = ARGUMENT_FLAG, FIELD(ramp),
     .help = "search for the highest rate with a loss of at most --loss"},
    {.name = "loss", .value = "P", .taken_by = M_LOAD,
     .kind = ARGUMENT_REAL, FIELD(loss), .max = 100, .default_value = "1",
     .help = "per cent of the requests that --ramp allows to be lost"},
    {.name = "step", .value = "S", .taken_by = M_LOAD,
     .kind = ARGUMENT_REAL, FIELD(step_s), .min = 0.05, .max = 3600, .unit = "seconds",
     .default_value = "1",
     .help = "seconds for each rate of --ramp"},
    {.name = "duration", .value = "S",
     .kind = ARGUMENT_REAL, FIELD(duration_s), .min = 0.01, .max = 86400, .unit = "seconds",
     .help = "seconds of load (default 10; with --ramp 60; for echo no limit)"},
    {.name = "count", .value = "N", .taken_by = M_LOAD,
     .kind = ARGUMENT_INTEGER, FIELD(count), .min = 1,
     .help = "stop after N requests"},
    {.name = "timeout", .value = "S", .taken_by = M_LOAD,
     .kind = ARGUMENT_REAL, FIELD(timeout_s), .min = 0.001, .max = 60, .unit = "seconds",
     .help = "a request without an answer after S seconds is lost (default 1; with --ramp 0.2; "
             "for ke 5)"},
    {.name = "cpu", .value = "N",
     .kind = ARGUMENT_INTEGER, FIELD(cpu), .max = 1023, .expected = "the number of a CPU",
     .help = "run on this CPU only"},

    {.heading = "Clients (time, limit)",
     .name = "clients", .value = "N", .taken_by = M_UDP,
     .kind = ARGUMENT_INTEGER, FIELD(clients), .min = 1, .max = MAX_CLIENTS,
     .default_value = "64",
     .help = "simulated clients, 1 to 100000"},
    {.name = "sockets", .value = "N", .taken_by = M_UDP,
     .kind = ARGUMENT_INTEGER, FIELD(sockets), .min = 1, .max = UDP_LINK_MAX_SOCKETS,
     .help = "source ports that the clients share (default: one each, up to 256)"},
    {.name = "source-net", .value = "NETWORK", .taken_by = M_LOAD,
     .kind = ARGUMENT_CUSTOM, .take = take_source_net, FIELD(source_net),
     .expected = "a network such as 10.1.0.0/16",
     .help = "source addresses, as 10.1.0.0/16 (ke too)"},
    {.name = "segments", .value = "N", .taken_by = M_UDP,
     .kind = ARGUMENT_INTEGER, FIELD(segments), .min = 1, .max = POOL_SOCKET_RUN,
     .default_value = "1",
     .help = "pass up to N datagrams of a socket to the kernel as one, 1 to 16"},
    {.name = "verify", .value = "N", .taken_by = M_UDP,
     .kind = ARGUMENT_INTEGER, FIELD(verify), .max = 1000000, .default_value = "64",
     .help = "verify one answer in N in full, 0 for none"},

    {.heading = "time",
     .name = "ke", .value = "HOST[:PORT]", .taken_by = M_TIME,
     .kind = ARGUMENT_HOST, FIELD(ke_host), .companion = offsetof(struct load_options, ke_port),
     .default_port = KE_PORT,
     .help = "the NTS-KE server that gives keys and cookies"},
    {.name = "sessions", .value = "N", .taken_by = M_TIME,
     .kind = ARGUMENT_INTEGER, FIELD(sessions), .min = 1, .max = 1000, .default_value = "8",
     .help = "NTS-KE sessions that the clients share"},
    {.name = "plain", .taken_by = M_TIME,
     .kind = ARGUMENT_FLAG, FIELD(plain),
     .help = "plain NTP"},
    {.name = "mix", .value = "KIND=WEIGHT,...", .taken_by = M_TIME,
     .kind = ARGUMENT_CUSTOM, .take = take_mix, FIELD(mix),
     .expected = "KIND=WEIGHT,... of good, bad-cookie, placeholders, garbage",
     .help = "kinds of requests: good, bad-cookie, placeholders, garbage"},

    {.heading = "time and ke",
     .name = "aead", .value = "N", .taken_by = M_TIME | M_KE,
     .kind = ARGUMENT_CUSTOM, .take = take_aead, FIELD(aead), .expected = "15, 16, 17 or 30",
     .default_value = "15",
     .help = "the AEAD algorithm to negotiate: 15, 16, 17 or 30"},
    {.name = "ca", .value = "FILE", .taken_by = M_TIME | M_KE,
     .kind = ARGUMENT_TEXT, FIELD(ca_file),
     .help = "trust only the CA certificates in this PEM file"},
    {.name = "name", .value = "NAME", .taken_by = M_TIME | M_KE,
     .kind = ARGUMENT_TEXT, FIELD(server_name),
     .help = "the name that the certificate must have (default: HOST of the NTS-KE server)"},
    {.name = "insecure", .taken_by = M_TIME | M_KE,
     .kind = ARGUMENT_FLAG, FIELD(insecure),
     .help = "accept any certificate"},
    {.name = "groups", .value = "LIST", .taken_by = M_TIME | M_KE,
     .kind = ARGUMENT_TEXT, FIELD(groups), .expected = "groups, separated by colons",
     .help = "key exchange groups, as X25519:P-256"},

    {.heading = "ke",
     .name = "concurrency", .value = "C", .taken_by = M_KE,
     .kind = ARGUMENT_INTEGER, FIELD(concurrency), .min = 1, .max = 10000,
     .help = "connections at a time (default 32; with --rate or --ramp 1024)"},
    {.name = "light", .taken_by = M_KE,
     .kind = ARGUMENT_FLAG, FIELD(light),
     .help = "use a client that costs less CPU than the server: it has one X25519 key for all "
             "connections and verifies no certificate"},

    {.heading = "limit and echo",
     .name = "size", .value = "N", .taken_by = M_LIMIT | M_ECHO,
     .kind = ARGUMENT_INTEGER, FIELD(size), .min = ECHO_MIN_SIZE, .max = ECHO_MAX_SIZE,
     .unit = "octets", .default_value = "228",
     .help = "octets of a datagram, 48 to 1400"},
    {.name = "transport", .value = "T", .taken_by = M_LIMIT | M_ECHO,
     .kind = ARGUMENT_CHOICE, FIELD(transport), .choices = transports,
     .default_value = "io_uring",
     .help = "how echo receives and sends: io_uring or recvmmsg"},

    {.heading = "General",
     .letter = '4',
     .kind = ARGUMENT_CONSTANT, FIELD(family), .constant = AF_INET,
     .help = "use IPv4 only"},
    {.letter = '6',
     .kind = ARGUMENT_CONSTANT, FIELD(family), .constant = AF_INET6,
     .help = "use IPv6 only"},
    {.name = "json",
     .kind = ARGUMENT_FLAG, FIELD(json),
     .help = "print one JSON object"},
    {.name = "plot", .value = "FILE", .taken_by = M_LOAD,
     .kind = ARGUMENT_TEXT, FIELD(plot_file),
     .help = "draw rate against loss and latency, as SVG"},
    {.name = "progress", .taken_by = M_LOAD,
     .kind = ARGUMENT_FLAG, FIELD(progress),
     .help = "print progress even if standard error is no terminal"},
};

#define TARGET_ROW                                                                                 \
    .kind = ARGUMENT_HOST, FIELD(host), .companion = offsetof(struct load_options, port),          \
    .required_by = M_LOAD | M_ECHO

static const struct argument_row time_target = {
    TARGET_ROW, .value = "HOST[:PORT]", .default_port = NTP_PORT};
static const struct argument_row ke_target = {
    TARGET_ROW, .value = "HOST[:PORT]", .default_port = KE_PORT};
static const struct argument_row limit_target = {TARGET_ROW, .value = "HOST:PORT"};
static const struct argument_row echo_target = {TARGET_ROW, .value = "ADDRESS:PORT"};
/* clang-format on */

static const struct argument_command modes[] = {
    [LOAD_TIME] = {"time", "send NTP requests, with NTS or --plain", &time_target},
    [LOAD_KE] = {"ke", "make TLS handshakes and NTS-KE exchanges", &ke_target},
    [LOAD_LIMIT] = {"limit",
                    "send datagrams to `nts-load echo`: the limit of the sockets on this path",
                    &limit_target},
    [LOAD_ECHO] = {"echo", "run the server for `nts-load limit`", &echo_target},
};

const char *load_mode_name(enum load_mode mode)
{
    return modes[mode].name;
}

/* Options that contradict each other. NULL if none do. */
static const char *find_contradiction(const struct load_options *options)
{
    if (options->mode == LOAD_TIME && !options->plain && options->ke_host[0] == '\0') {
        return "time needs --ke HOST[:PORT], or --plain";
    }
    if (options->plain && (mix_has(&options->mix, REQUEST_BAD_COOKIE) ||
                           mix_has(&options->mix, REQUEST_PLACEHOLDERS))) {
        return "plain NTP has neither cookies nor placeholders to --mix";
    }
    if (options->light && (options->ca_file != NULL || options->groups != NULL)) {
        return "--light verifies no certificate and has one group: no --ca, no --groups";
    }
    if (options->window > 0 && (options->rate > 0 || options->ramp)) {
        return "--window is a closed loop, --rate and --ramp are open ones";
    }
    if (options->source_net.num > 0 && options->family != AF_UNSPEC &&
        options->family != options->source_net.base.sa.sa_family) {
        return "--source-net is of the other address family";
    }
    return NULL;
}

/* Defaults that depend on other options. */
static void complete(struct load_options *options)
{
    bool is_ke = options->mode == LOAD_KE;
    options->loss /= 100;
    if (options->ramp && options->rate <= 0) {
        options->rate = is_ke ? 100 : 10000; /* to begin with */
    }
    if (options->rate <= 0 && options->window == 0 && !is_ke) {
        options->window = 128;
    }
    if (options->concurrency == 0) {
        options->concurrency = options->rate > 0 ? 1024 : 32;
    }
    if (options->timeout_s <= 0) {
        options->timeout_s = is_ke ? 5 : options->ramp ? 0.2 : 1;
    }
    if (options->duration_s <= 0 && options->mode != LOAD_ECHO) {
        options->duration_s = options->ramp ? 60 : 10;
    }
    if (options->source_net.num > 0) {
        options->family = options->source_net.base.sa.sa_family;
    }
    if (options->sockets == 0) {
        options->sockets = DEFAULT_SOCKETS;
    }
    if (options->sockets > options->clients) {
        options->sockets = options->clients;
    }
    if (options->sessions > options->clients) {
        options->sessions = options->clients;
    }
    options->progress |= isatty(STDERR_FILENO) == 1;
}

int load_options_parse(struct load_options *options, int argc, char **argv)
{
    const struct argument_program program = {
        .name = "nts-load",
        .purpose = "put a measured load on an NTS server",
        .library_version = boringssl_version(),
        .commands = modes,
        .num_commands = sizeof(modes) / sizeof(modes[0]),
        .rows = rows,
        .num_rows = sizeof(rows) / sizeof(rows[0]),
        .notes = "Exit status: 0 done; 1 failed, or an answer was wrong; 2 wrong command line.",
        .usage_status = LOAD_EXIT_USAGE,
    };
    size_t mode;
    *options = (struct load_options){.family = AF_UNSPEC, .mix = mix_only(REQUEST_GOOD), .cpu = -1};
    int exit_status = arguments_parse(options, &mode, &program, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    options->mode = (enum load_mode)mode;
    const char *fault = find_contradiction(options);
    if (fault != NULL) {
        return arguments_error(&program, "%s", fault);
    }
    complete(options);
    return -1;
}

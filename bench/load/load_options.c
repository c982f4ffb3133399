#include "load/load_options.h"

#include "crypto/aead.h"
#include "crypto/boringssl.h"
#include "load/request_pool.h"
#include "load/udp_link.h"
#include "wire/ke_record.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CLIENTS     100000
#define MAX_SESSIONS    1000
#define MAX_WINDOW      100000
#define MAX_CONCURRENCY 10000
#define MAX_RATE        1e7
#define MAX_SECONDS     86400

#define DEFAULT_SOCKETS 256

static const char *const modes[] = {
    [LOAD_TIME] = "time", [LOAD_KE] = "ke", [LOAD_LIMIT] = "limit", [LOAD_ECHO] = "echo"};
static const char *const transports[] = {
    [ECHO_IO_URING] = "io_uring", [ECHO_RECVMMSG] = "recvmmsg"};

const char *load_mode_name(enum load_mode mode)
{
    return modes[mode];
}

const char *echo_transport_name(enum echo_transport transport)
{
    return transports[transport];
}

static int usage_error(const char *option, const char *value, const char *expected)
{
    fprintf(stderr, "nts-load: %s: got '%s', expected %s\nTry 'nts-load --help'.\n", option, value,
            expected);
    return LOAD_EXIT_USAGE;
}

static bool parse_count(size_t *count, const char *text, size_t min, size_t max)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    *count = (size_t)value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= min && value <= max;
}

static bool parse_real(double *number, const char *text, double min, double max)
{
    char *end;
    *number = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*number) && *number >= min && *number <= max;
}

/* The options and what they take, in one place: for getopt_long, and for the errors. M_... are the
 * modes in which the option means something. */
enum { M_TIME = 1 << LOAD_TIME, M_KE = 1 << LOAD_KE, M_LIMIT = 1 << LOAD_LIMIT };
enum { M_ECHO = 1 << LOAD_ECHO, M_UDP = M_TIME | M_LIMIT, M_LOAD = M_UDP | M_KE };

#define OPTION_TABLE(X)                                                                            \
    X(I_OPERATE_THIS, "i-operate-this", M_LOAD | M_ECHO, NULL)                                     \
    X(WINDOW, "window", M_UDP, "1 to 100000")                                                      \
    X(RATE, "rate", M_LOAD, "requests a second, 0.1 to 1e7")                                       \
    X(RAMP, "ramp", M_LOAD, NULL)                                                                  \
    X(LOSS, "loss", M_LOAD, "per cent, 0 to 100")                                                  \
    X(STEP, "step", M_LOAD, "seconds, 0.05 to 3600")                                               \
    X(DURATION, "duration", M_LOAD | M_ECHO, "seconds, 0.01 to 86400")                             \
    X(COUNT, "count", M_LOAD, "a whole number above 0")                                            \
    X(TIMEOUT, "timeout", M_LOAD, "seconds, 0.001 to 60")                                          \
    X(CPU, "cpu", M_LOAD | M_ECHO, "the number of a CPU")                                          \
    X(CLIENTS, "clients", M_UDP, "1 to 100000")                                                    \
    X(SOCKETS, "sockets", M_UDP, "1 to 28000")                                                     \
    X(SOURCE_NET, "source-net", M_LOAD, "a network such as 10.1.0.0/16")                           \
    X(SEGMENTS, "segments", M_UDP, "1 to 16")                                                      \
    X(VERIFY, "verify", M_UDP, "0 to 1000000")                                                     \
    X(KE, "ke", M_TIME, "HOST[:PORT]")                                                             \
    X(SESSIONS, "sessions", M_TIME, "1 to 1000")                                                   \
    X(PLAIN, "plain", M_TIME, NULL)                                                                \
    X(MIX, "mix", M_TIME, "KIND=WEIGHT,... of good, bad-cookie, placeholders, garbage")            \
    X(AEAD, "aead", M_TIME | M_KE, "15, 16, 17 or 30")                                             \
    X(CA, "ca", M_TIME | M_KE, "FILE")                                                             \
    X(NAME, "name", M_TIME | M_KE, "a name")                                                       \
    X(INSECURE, "insecure", M_TIME | M_KE, NULL)                                                   \
    X(GROUPS, "groups", M_TIME | M_KE, "groups with colons between them")                          \
    X(LIGHT, "light", M_KE, NULL)                                                                  \
    X(CONCURRENCY, "concurrency", M_KE, "1 to 10000")                                              \
    X(SIZE, "size", M_LIMIT | M_ECHO, "octets, 48 to 1400")                                        \
    X(TRANSPORT, "transport", M_LIMIT | M_ECHO, "io_uring or recvmmsg")                            \
    X(JSON, "json", M_LOAD | M_ECHO, NULL)                                                         \
    X(PLOT, "plot", M_LOAD, "FILE")                                                                \
    X(PROGRESS, "progress", M_LOAD, NULL)

enum flag {
    FLAG_FIRST = 255,
#define OPTION_ENUM(name, label, modes, expected) FLAG_##name,
    OPTION_TABLE(OPTION_ENUM)
#undef OPTION_ENUM
};

static const struct {
    unsigned modes;
    const char *expected; /* NULL: it takes no value */
} rules[] = {
#define OPTION_RULE(name, label, modes, expected) {modes, expected},
    OPTION_TABLE(OPTION_RULE)
#undef OPTION_RULE
};

#define NUM_OPTIONS (sizeof(rules) / sizeof(rules[0]))

static void make_flags(struct option flags[NUM_OPTIONS + 3])
{
    static const char *const names[] = {
#define OPTION_NAME(name, label, modes, expected) label,
        OPTION_TABLE(OPTION_NAME)
#undef OPTION_NAME
    };
    for (size_t i = 0; i < NUM_OPTIONS; i++) {
        flags[i] =
            (struct option){.name = names[i],
                            .has_arg = rules[i].expected != NULL ? required_argument : no_argument,
                            .val = FLAG_FIRST + 1 + (int)i};
    }
    flags[NUM_OPTIONS] = (struct option){"help", no_argument, NULL, 'h'};
    flags[NUM_OPTIONS + 1] = (struct option){"version", no_argument, NULL, 'V'};
    flags[NUM_OPTIONS + 2] = (struct option){0};
}

static bool parse_aead(uint16_t *aead, const char *text)
{
    size_t id;
    if (!parse_count(&id, text, 0, UINT16_MAX) || aead_find((uint16_t)id) == NULL) {
        return false;
    }
    *aead = (uint16_t)id;
    return true;
}

static bool parse_transport(enum echo_transport *transport, const char *text)
{
    for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
        if (strcmp(text, transports[i]) == 0) {
            *transport = (enum echo_transport)i;
            return true;
        }
    }
    return false;
}

static void take_switch(struct load_options *options, int flag)
{
    switch (flag) {
    case FLAG_I_OPERATE_THIS:
        options->i_operate_this = true;
        break;
    case FLAG_RAMP:
        options->ramp = true;
        break;
    case FLAG_PLAIN:
        options->plain = true;
        break;
    case FLAG_INSECURE:
        options->insecure = true;
        break;
    case FLAG_LIGHT:
        options->light = true;
        break;
    case FLAG_JSON:
        options->json = true;
        break;
    default: /* FLAG_PROGRESS */
        options->progress = true;
        break;
    }
}

static bool take_text(struct load_options *options, int flag, const char *value)
{
    switch (flag) {
    case FLAG_KE:
        return host_port_split(options->ke_host, &options->ke_port, value, KE_PORT);
    case FLAG_CA:
        options->ca_file = value;
        return true;
    case FLAG_NAME:
        options->server_name = value;
        return true;
    case FLAG_GROUPS:
        options->groups = value;
        return true;
    case FLAG_PLOT:
        options->plot_file = value;
        return true;
    case FLAG_MIX:
        return mix_parse(&options->mix, value);
    case FLAG_SOURCE_NET:
        return source_net_parse(&options->source_net, value);
    case FLAG_TRANSPORT:
        return parse_transport(&options->transport, value);
    default: /* FLAG_AEAD */
        return parse_aead(&options->aead, value);
    }
}

/* Takes an option with a value; false if the value is wrong. */
static bool take_value(struct load_options *options, int flag, const char *value)
{
    size_t number = 0;
    bool is_right;
    switch (flag) {
    case FLAG_WINDOW:
        return parse_count(&options->window, value, 1, MAX_WINDOW);
    case FLAG_RATE:
        return parse_real(&options->rate, value, 0.1, MAX_RATE);
    case FLAG_LOSS:
        is_right = parse_real(&options->loss, value, 0, 100);
        options->loss /= 100;
        return is_right;
    case FLAG_STEP:
        return parse_real(&options->step_s, value, 0.05, 3600);
    case FLAG_DURATION:
        return parse_real(&options->duration_s, value, 0.01, MAX_SECONDS);
    case FLAG_COUNT:
        is_right = parse_count(&number, value, 1, SIZE_MAX);
        options->count = number;
        return is_right;
    case FLAG_TIMEOUT:
        return parse_real(&options->timeout_s, value, 0.001, 60);
    case FLAG_CPU:
        is_right = parse_count(&number, value, 0, 1023);
        options->cpu = (int)number;
        return is_right;
    case FLAG_CLIENTS:
        return parse_count(&options->clients, value, 1, MAX_CLIENTS);
    case FLAG_SOCKETS:
        return parse_count(&options->sockets, value, 1, UDP_LINK_MAX_SOCKETS);
    case FLAG_SEGMENTS:
        return parse_count(&options->segments, value, 1, POOL_SOCKET_RUN);
    case FLAG_VERIFY:
        is_right = parse_count(&number, value, 0, 1000000);
        options->verify = (unsigned)number;
        return is_right;
    case FLAG_SESSIONS:
        return parse_count(&options->sessions, value, 1, MAX_SESSIONS);
    case FLAG_CONCURRENCY:
        return parse_count(&options->concurrency, value, 1, MAX_CONCURRENCY);
    case FLAG_SIZE:
        return parse_count(&options->size, value, ECHO_MIN_SIZE, ECHO_MAX_SIZE);
    default:
        return take_text(options, flag, value);
    }
}

/* What is left open gets its value here; false, with a text, if two options contradict. */
static bool complete(struct load_options *options)
{
    const char *fault = NULL;
    bool is_ke = options->mode == LOAD_KE;
    if (options->mode == LOAD_TIME && !options->plain && options->ke_host[0] == '\0') {
        fault = "time needs --ke HOST[:PORT], or --plain";
    } else if (options->plain && (mix_has(&options->mix, REQUEST_BAD_COOKIE) ||
                                  mix_has(&options->mix, REQUEST_PLACEHOLDERS))) {
        fault = "plain NTP has neither cookies nor placeholders to --mix";
    } else if (options->light && (options->ca_file != NULL || options->groups != NULL)) {
        fault = "--light looks at no certificate and has one group: no --ca, no --groups";
    } else if (options->window > 0 && (options->rate > 0 || options->ramp)) {
        fault = "--window is a closed loop, --rate and --ramp are open ones";
    } else if (options->source_net.num > 0 && options->family != AF_UNSPEC &&
               options->family != options->source_net.base.sa.sa_family) {
        fault = "--source-net is of the other address family";
    }
    if (fault != NULL) {
        fprintf(stderr, "nts-load: %s\nTry 'nts-load --help'.\n", fault);
        return false;
    }
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
    return true;
}

static int take_target(struct load_options *options, int num_left, char **left)
{
    uint16_t default_port = options->mode == LOAD_KE     ? KE_PORT
                            : options->mode == LOAD_TIME ? NTP_PORT
                                                         : 0;
    if (num_left != 1) {
        fprintf(stderr, "nts-load: %s: expected one HOST[:PORT], got %d\nTry 'nts-load --help'.\n",
                modes[options->mode], num_left);
        return LOAD_EXIT_USAGE;
    }
    if (!host_port_split(options->host, &options->port, left[0], default_port) ||
        options->port == 0) {
        return usage_error(modes[options->mode], left[0],
                           default_port != 0 ? "HOST[:PORT] or [IPV6][:PORT]"
                                             : "HOST:PORT or [IPV6]:PORT");
    }
    return complete(options) ? -1 : LOAD_EXIT_USAGE;
}

static bool take_mode(struct load_options *options, const char *text)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(text, modes[i]) == 0) {
            options->mode = (enum load_mode)i;
            return true;
        }
    }
    return false;
}

static int take_options(struct load_options *options, int argc, char **argv)
{
    struct option flags[NUM_OPTIONS + 3];
    int flag;
    make_flags(flags);
    opterr = 0;
    while ((flag = getopt_long(argc, argv, ":46", flags, NULL)) != -1) {
        if (flag == '4' || flag == '6') {
            options->family = flag == '4' ? AF_INET : AF_INET6;
            continue;
        }
        if (flag == ':') {
            return usage_error(argv[optind - 1], "", "a value");
        }
        if (flag < FLAG_FIRST) {
            return usage_error("option", argv[optind - 1], "one that --help lists");
        }
        size_t index = (size_t)(flag - FLAG_FIRST - 1);
        char name[32];
        snprintf(name, sizeof(name), "--%s", flags[index].name);
        if ((rules[index].modes & 1u << options->mode) == 0) {
            return usage_error(name, modes[options->mode], "another kind of load");
        }
        if (rules[index].expected == NULL) {
            take_switch(options, flag);
        } else if (!take_value(options, flag, optarg)) {
            return usage_error(name, optarg, rules[index].expected);
        }
    }
    return take_target(options, argc - optind, argv + optind);
}

int load_options_parse(struct load_options *options, int argc, char **argv)
{
    *options = (struct load_options){
        .family = AF_UNSPEC,
        .aead = AEAD_AES_SIV_CMAC_256,
        .mix = mix_only(REQUEST_GOOD),
        .size = 228,
        .clients = 64,
        .sessions = 8,
        .segments = 1,
        .loss = 0.01,
        .step_s = 1,
        .verify = 64,
        .cpu = -1,
    };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
            load_help(stdout);
            return LOAD_EXIT_OK;
        }
        if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) {
            printf("nts-load %s, %s\n", NTS_VERSION, boringssl_version());
            return LOAD_EXIT_OK;
        }
    }
    if (argc < 2 || !take_mode(options, argv[1])) {
        return usage_error("load", argc < 2 ? "" : argv[1], "time, ke, limit or echo");
    }
    /* The subcommand stands where getopt expects the program's name. */
    return take_options(options, argc - 1, argv + 1);
}

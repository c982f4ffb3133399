#include "time-server/config/time_config.h"

#include "base/cursor.h"
#include "time-server/transport/transports.h"

#include <arpa/inet.h>
#include <string.h>

bool reference_id_parse(uint32_t *reference_id, const char *text)
{
    uint8_t octets[4] = {0};
    if (inet_pton(AF_INET, text, octets) != 1) {
        size_t len = strlen(text);
        if (len < 1 || len > 4) {
            return false;
        }
        memcpy(octets, text, len); /* no text: NOLINT(bugprone-not-null-terminated-result) */
    }
    *reference_id = load_u32(octets);
    return true;
}

static const char *check_reference_id(const void *field)
{
    uint32_t reference_id;
    return reference_id_parse(&reference_id, *(const char *const *)field)
               ? NULL
               : "one to four characters like \"GPS\", or an IPv4 address";
}

static const char *check_server(const void *field)
{
    char host[HOST_TEXT_LEN];
    uint16_t port;
    return host_port_split(host, &port, *(const char *const *)field, 123)
               ? NULL
               : "HOST, HOST:PORT or [IPV6]:PORT";
}

/* Each source needs options of its own, and has no use for those of the others. */
static const char *check_clock(const void *field)
{
    const struct clock_config *clock = field;
    if (clock->source == CLOCK_UPSTREAM) {
        if (clock->server == NULL) {
            return "\"server\" with \"source\": \"upstream\"";
        }
        if (clock->stratum != 0 || clock->reference_id != NULL) {
            return "no \"stratum\" or \"reference_id\" with \"source\": \"upstream\", which tells "
                   "them";
        }
        return NULL;
    }
    if (clock->server != NULL) {
        return "\"server\" with \"source\": \"upstream\" only";
    }
    if (clock->stratum == 0 || clock->reference_id == NULL) {
        return "\"stratum\" and \"reference_id\" with this source";
    }
    if (clock->source == CLOCK_KERNEL && clock->leap != 0) {
        return "\"leap\" with \"source\": \"fixed\" only";
    }
    return NULL;
}

static const char *const source_names[] = {"upstream", "kernel", "fixed", NULL};
static const char *const mirror_names[] = {"below", "copy", NULL};
static const char *const leap_names[] = {"none", "insert", "delete", "unsynchronised", NULL};
static const char *const policy_names[] = {"answer", "silent", NULL};

#define CLOCK_FIELD(field) .offset = offsetof(struct clock_config, field)
#define TIME_FIELD(field)  .offset = offsetof(struct time_config, field)

static const struct option_row clock_rows[] = {
    {.name = "source",
     .type = OPTION_CHOICE,
     CLOCK_FIELD(source),
     .choices = source_names,
     .help = "where the state of this host's clock comes from: an NTP server that is asked every "
             "second, the kernel's clock discipline, or this file"},
    {.name = "server",
     .type = OPTION_STRING,
     CLOCK_FIELD(server),
     .min = 1,
     .max = 255,
     .default_json = "null",
     .check = check_server,
     .help = "`upstream`: the NTP server, `HOST[:PORT]`"},
    {.name = "mirror",
     .type = OPTION_CHOICE,
     CLOCK_FIELD(mirror),
     .choices = mirror_names,
     .default_json = "\"below\"",
     .help =
         "`upstream`: be one stratum below it, or copy its stratum and reference id (only if it "
         "disciplines the clock of this host)"},
    {.name = "stratum",
     .type = OPTION_INT,
     CLOCK_FIELD(stratum),
     .min = 1,
     .max = 15,
     .default_json = "null",
     .help = "`kernel`, `fixed`: the stratum to tell"},
    {.name = "reference_id",
     .type = OPTION_STRING,
     CLOCK_FIELD(reference_id),
     .min = 1,
     .max = 15,
     .default_json = "null",
     .check = check_reference_id,
     .help = "`kernel`, `fixed`: one to four characters, or an IPv4 address"},
    {.name = "leap",
     .type = OPTION_CHOICE,
     CLOCK_FIELD(leap),
     .choices = leap_names,
     .default_json = "\"none\"",
     .help = "`fixed`: the leap indicator"},
    {.name = "root_delay_us",
     .type = OPTION_INT,
     CLOCK_FIELD(root_delay_us),
     .min = 0,
     .max = 10000000,
     .default_json = "0",
     .unit = "microseconds",
     .help = "`kernel`, `fixed`: delay to the reference clock"},
    {.name = "root_dispersion_us",
     .type = OPTION_INT,
     CLOCK_FIELD(root_dispersion_us),
     .min = 0,
     .max = 10000000,
     .default_json = "100",
     .unit = "microseconds",
     .help = "`fixed`: dispersion to the reference clock"},
    {.name = "max_offset_ms",
     .type = OPTION_INT,
     CLOCK_FIELD(max_offset_ms),
     .min = 1,
     .max = 10000,
     .default_json = "100",
     .unit = "milliseconds",
     .help = "`upstream`: not fit when this host's clock is further than this from the server's"},
    {.name = "max_root_distance_ms",
     .type = OPTION_INT,
     CLOCK_FIELD(max_root_distance_ms),
     .min = 1,
     .max = 16000,
     .default_json = "1000",
     .unit = "milliseconds",
     .help = "not fit when half the root delay plus the root dispersion is more than this"},
    {.name = "holdover_s",
     .type = OPTION_INT,
     CLOCK_FIELD(holdover_s),
     .min = 1,
     .max = 864000,
     .default_json = "600",
     .unit = "seconds",
     .help = "not fit when nothing was heard from the source for longer than this"},
};

static const struct option_table clock_table = {
    .rows = clock_rows,
    .num_rows = sizeof(clock_rows) / sizeof(clock_rows[0]),
    .struct_size = sizeof(struct clock_config),
};

static const struct option_row listen_element = {.type = OPTION_ADDRESS, .min = 123};

static const struct option_row time_rows[] = {
    {.name = "listen",
     .type = OPTION_LIST,
     TIME_FIELD(listen),
     .min = 1,
     .max = TIME_MAX_LISTEN,
     .element = &listen_element,
     .default_json = "[\"0.0.0.0:123\", \"[::]:123\"]",
     .needs_restart = true,
     .help = "addresses to answer on"},
    HOST_KEYRING_ROWS(offsetof(struct time_config, host)),
    {.name = "workers",
     .type = OPTION_INT,
     TIME_FIELD(workers),
     .min = 0,
     .max = 1024,
     .default_json = "0",
     .needs_restart = true,
     .help = "threads, each with a socket per address; 0: one on each CPU"},
    {.name = "plain_ntp",
     .type = OPTION_BOOL,
     TIME_FIELD(plain_ntp),
     .default_json = "true",
     .help = "answer NTP without NTS too"},
    {.name = "clock",
     .type = OPTION_OBJECT,
     TIME_FIELD(clock),
     .members = &clock_table,
     .check = check_clock,
     .help = "what clients learn about the clock"},
    {.name = "unsynchronised",
     .type = OPTION_CHOICE,
     TIME_FIELD(unsynchronised),
     .choices = policy_names,
     .default_json = "\"answer\"",
     .help = "while the clock is not fit: answer with leap 3 and stratum 0, or be silent"},
    {.name = "transport",
     .type = OPTION_CHOICE,
     TIME_FIELD(transport),
     .choices = transport_names,
     .default_json = "\"auto\"",
     .needs_restart = true,
     .help = "how packets are moved; `auto` takes io_uring where it is permitted"},
    {.name = "receive_buffer_kib",
     .type = OPTION_INT,
     TIME_FIELD(receive_buffer_kib),
     .min = 64,
     .max = 1048576,
     .default_json = "4096",
     .unit = "KiB",
     .help = "receive buffer of each socket; more than `net.core.rmem_max` needs CAP_NET_ADMIN"},
    HOST_METRICS_ROW(offsetof(struct time_config, host), 9123),
    HOST_OPTION_ROWS(offsetof(struct time_config, host), "NTP requests"),
};

const struct option_table time_config_table = {
    .rows = time_rows,
    .num_rows = sizeof(time_rows) / sizeof(time_rows[0]),
    .struct_size = sizeof(struct time_config),
};

#include "ke-server/config/ke_config.h"

#include "crypto/aead.h"
#include "ke-server/protocol/time_servers.h"
#include "wire/ke_record.h"

#include <stddef.h>
#include <strings.h>
#include <sys/socket.h>

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static const char *const family_names[] = {
    [KE_CONFIG_ANY] = "any", [KE_CONFIG_IPV4] = "ipv4", [KE_CONFIG_IPV6] = "ipv6", NULL};
static const char *const order_names[] = {"client", "server", NULL}; /* enum ke_aead_order */

int ke_config_family_of(const struct ke_config_time_server *server)
{
    switch (server->family) {
    case KE_CONFIG_IPV4:
        return AF_INET;
    case KE_CONFIG_IPV6:
        return AF_INET6;
    default:
        return time_server_family(server->name);
    }
}

/* Rules over several options, which no row of the table can have. */
static const char *certificates_wrong(const struct ke_config *config)
{
    bool has_certificate = config->certificate.certificate != NULL;
    bool has_key = config->certificate.private_key != NULL;
    if (config->certificates.num > 0) {
        return has_certificate || has_key
                   ? "certificates: got a list, expected either that or \"certificate\" with "
                     "\"private_key\", not both"
                   : NULL;
    }
    if (!has_certificate) {
        return "certificate: got nothing, expected a value, or a list of \"certificates\"";
    }
    return has_key ? NULL
                   : "private_key: got nothing, expected a value: it goes with \"certificate\"";
}

enum nts_status ke_config_certificates(const struct certificate_files **list, size_t *num,
                                       const struct ke_config *config, const char *path,
                                       struct error *error)
{
    const char *wrong = certificates_wrong(config);
    if (wrong != NULL) {
        return error_set(error, NTS_ERR_CONFIG, "%s: %s", path, wrong);
    }
    bool is_list = config->certificates.num > 0;
    *list = is_list ? config->certificates.items : &config->certificate;
    *num = is_list ? config->certificates.num : 1;
    return NTS_OK;
}

static const char *check_name(const void *field)
{
    return time_server_name_is_valid(*(const char *const *)field)
               ? NULL
               : "an IPv4 or IPv6 address without brackets or zone, or a domain name (letters, "
                 "digits, hyphens; A-labels; no trailing dot)";
}

static const char *check_time_server(const void *field)
{
    const struct ke_config_time_server *server = field;
    int family = time_server_family(server->name);
    return family == AF_UNSPEC || family == ke_config_family_of(server)
               ? NULL
               : "a family that is the one of the address";
}

static const char *check_time_servers(const void *field)
{
    const struct option_list *servers = field;
    const struct ke_config_time_server *items = servers->items;
    for (size_t i = 0; i < servers->num; i++) {
        for (size_t j = 0; j < i; j++) {
            if (items[i].port == items[j].port && strcasecmp(items[i].name, items[j].name) == 0) {
                return "each name and port once";
            }
        }
    }
    return NULL;
}

static const char *check_aead_id(const void *field)
{
    int64_t id = *(const int64_t *)field;
    return aead_find((uint16_t)id) != NULL ? NULL : "one of 15, 16, 17, 30";
}

static const char *check_aeads(const void *field)
{
    const struct option_list *aeads = field;
    const int64_t *ids = aeads->items;
    bool has_mandatory = false;
    for (size_t i = 0; i < aeads->num; i++) {
        for (size_t j = 0; j < i; j++) {
            if (ids[i] == ids[j]) {
                return "each number once";
            }
        }
        has_mandatory = has_mandatory || ids[i] == AEAD_AES_SIV_CMAC_256;
    }
    return has_mandatory ? NULL : "a list with 15 in it: RFC 8915, section 5.1, makes it mandatory";
}

#define SERVER_FIELD(field) offsetof(struct ke_config_time_server, field)

static const struct option_row time_server_rows[] = {
    {.name = "name",
     .type = OPTION_STRING,
     .offset = SERVER_FIELD(name),
     .min = 1,
     .max = TIME_SERVER_NAME_MAX_LEN,
     .check = check_name,
     .help = "address or domain name that clients are sent to"},
    {.name = "port",
     .type = OPTION_INT,
     .offset = SERVER_FIELD(port),
     .min = 1,
     .max = 65535,
     .default_json = "123",
     .help = "UDP port that clients are sent to"},
    {.name = "weight",
     .type = OPTION_INT,
     .offset = SERVER_FIELD(weight),
     .min = 1,
     .max = TIME_SERVER_MAX_WEIGHT,
     .default_json = "1",
     .help = "share of the clients, relative to the other weights"},
    {.name = "family",
     .type = OPTION_CHOICE,
     .offset = SERVER_FIELD(family),
     .default_json = "\"any\"",
     .choices = family_names,
     .help = "address family of the name, preferred for clients that come over it; addresses have "
             "theirs by themselves"},
};

static const struct option_table time_server_table = {time_server_rows, ROWS(time_server_rows),
                                                      sizeof(struct ke_config_time_server)};

#define FILES_FIELD(field) offsetof(struct certificate_files, field)

static const struct option_row certificate_rows[] = {
    {.name = "certificate",
     .type = OPTION_PATH,
     .offset = FILES_FIELD(certificate),
     .help = "PEM file with the certificate and its chain, leaf first"},
    {.name = "private_key",
     .type = OPTION_PATH,
     .offset = FILES_FIELD(private_key),
     .help = "PEM file with its private key, not readable by group or others"},
};

static const struct option_table certificate_table = {certificate_rows, ROWS(certificate_rows),
                                                      sizeof(struct certificate_files)};

static const struct option_row listen_element = {.type = OPTION_ADDRESS, .min = KE_PORT};
static const struct option_row server_name_element = {
    .type = OPTION_STRING, .min = 1, .max = TIME_SERVER_NAME_MAX_LEN, .check = check_name};
static const struct option_row time_server_element = {
    .type = OPTION_OBJECT, .members = &time_server_table, .check = check_time_server};
static const struct option_row certificate_element = {.type = OPTION_OBJECT,
                                                      .members = &certificate_table};
static const struct option_row aead_element = {
    .type = OPTION_INT, .min = 0, .max = 65535, .check = check_aead_id};

#define FIELD(field) offsetof(struct ke_config, field)

static const struct option_row rows[] = {
    {.name = "listen",
     .type = OPTION_LIST,
     .offset = FIELD(listen),
     .min = 1,
     .max = 64,
     .default_json = "[\"[::]:4460\", \"0.0.0.0:4460\"]",
     .element = &listen_element,
     .needs_restart = true,
     .help = "TCP addresses to serve NTS-KE on"},
    {.name = "certificate",
     .type = OPTION_PATH,
     .offset = FIELD(certificate.certificate),
     .default_json = "null",
     .help = "PEM file with the certificate and its chain, leaf first; must be given, with "
             "its key, unless `certificates` are. Both are followed, so that new ones are used as "
             "soon as both are there"},
    {.name = "private_key",
     .type = OPTION_PATH,
     .offset = FIELD(certificate.private_key),
     .default_json = "null",
     .help = "PEM file with the private key, not readable by group or others"},
    {.name = "certificates",
     .type = OPTION_LIST,
     .offset = FIELD(certificates),
     .min = 1,
     .max = CERTIFICATES_MAX,
     .default_json = "null",
     .element = &certificate_element,
     .help = "instead of `certificate` and `private_key`: several, of which each client gets the "
             "one that suits its name and signature algorithms, else the first"},
    {.name = "server_names",
     .type = OPTION_LIST,
     .offset = FIELD(server_names),
     .min = 0,
     .max = 64,
     .default_json = "[]",
     .element = &server_name_element,
     .help = "names and addresses that clients know this server by: `--check` wants each to "
             "be covered by a certificate"},
    HOST_KEYRING_ROWS(FIELD(host)),
    {.name = "time_servers",
     .type = OPTION_LIST,
     .offset = FIELD(time_servers),
     .min = 0,
     .max = TIME_SERVERS_MAX,
     .default_json = "[]",
     .element = &time_server_element,
     .check = check_time_servers,
     .help = "NTP servers to send clients to; none: the address the client came to"},
    {.name = "watch_interval_s",
     .type = OPTION_INT,
     .offset = FIELD(watch.interval_s),
     .min = 0,
     .max = 3600,
     .default_json = "5",
     .unit = "s",
     .help = "how often each time server is asked by NTS whether it can be named to clients; 0: "
             "never, and all of them are named"},
    {.name = "watch_timeout_ms",
     .type = OPTION_INT,
     .offset = FIELD(watch.timeout_ms),
     .min = 10,
     .max = 10000,
     .default_json = "1000",
     .unit = "ms",
     .help = "time that a time server has for its answer to the watch"},
    {.name = "watch_max_offset_ms",
     .type = OPTION_INT,
     .offset = FIELD(watch.max_offset_ms),
     .min = 0,
     .max = 3600000,
     .default_json = "1000",
     .unit = "ms",
     .help = "a time server that is further than this from the clock of this host is not named; 0: "
             "clocks are not compared"},
    {.name = "watch_key_grace_s",
     .type = OPTION_INT,
     .offset = FIELD(watch.key_grace_s),
     .min = 0,
     .max = 864000,
     .default_json = "600",
     .unit = "s",
     .help =
         "time that a keyring may take to get around: the watch asks under an upcoming key from "
         "so long after it was seen here, under a previous one until so long before it "
         "expires"},
    {.name = "aead",
     .type = OPTION_LIST,
     .offset = FIELD(aead),
     .min = 1,
     .max = AEAD_NUM_ALGORITHMS,
     .default_json = "[30, 15, 16, 17]",
     .element = &aead_element,
     .check = check_aeads,
     .help = "AEAD algorithms to agree on, by IANA number, best first"},
    {.name = "aead_order",
     .type = OPTION_CHOICE,
     .offset = FIELD(aead_order),
     .default_json = "\"client\"",
     .choices = order_names,
     .help = "whose order decides among the algorithms that both sides have"},
    {.name = "workers",
     .type = OPTION_INT,
     .offset = FIELD(workers),
     .min = 0,
     .max = 1024,
     .default_json = "0",
     .needs_restart = true,
     .help = "threads; 0: one for each CPU"},
    {.name = "max_connections",
     .type = OPTION_INT,
     .offset = FIELD(max_connections),
     .min = 1,
     .max = 16384,
     .default_json = "1024",
     .needs_restart = true,
     .help = "connections at a time, for each worker; one more takes the place of the one that has "
             "waited longest for its handshake, or is closed at once"},
    {.name = "deadline_ms",
     .type = OPTION_INT,
     .offset = FIELD(deadline_ms),
     .min = 100,
     .max = 60000,
     .default_json = "3000",
     .unit = "ms",
     .help = "time that a client has from connecting to the end of its request"},
    {.name = "linger_ms",
     .type = OPTION_INT,
     .offset = FIELD(linger_ms),
     .min = 10,
     .max = 60000,
     .default_json = "1000",
     .unit = "ms",
     .help = "time that a client has to take the response and close"},
    HOST_METRICS_ROW(FIELD(host), 9124),
    {.name = "handshake_patience_ms",
     .type = OPTION_INT,
     .offset = FIELD(handshake_patience_ms),
     .min = 10,
     .max = 60000,
     .default_json = "1000",
     .unit = "ms",
     .help = "under overload, time after which a client that waits for its handshake is dropped; "
             "the newest ones are served first"},
    HOST_OPTION_ROWS(FIELD(host), "connections"),
};

const struct option_table ke_config_table = {rows, ROWS(rows), sizeof(struct ke_config)};

#include "time_servers.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>
#include <strings.h>

#define LABEL_MAX_LEN 63

int time_server_family(const char *name)
{
    struct in6_addr address; /* big enough for both families */
    if (inet_pton(AF_INET, name, &address) == 1) {
        return AF_INET;
    }
    return inet_pton(AF_INET6, name, &address) == 1 ? AF_INET6 : AF_UNSPEC;
}

static bool is_unspecified(const char *name)
{
    struct in6_addr address = IN6ADDR_ANY_INIT;
    return (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1) &&
           IN6_IS_ADDR_UNSPECIFIED(&address);
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One label: letters, digits and inner hyphens (RFC 1123, section 2.1). */
static bool is_label(const char *label, size_t len)
{
    if (len == 0 || len > LABEL_MAX_LEN || label[0] == '-' || label[len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (!is_letter_or_digit(label[i]) && label[i] != '-') {
            return false;
        }
    }
    return true;
}

bool time_server_name_is_valid(const char *name)
{
    if (time_server_family(name) != AF_UNSPEC) {
        return !is_unspecified(name);
    }
    if (strlen(name) > TIME_SERVER_NAME_MAX_LEN) {
        return false;
    }
    const char *label = name;
    for (;;) {
        size_t len = strcspn(label, ".");
        if (!is_label(label, len)) {
            return false;
        }
        if (label[len] == '\0') {
            /* A last label of digits only is a mistyped IPv4 address, not a name. */
            return strspn(label, "0123456789") != len;
        }
        label += len + 1;
    }
}

static bool fits_family(const struct time_server *server, int family)
{
    return server->family == AF_UNSPEC || server->family == family;
}

/* Which servers a draw is among. */
struct draw {
    int family;           /* AF_UNSPEC: any */
    const uint16_t *port; /* NULL: any */
};

static bool takes_part(const struct draw *draw, const struct time_server *server)
{
    return (draw->family == AF_UNSPEC || fits_family(server, draw->family)) &&
           (draw->port == NULL || server->port == *draw->port);
}

/* NULL if nobody takes part. */
static const struct time_server *draw_by_weight(const struct time_servers *servers,
                                                const struct draw *draw, struct random_pool *random)
{
    uint32_t total = 0;
    for (size_t i = 0; i < servers->num; i++) {
        total += takes_part(draw, &servers->list[i]) ? servers->list[i].weight : 0;
    }
    if (total == 0) {
        return NULL;
    }
    uint32_t left = random_below(random, total);
    for (size_t i = 0; i < servers->num; i++) {
        const struct time_server *server = &servers->list[i];
        if (!takes_part(draw, server)) {
            continue;
        }
        if (left < server->weight) {
            return server;
        }
        left -= server->weight;
    }
    assert(false && "the draw is below the total");
    return NULL;
}

/* The server that the wish names; of several with that name and no port given, the first that fits
 * the family, else the first. */
static const struct time_server *find_wished(const struct time_servers *servers, int family,
                                             const struct server_wish *wish)
{
    const struct time_server *found = NULL;
    for (size_t i = 0; i < servers->num; i++) {
        const struct time_server *server = &servers->list[i];
        bool named = strlen(server->name) == wish->name_len &&
                     strncasecmp(server->name, wish->name, wish->name_len) == 0;
        if (!named || (wish->has_port && server->port != wish->port)) {
            continue;
        }
        if (fits_family(server, family)) {
            return server;
        }
        found = found != NULL ? found : server;
    }
    return found;
}

const struct time_server *time_servers_choose(const struct time_servers *servers, int family,
                                              const struct server_wish *wish,
                                              struct random_pool *random)
{
    const struct time_server *server = NULL;
    /* RFC 8915, section 4.1.7: the wish of a client does not bind the server. */
    if (wish->name != NULL) {
        server = find_wished(servers, family, wish);
    } else if (wish->has_port) {
        struct draw near = {.family = family, .port = &wish->port};
        struct draw far = {.family = AF_UNSPEC, .port = &wish->port};
        server = draw_by_weight(servers, &near, random);
        server = server != NULL ? server : draw_by_weight(servers, &far, random);
    }
    if (server == NULL) {
        server = draw_by_weight(servers, &(struct draw){.family = family}, random);
    }
    if (server == NULL) {
        server = draw_by_weight(servers, &(struct draw){.family = AF_UNSPEC}, random);
    }
    return server;
}

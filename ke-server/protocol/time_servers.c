#include "ke-server/protocol/time_servers.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
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

uint8_t time_server_reach_of(int family)
{
    switch (family) {
    case AF_INET:
        return TIME_SERVER_UP_IPV4;
    case AF_INET6:
        return TIME_SERVER_UP_IPV6;
    default:
        return TIME_SERVER_UP;
    }
}

void time_server_format(char text[TIME_SERVER_TEXT_LEN], const char *name, uint16_t port)
{
    bool is_ipv6 = strchr(name, ':') != NULL;
    snprintf(text, TIME_SERVER_TEXT_LEN, is_ipv6 ? "[%s]:%u" : "%s:%u", name, port);
}

bool time_server_is_same(const struct time_server *a, const struct time_server *b)
{
    return a->port == b->port && a->family == b->family && strcasecmp(a->name, b->name) == 0;
}

void time_servers_inherit(const struct time_servers *servers, const struct time_servers *old)
{
    for (size_t i = 0; i < servers->num; i++) {
        for (size_t j = 0; j < old->num; j++) {
            if (time_server_is_same(&servers->list[i], &old->list[j])) {
                servers->reach[i] = old->reach[j];
            }
        }
    }
}

/* The servers as one choice sees them, whatever is learnt of them meanwhile. */
struct choice {
    const struct time_servers *servers;
    uint8_t reach[TIME_SERVERS_MAX];
};

static void look(struct choice *choice, const struct time_servers *servers)
{
    uint8_t any = TIME_SERVER_DOWN;
    choice->servers = servers;
    for (size_t i = 0; servers->reach != NULL && i < servers->num; i++) {
        choice->reach[i] = atomic_load_explicit(&servers->reach[i], memory_order_relaxed);
        any |= choice->reach[i];
    }
    if (any == TIME_SERVER_DOWN) {
        memset(choice->reach, TIME_SERVER_UP, sizeof(choice->reach));
    }
}

static bool fits_family(const struct time_server *server, int family)
{
    return family == AF_UNSPEC || server->family == AF_UNSPEC || server->family == family;
}

/* Which servers a draw is among. */
struct draw {
    int family;           /* AF_UNSPEC: any */
    const uint16_t *port; /* NULL: any */
    bool down_too;
};

static bool takes_part(const struct choice *choice, size_t i, const struct draw *draw)
{
    const struct time_server *server = &choice->servers->list[i];
    return fits_family(server, draw->family) &&
           (draw->down_too || (choice->reach[i] & time_server_reach_of(draw->family)) != 0) &&
           (draw->port == NULL || server->port == *draw->port);
}

/* NULL if no server takes part. */
static const struct time_server *draw_by_weight(const struct choice *choice,
                                                const struct draw *draw, struct random_pool *random)
{
    const struct time_servers *servers = choice->servers;
    uint32_t total = 0;
    for (size_t i = 0; i < servers->num; i++) {
        total += takes_part(choice, i, draw) ? servers->list[i].weight : 0;
    }
    if (total == 0) {
        return NULL;
    }
    uint32_t left = random_below(random, total);
    for (size_t i = 0; i < servers->num; i++) {
        const struct time_server *server = &servers->list[i];
        if (!takes_part(choice, i, draw)) {
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

/* The server that the wish names, unless it is down; of several with that name and no port given,
 * the first that fits the family, else the first. */
static const struct time_server *find_wished(const struct choice *choice, int family,
                                             const struct server_wish *wish)
{
    const struct draw near = {.family = family};
    const struct time_server *found = NULL;
    for (size_t i = 0; i < choice->servers->num; i++) {
        const struct time_server *server = &choice->servers->list[i];
        bool named = strlen(server->name) == wish->name_len &&
                     strncasecmp(server->name, wish->name, wish->name_len) == 0;
        if (!named || (wish->has_port && server->port != wish->port) ||
            choice->reach[i] == TIME_SERVER_DOWN) {
            continue;
        }
        if (takes_part(choice, i, &near)) {
            return server;
        }
        found = found != NULL ? found : server;
    }
    return found;
}

/* The first of the draws that has a server. */
static const struct time_server *draw_in_turn(const struct choice *choice, const struct draw *draws,
                                              size_t num, struct random_pool *random)
{
    const struct time_server *server = NULL;
    for (size_t i = 0; i < num && server == NULL; i++) {
        server = draw_by_weight(choice, &draws[i], random);
    }
    return server;
}

const struct time_server *time_servers_choose(const struct time_servers *servers, int family,
                                              const struct server_wish *wish,
                                              struct random_pool *random)
{
    const struct draw of_port[] = {
        {.family = family, .port = &wish->port},
        {.family = AF_UNSPEC, .port = &wish->port},
    };
    const struct draw of_all[] = {
        {.family = family},
        {.family = family, .down_too = true},
        {.family = AF_UNSPEC},
    };
    const struct time_server *server = NULL;
    struct choice choice;
    look(&choice, servers);
    /* RFC 8915, section 4.1.7: the wish of a client does not bind the server. */
    if (wish->name != NULL) {
        server = find_wished(&choice, family, wish);
    } else if (wish->has_port) {
        server = draw_in_turn(&choice, of_port, sizeof(of_port) / sizeof(of_port[0]), random);
    }
    if (server == NULL) {
        server = draw_in_turn(&choice, of_all, sizeof(of_all) / sizeof(of_all[0]), random);
    }
    return server;
}

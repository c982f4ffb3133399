/* Which time server of the farm a client is sent to. No I/O; thread-safe. The choice never
 * allocates. */
#ifndef NTS_KE_TIME_SERVERS_H
#define NTS_KE_TIME_SERVERS_H

#include "crypto/random.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIME_SERVERS_MAX         256
#define TIME_SERVER_MAX_WEIGHT   1000000
#define TIME_SERVER_NAME_MAX_LEN 253 /* a domain name as text (RFC 1035, section 2.3.4) */
#define TIME_SERVER_TEXT_LEN     (TIME_SERVER_NAME_MAX_LEN + 10) /* "[" name "]:" port NUL */
#define TIME_SERVER_WISH_MAX_LEN 255                             /* what a client may send us */

/* The total of all weights must be a limit that random_below takes. */
_Static_assert(TIME_SERVER_MAX_WEIGHT <= UINT32_MAX / TIME_SERVERS_MAX, "the weights add up");

struct time_server {
    const char *name; /* an address without brackets or zone, or a domain name */
    uint16_t port;
    uint32_t weight; /* 1 .. TIME_SERVER_MAX_WEIGHT */
    int family;      /* AF_INET, AF_INET6, or AF_UNSPEC for a name that may be either */
};

/* The address families over which a server gives time, as far as is known: a set. Who watches the
 * servers writes it, any number of readers. */
typedef _Atomic uint8_t time_server_reach;

enum { TIME_SERVER_DOWN = 0, TIME_SERVER_UP_IPV4 = 1, TIME_SERVER_UP_IPV6 = 2, TIME_SERVER_UP = 3 };

struct time_servers {
    const struct time_server *list;
    time_server_reach *reach; /* of each; NULL: the watch is off, and all are up */
    size_t num;               /* up to TIME_SERVERS_MAX */
};

/* What a client asked for with Server and Port records (RFC 8915, sections 4.1.7 and 4.1.8). */
struct server_wish {
    const char *name; /* not terminated; NULL: no wish, or none that could be a name */
    size_t name_len;
    bool has_port;
    uint16_t port;
};

/* time_server_family returns the family that a name has by itself: AF_INET or AF_INET6 for an
 * address, AF_UNSPEC for everything else. */
int time_server_family(const char *name);

/* time_server_name_is_valid tells whether `name` can be sent in a Server record: an address without
 * zone or brackets (not the unspecified one), or a domain name of letters, digits and hyphens
 * (A-labels, RFC 5891) without a trailing dot. */
bool time_server_name_is_valid(const char *name);

/* time_server_format writes name and port for people: `time.example:123`, `[2001:db8::1]:123`. */
void time_server_format(char text[TIME_SERVER_TEXT_LEN], const char *name, uint16_t port);

/* time_server_is_same tells whether two elements, of the lists before and after a reload, are about
 * one server: name, port and family. */
bool time_server_is_same(const struct time_server *a, const struct time_server *b);

/* time_servers_inherit takes over what is known of the servers of `old` that are in `servers` too,
 * by name, port and family, so that a reload does not send clients to one that is down. */
void time_servers_inherit(const struct time_servers *servers, const struct time_servers *old);

/* time_server_reach_of returns the set of the families that a server of that family has. */
uint8_t time_server_reach_of(int family);

/* time_servers_choose picks a server for a client that came over `family` (AF_INET or AF_INET6):
 *   1. the one whose name, and port if given, the client wished (letter case does not matter),
 *   2. by weight among those with the wished port,
 *   3. by weight among those that fit the family (RFC 8915, section 4.1.7),
 *   4. by weight among all.
 * One that is down is left out, of wishes too: a wish does not bind (RFC 8915, section 4.1.7), and
 * a client is better off with time from another. But where each server that fits the family is
 * down, rule 3 takes them all the same, and where each server is, they count as up: whatever keeps
 * us from seeing them need not be in the way of clients, and no client is worse off than if nobody
 * watched. NULL if there are no servers: the client then asks the address it came to. */
const struct time_server *time_servers_choose(const struct time_servers *servers, int family,
                                              const struct server_wish *wish,
                                              struct random_pool *random);

#endif

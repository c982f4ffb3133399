/* Socket addresses as operators write them: 192.0.2.1:123, [2001:db8::1]:4460, name:4460. */
#ifndef NTS_BASE_ADDRESS_H
#define NTS_BASE_ADDRESS_H

#include "base/status.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* One IPv4 or IPv6 address with a port. */
union net_address {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

#define ADDRESS_TEXT_LEN 72 /* "[" IPv6 "%" scope "]:" port NUL */
#define HOST_TEXT_LEN    256

/* address_parse reads an IP literal with an optional port (`default_port` if absent; an IPv6
 * literal with a port needs brackets). False if it is not that; never asks DNS. */
bool address_parse(union net_address *address, const char *text, uint16_t default_port);

/* address_format writes the form that address_parse reads. */
void address_format(char text[ADDRESS_TEXT_LEN], const union net_address *address);

/* address_format_ip writes the IP literal alone, without brackets or port. */
void address_format_ip(char text[INET6_ADDRSTRLEN], const union net_address *address);

socklen_t address_len(const union net_address *address);
uint16_t address_port(const union net_address *address);
bool address_is_wildcard(const union net_address *address);

/* address_equal compares family, address, port, and the scope of IPv6. */
bool address_equal(const union net_address *a, const union net_address *b);

/* host_port_split cuts HOST[:PORT] or [IPV6][:PORT] into a host without brackets and a port.
 * False if the host is empty or too long or the port is not 1 to 65535. */
bool host_port_split(char host[HOST_TEXT_LEN], uint16_t *port, const char *text,
                     uint16_t default_port);

/* address_resolve_all looks `host` up (literal or name) in `family` (AF_UNSPEC for either), keeps
 * the first `capacity` addresses in the resolver's order, each once, and returns how many there
 * are; 0, with the resolver's words, if there is none. Blocks on DNS. */
size_t address_resolve_all(union net_address *addresses, size_t capacity, const char *host,
                           uint16_t port, int family, struct error *error);

/* address_resolve looks `host` up (literal or name) for datagram use and keeps the first address of
 * `family` (AF_UNSPEC for either). Blocks on DNS. NTS_ERR_SYSTEM with the resolver's words. */
NTS_MUST_CHECK enum nts_status address_resolve(union net_address *address, const char *host,
                                               uint16_t port, int family, struct error *error);

#endif

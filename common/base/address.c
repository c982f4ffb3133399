#include "base/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool host_port_split(char host[HOST_TEXT_LEN], uint16_t *port, const char *text,
                     uint16_t default_port)
{
    const char *host_end;
    const char *port_text = NULL;
    const char *first_colon = strchr(text, ':');

    if (text[0] == '[') {
        text++;
        host_end = strchr(text, ']');
        if (host_end == NULL || (host_end[1] != '\0' && host_end[1] != ':')) {
            return false;
        }
        port_text = host_end[1] == ':' ? host_end + 2 : NULL;
    } else if (first_colon != NULL && strchr(first_colon + 1, ':') == NULL) {
        host_end = first_colon;
        port_text = first_colon + 1;
    } else {
        host_end = text + strlen(text); /* a name, or an IPv6 literal without a port */
    }

    size_t host_len = (size_t)(host_end - text);
    if (host_len == 0 || host_len >= HOST_TEXT_LEN) {
        return false;
    }
    memcpy(host, text, host_len);
    host[host_len] = '\0';

    *port = default_port;
    if (port_text != NULL) {
        char *end;
        unsigned long value = strtoul(port_text, &end, 10);
        if (port_text[0] < '0' || port_text[0] > '9' || *end != '\0' || value < 1 ||
            value > 65535) {
            return false;
        }
        *port = (uint16_t)value;
    }
    return true;
}

bool address_parse(union net_address *address, const char *text, uint16_t default_port)
{
    char host[HOST_TEXT_LEN];
    uint16_t port;
    if (!host_port_split(host, &port, text, default_port)) {
        return false;
    }
    memset(address, 0, sizeof(*address));
    if (inet_pton(AF_INET, host, &address->in.sin_addr) == 1) {
        address->in.sin_family = AF_INET;
        address->in.sin_port = htons(port);
        return true;
    }
    char *scope = strchr(host, '%');
    if (scope != NULL) {
        *scope++ = '\0';
        address->in6.sin6_scope_id = if_nametoindex(scope);
        if (address->in6.sin6_scope_id == 0) {
            return false;
        }
    }
    if (inet_pton(AF_INET6, host, &address->in6.sin6_addr) == 1) {
        address->in6.sin6_family = AF_INET6;
        address->in6.sin6_port = htons(port);
        return true;
    }
    return false;
}

void address_format_ip(char text[INET6_ADDRSTRLEN], const union net_address *address)
{
    const void *bytes = address->sa.sa_family == AF_INET6 ? (const void *)&address->in6.sin6_addr
                                                          : (const void *)&address->in.sin_addr;
    if (inet_ntop(address->sa.sa_family, bytes, text, INET6_ADDRSTRLEN) == NULL) {
        snprintf(text, INET6_ADDRSTRLEN, "?");
    }
}

void address_format(char text[ADDRESS_TEXT_LEN], const union net_address *address)
{
    char ip[INET6_ADDRSTRLEN];
    address_format_ip(ip, address);
    if (address->sa.sa_family != AF_INET6) {
        snprintf(text, ADDRESS_TEXT_LEN, "%s:%u", ip, address_port(address));
        return;
    }
    char name[IF_NAMESIZE];
    uint32_t scope = address->in6.sin6_scope_id;
    const char *zone = scope != 0 ? if_indextoname(scope, name) : NULL;
    snprintf(text, ADDRESS_TEXT_LEN, "[%s%s%s]:%u", ip, zone != NULL ? "%" : "",
             zone != NULL ? zone : "", address_port(address));
}

socklen_t address_len(const union net_address *address)
{
    return address->sa.sa_family == AF_INET6 ? sizeof(address->in6) : sizeof(address->in);
}

uint16_t address_port(const union net_address *address)
{
    return ntohs(address->sa.sa_family == AF_INET6 ? address->in6.sin6_port : address->in.sin_port);
}

bool address_is_wildcard(const union net_address *address)
{
    return address->sa.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&address->in6.sin6_addr)
                                             : address->in.sin_addr.s_addr == htonl(INADDR_ANY);
}

bool address_equal(const union net_address *a, const union net_address *b)
{
    if (a->sa.sa_family != b->sa.sa_family || address_port(a) != address_port(b)) {
        return false;
    }
    if (a->sa.sa_family == AF_INET6) {
        return a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
    }
    return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
}

static bool is_listed(const union net_address *addresses, size_t num,
                      const union net_address *address)
{
    for (size_t i = 0; i < num; i++) {
        if (address_equal(&addresses[i], address)) {
            return true;
        }
    }
    return false;
}

size_t address_resolve_all(union net_address *addresses, size_t capacity, const char *host,
                           uint16_t port, int family, struct error *error)
{
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    /* One type of socket, or else each address comes once for each type. */
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    size_t num = 0;
    int code = getaddrinfo(host, service, &hints, &found);
    if (code != 0) {
        error_set(error, NTS_ERR_SYSTEM, "%s", gai_strerror(code));
        return 0;
    }
    error_set(error, NTS_ERR_SYSTEM, "no address");
    for (const struct addrinfo *at = found; at != NULL && num < capacity; at = at->ai_next) {
        union net_address address = {0};
        if (at->ai_addrlen <= sizeof(address)) {
            memcpy(&address, at->ai_addr, at->ai_addrlen);
            /* A hosts file can name an address twice. */
            if (!is_listed(addresses, num, &address)) {
                addresses[num++] = address;
            }
        }
    }
    freeaddrinfo(found);
    return num;
}

enum nts_status address_resolve(union net_address *address, const char *host, uint16_t port,
                                int family, struct error *error)
{
    struct error reason;
    if (address_resolve_all(address, 1, host, port, family, &reason) == 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot resolve %s: %.255s", host, reason.text);
    }
    return NTS_OK;
}

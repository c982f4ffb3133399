#include "load/destination.h"

#include <arpa/inet.h>
#include <string.h>

struct network {
    const char *text;
    unsigned prefix_len;
};

static const struct network ipv4_networks[] = {
    {"127.0.0.0", 8},    /* RFC 1122 */
    {"10.0.0.0", 8},     /* RFC 1918 */
    {"172.16.0.0", 12},  /* RFC 1918 */
    {"192.168.0.0", 16}, /* RFC 1918 */
    {"169.254.0.0", 16}, /* RFC 3927 */
};

static const struct network ipv6_networks[] = {
    {"::1", 128},
    {"fc00::", 7},  /* RFC 4193 */
    {"fe80::", 10}, /* RFC 4291 */
};

static bool has_prefix(const uint8_t *octets, const uint8_t *prefix, unsigned prefix_len)
{
    unsigned num_whole = prefix_len / 8;
    unsigned num_bits = prefix_len % 8;
    if (memcmp(octets, prefix, num_whole) != 0) {
        return false;
    }
    uint8_t mask = (uint8_t)(0xff00 >> num_bits);
    return num_bits == 0 || ((octets[num_whole] ^ prefix[num_whole]) & mask) == 0;
}

static bool is_in(const uint8_t *octets, int family, const struct network *networks, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        uint8_t prefix[16];
        if (inet_pton(family, networks[i].text, prefix) == 1 &&
            has_prefix(octets, prefix, networks[i].prefix_len)) {
            return true;
        }
    }
    return false;
}

bool destination_is_own(const union net_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *octets = (const uint8_t *)&address->in.sin_addr;
    if (address->sa.sa_family == AF_INET6) {
        octets = address->in6.sin6_addr.s6_addr;
        if (memcmp(octets, mapped, sizeof(mapped)) != 0) {
            return is_in(octets, AF_INET6, ipv6_networks,
                         sizeof(ipv6_networks) / sizeof(ipv6_networks[0]));
        }
        octets += sizeof(mapped);
    }
    return is_in(octets, AF_INET, ipv4_networks, sizeof(ipv4_networks) / sizeof(ipv4_networks[0]));
}

enum nts_status destination_check(const union net_address *address, bool is_allowed,
                                  struct error *error)
{
    if (is_allowed || destination_is_own(address)) {
        return NTS_OK;
    }
    char text[INET6_ADDRSTRLEN];
    address_format_ip(text, address);
    return error_set(error, NTS_ERR_CONFIG,
                     "%s is neither loopback, private nor link-local: load belongs on servers that "
                     "you operate. If this is one, say so with --i-operate-this",
                     text);
}

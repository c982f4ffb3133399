#include "limit/ip_prefix.h"

#include "base/cursor.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IPV4_MAPPED (UINT64_C(0xffff) << 32) /* ::ffff:0:0 (RFC 4291, section 2.5.5.2) */

static struct ip_bits bits_of_ipv4(const struct in_addr *address)
{
    return (struct ip_bits){.low = IPV4_MAPPED | ntohl(address->s_addr)};
}

static struct ip_bits bits_of_ipv6(const struct in6_addr *address)
{
    return (struct ip_bits){load_u64(address->s6_addr), load_u64(address->s6_addr + 8)};
}

struct ip_bits ip_bits_of(const union net_address *address)
{
    switch (address->sa.sa_family) {
    case AF_INET:
        return bits_of_ipv4(&address->in.sin_addr);
    case AF_INET6:
        return bits_of_ipv6(&address->in6.sin6_addr);
    default:
        return (struct ip_bits){0, 0};
    }
}

bool ip_bits_is_ipv4(struct ip_bits bits)
{
    return bits.high == 0 && bits.low >> 32 == IPV4_MAPPED >> 32;
}

/* The first `length` (0 to 64) bits of a number. */
static uint64_t first_bits(uint64_t number, unsigned length)
{
    return length == 0 ? 0 : number & (UINT64_MAX << (64 - length));
}

struct ip_bits ip_bits_first(struct ip_bits bits, unsigned length)
{
    return (struct ip_bits){
        .high = first_bits(bits.high, length < 64 ? length : 64),
        .low = first_bits(bits.low, length > 64 ? length - 64 : 0),
    };
}

int ip_bits_compare(struct ip_bits a, struct ip_bits b)
{
    if (a.high != b.high) {
        return a.high < b.high ? -1 : 1;
    }
    return a.low == b.low ? 0 : a.low < b.low ? -1 : 1;
}

bool ip_prefix_contains(const struct ip_prefix *prefix, struct ip_bits bits)
{
    return ip_bits_compare(ip_bits_first(bits, prefix->length), prefix->bits) == 0;
}

/* One to three digits, and nothing else. */
static bool parse_length(unsigned *length, const char *text)
{
    size_t len = strlen(text);
    if (len < 1 || len > 3 || strspn(text, "0123456789") != len || (text[0] == '0' && len > 1)) {
        return false;
    }
    *length = (unsigned)strtoul(text, NULL, 10);
    return true;
}

bool ip_prefix_parse(struct ip_prefix *prefix, const char *text)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t host_len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (host_len >= sizeof(host)) {
        return false;
    }
    memcpy(host, text, host_len);
    host[host_len] = '\0';

    struct in_addr in;
    struct in6_addr in6;
    unsigned max_length;
    if (inet_pton(AF_INET, host, &in) == 1) {
        prefix->bits = bits_of_ipv4(&in);
        max_length = 32;
    } else if (inet_pton(AF_INET6, host, &in6) == 1) {
        prefix->bits = bits_of_ipv6(&in6);
        max_length = IP_PREFIX_MAX_LEN;
    } else {
        return false;
    }
    unsigned length = max_length;
    if ((slash != NULL && !parse_length(&length, slash + 1)) || length > max_length) {
        return false;
    }
    prefix->length = (uint8_t)(length + IP_PREFIX_MAX_LEN - max_length);
    return ip_prefix_contains(prefix, prefix->bits);
}

void ip_prefix_format(char text[IP_PREFIX_TEXT_LEN], const struct ip_prefix *prefix)
{
    char host[INET6_ADDRSTRLEN] = "?";
    bool is_ipv4 = ip_bits_is_ipv4(prefix->bits) && prefix->length >= IP_PREFIX_IPV4_LEN;
    uint8_t octets[16];
    store_u64(octets, prefix->bits.high);
    store_u64(octets + 8, prefix->bits.low);
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6, is_ipv4 ? octets + 12 : octets, host, sizeof(host));
    if (prefix->length == IP_PREFIX_MAX_LEN) {
        snprintf(text, IP_PREFIX_TEXT_LEN, "%s", host);
    } else {
        snprintf(text, IP_PREFIX_TEXT_LEN, "%s/%u", host,
                 prefix->length - (is_ipv4 ? IP_PREFIX_IPV4_LEN : 0u));
    }
}

/* IP addresses as numbers, and the networks they are in: 192.0.2.0/24, 2001:db8::/32. Both families
 * are one space of 128 bits, in which IPv4 stands where IPv4-mapped IPv6 addresses do, so that a
 * client is the same one whichever way the kernel writes its address. Pure. */
#ifndef NTS_LIMIT_IP_PREFIX_H
#define NTS_LIMIT_IP_PREFIX_H

#include "base/address.h"
#include "limit/source.h"

/* The addresses whose first `length` bits are those of `bits`; its other bits are zero. */
struct ip_prefix {
    struct ip_bits bits;
    uint8_t length; /* 0 to 128 */
};

#define IP_PREFIX_MAX_LEN  128
#define IP_PREFIX_IPV4_LEN 96 /* of the networks of all IPv4: add it to an IPv4 length */
#define IP_PREFIX_TEXT_LEN (INET6_ADDRSTRLEN + 4)

/* ip_bits_of returns the address without its port and scope; zero for a family that is none of the
 * two. */
struct ip_bits ip_bits_of(const union net_address *address);

bool ip_bits_is_ipv4(struct ip_bits bits);

/* ip_bits_first keeps the first `length` bits, and makes the others zero. */
struct ip_bits ip_bits_first(struct ip_bits bits, unsigned length);

/* ip_bits_compare orders addresses as numbers: negative, zero or positive. */
int ip_bits_compare(struct ip_bits a, struct ip_bits b);

bool ip_prefix_contains(const struct ip_prefix *prefix, struct ip_bits bits);

/* ip_prefix_parse reads NETWORK/LENGTH or a lone address, which is a network of one. False if it is
 * neither, or has bits behind its length: 192.0.2.1/24 can mean two things. */
bool ip_prefix_parse(struct ip_prefix *prefix, const char *text);

/* ip_prefix_format writes what ip_prefix_parse reads; a network of one without its length. */
void ip_prefix_format(char text[IP_PREFIX_TEXT_LEN], const struct ip_prefix *prefix);

#endif

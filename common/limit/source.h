/* A source of requests and what is to be done about what it sends: types alone, for code that knows
 * no sockets. */
#ifndef NTS_LIMIT_SOURCE_H
#define NTS_LIMIT_SOURCE_H

#include <stdint.h>

/* An IP address as a number of 128 bits, its first octet the most significant one; IPv4 stands
 * where IPv4-mapped IPv6 does. */
struct ip_bits {
    uint64_t high;
    uint64_t low;
};

enum source_verdict {
    SOURCE_ADMITTED,
    SOURCE_OVER_BUDGET,
    SOURCE_REFUSED,
};

#endif

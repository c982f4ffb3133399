#include "load/source_net.h"

#include "base/cursor.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *octets_of(union net_address *address)
{
    return address->sa.sa_family == AF_INET6 ? address->in6.sin6_addr.s6_addr
                                             : (uint8_t *)&address->in.sin_addr;
}

static bool has_bits_behind(union net_address *address, unsigned prefix_len, unsigned num_bits)
{
    const uint8_t *octets = octets_of(address);
    for (unsigned bit = prefix_len; bit < num_bits; bit++) {
        if ((octets[bit / 8] >> (7 - bit % 8) & 1) != 0) {
            return true;
        }
    }
    return false;
}

bool source_net_parse(struct source_net *net, const char *text)
{
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    *net = (struct source_net){0};
    if (slash == NULL || (size_t)(slash - text) >= sizeof(host) || slash[1] < '0' ||
        slash[1] > '9') {
        return false;
    }
    memcpy(host, text, (size_t)(slash - text));
    host[slash - text] = '\0';
    char *end;
    unsigned long prefix_len = strtoul(slash + 1, &end, 10);

    union net_address base = {0};
    unsigned num_bits = 32;
    if (inet_pton(AF_INET, host, &base.in.sin_addr) == 1) {
        base.sa.sa_family = AF_INET;
    } else if (inet_pton(AF_INET6, host, &base.in6.sin6_addr) == 1) {
        base.sa.sa_family = AF_INET6;
        num_bits = 128;
    } else {
        return false;
    }
    if (*end != '\0' || prefix_len > num_bits ||
        has_bits_behind(&base, (unsigned)prefix_len, num_bits)) {
        return false;
    }
    unsigned free_bits = num_bits - (unsigned)prefix_len;
    size_t num_all = free_bits >= 21 ? 2 * SOURCE_NET_MAX : (size_t)1 << free_bits;
    net->num = num_all > 2 ? num_all - 2 : num_all;
    if (net->num > SOURCE_NET_MAX) {
        net->num = SOURCE_NET_MAX;
    }
    net->base = base;
    if (num_all > 2) {
        net->base = source_net_at(net, 1);
    }
    return true;
}

union net_address source_net_at(const struct source_net *net, size_t index)
{
    union net_address address = net->base;
    /* The lowest 32 bits never overflow: there are 2^20 addresses at most, from an aligned one. */
    uint8_t *low = octets_of(&address) + (address.sa.sa_family == AF_INET6 ? 12 : 0);
    store_u32(low, load_u32(low) + (uint32_t)index);
    return address;
}

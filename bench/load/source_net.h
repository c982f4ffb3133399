/* The addresses that simulated clients send from: a network in CIDR form. Pure. */
#ifndef NTS_LOAD_SOURCE_NET_H
#define NTS_LOAD_SOURCE_NET_H

#include "base/address.h"

#include <stddef.h>

#define SOURCE_NET_MAX ((size_t)1 << 20)

struct source_net {
    union net_address base; /* the network's own address, port 0; AF_UNSPEC: none is given */
    size_t num;             /* addresses for clients, SOURCE_NET_MAX at most */
};

/* source_net_parse reads "10.1.0.0/16" or "fd00::/64". Neither the first address of the network nor
 * an IPv4 broadcast address is for clients, unless the network has no other. False if it is no
 * network, or if bits behind the prefix are set. */
bool source_net_parse(struct source_net *net, const char *text);

/* source_net_at returns the address of that index (below net->num), port 0. */
union net_address source_net_at(const struct source_net *net, size_t index);

#endif

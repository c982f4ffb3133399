/* Networks with what is to be done about their addresses: the most specific one that an address is
 * in decides. Immutable once built, and read by any number of threads; a look-up takes a binary
 * search and no memory. */
#ifndef NTS_LIMIT_NETWORK_LIST_H
#define NTS_LIMIT_NETWORK_LIST_H

#include "limit/ip_prefix.h"

enum network_rule {
    NETWORK_LIMITED, /* on no list: the default */
    NETWORK_EXEMPT,
    NETWORK_REFUSED,
};

struct network {
    struct ip_prefix prefix;
    enum network_rule rule;
    size_t outer; /* the smallest network around this one, NETWORK_NONE if there is none */
};

#define NETWORK_NONE SIZE_MAX

/* Sorted by first address, those around before those inside. */
struct network_list {
    struct network *networks;
    size_t num;
};

/* network_list_open gives the list room for `capacity` networks. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status network_list_open(struct network_list *list, size_t capacity);

/* network_list_add appends one, within the capacity. */
void network_list_add(struct network_list *list, const struct ip_prefix *prefix,
                      enum network_rule rule);

/* network_list_build makes the list ready to be asked, once all are added. Networks that are there
 * twice become one. False if one has two rules: `*conflict` is it then. */
NTS_MUST_CHECK bool network_list_build(struct network_list *list, struct ip_prefix *conflict);

/* network_list_find returns the rule for an address. */
enum network_rule network_list_find(const struct network_list *list, struct ip_bits bits);

void network_list_close(struct network_list *list);

#endif

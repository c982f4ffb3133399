#include "limit/network_list.h"

#include <stdlib.h>

enum nts_status network_list_open(struct network_list *list, size_t capacity)
{
    *list = (struct network_list){.networks = calloc(capacity + 1, sizeof(struct network))};
    return list->networks != NULL ? NTS_OK : NTS_ERR_NO_MEMORY;
}

void network_list_close(struct network_list *list)
{
    free(list->networks);
    *list = (struct network_list){0};
}

void network_list_add(struct network_list *list, const struct ip_prefix *prefix,
                      enum network_rule rule)
{
    list->networks[list->num++] = (struct network){.prefix = *prefix, .rule = rule};
}

static int compare(const void *left, const void *right)
{
    const struct ip_prefix *a = &((const struct network *)left)->prefix;
    const struct ip_prefix *b = &((const struct network *)right)->prefix;
    int order = ip_bits_compare(a->bits, b->bits);
    return order != 0 ? order : (int)a->length - (int)b->length;
}

/* Walks outwards from network `at` to the first one that the address is in. */
static size_t around(const struct network_list *list, size_t at, struct ip_bits bits)
{
    while (at != NETWORK_NONE && !ip_prefix_contains(&list->networks[at].prefix, bits)) {
        at = list->networks[at].outer;
    }
    return at;
}

bool network_list_build(struct network_list *list, struct ip_prefix *conflict)
{
    qsort(list->networks, list->num, sizeof(list->networks[0]), compare);
    size_t num = 0;
    for (size_t i = 0; i < list->num; i++) {
        struct network *network = &list->networks[i];
        if (num > 0 && compare(&list->networks[num - 1], network) == 0) {
            if (list->networks[num - 1].rule != network->rule) {
                *conflict = network->prefix;
                return false;
            }
            continue;
        }
        /* Networks are inside one another or apart. */
        network->outer = around(list, num > 0 ? num - 1 : NETWORK_NONE, network->prefix.bits);
        list->networks[num++] = *network;
    }
    list->num = num;
    return true;
}

enum network_rule network_list_find(const struct network_list *list, struct ip_bits bits)
{
    /* The last network that begins at or before the address: the most specific one that it is in
     * is this one, or around it. */
    size_t low = 0;
    size_t high = list->num;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ip_bits_compare(list->networks[middle].prefix.bits, bits) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    size_t at = around(list, low > 0 ? low - 1 : NETWORK_NONE, bits);
    return at != NETWORK_NONE ? list->networks[at].rule : NETWORK_LIMITED;
}

#include "limit/source_policy.h"

const char *const log_addresses_names[] = {
    [LOG_ADDRESSES_NONE] = "none",
    [LOG_ADDRESSES_PREFIX] = "prefix",
    [LOG_ADDRESSES_FULL] = "full",
    NULL,
};

static const char *check_network(const void *field)
{
    struct ip_prefix prefix;
    return ip_prefix_parse(&prefix, *(const char *const *)field)
               ? NULL
               : "a network like \"192.0.2.0/24\" or \"2001:db8::/32\", with no bits set behind "
                 "its "
                 "length, or an address";
}

const struct option_row source_network_element = {
    .type = OPTION_STRING, .min = 1, .max = IP_PREFIX_TEXT_LEN, .check = check_network};

static void add_networks(struct network_list *list, const struct option_list *texts,
                         enum network_rule rule)
{
    const char *const *items = texts->items;
    for (size_t i = 0; i < texts->num; i++) {
        struct ip_prefix prefix;
        if (ip_prefix_parse(&prefix, items[i])) { /* check_network has made sure of it */
            network_list_add(list, &prefix, rule);
        }
    }
}

enum nts_status source_policy_open(struct source_policy *policy,
                                   const struct source_options *options, struct error *error)
{
    struct ip_prefix conflict;
    *policy = (struct source_policy){
        .has_budget = options->rate_limit > 0,
        .terms = {options->rate_limit, options->rate_burst},
        .prefix_ipv4 = (uint8_t)(options->limit_prefix_ipv4 + IP_PREFIX_IPV4_LEN),
        .prefix_ipv6 = (uint8_t)options->limit_prefix_ipv6,
        .log_addresses = (enum log_addresses)options->log_addresses,
    };
    if (network_list_open(&policy->networks,
                          options->exempt_networks.num + options->refuse_networks.num) != NTS_OK) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    add_networks(&policy->networks, &options->exempt_networks, NETWORK_EXEMPT);
    add_networks(&policy->networks, &options->refuse_networks, NETWORK_REFUSED);
    if (!network_list_build(&policy->networks, &conflict)) {
        char text[IP_PREFIX_TEXT_LEN];
        ip_prefix_format(text, &conflict);
        source_policy_close(policy);
        return error_set(error, NTS_ERR_CONFIG,
                         "refuse_networks: got \"%s\", expected no network that is in "
                         "exempt_networks too",
                         text);
    }
    return NTS_OK;
}

void source_policy_close(struct source_policy *policy)
{
    network_list_close(&policy->networks);
}

enum source_verdict source_policy_judge(const struct source_policy *policy,
                                        struct source_budget *budget, struct ip_bits address,
                                        int64_t now_ns)
{
    switch (network_list_find(&policy->networks, address)) {
    case NETWORK_EXEMPT:
        return SOURCE_ADMITTED;
    case NETWORK_REFUSED:
        return SOURCE_REFUSED;
    case NETWORK_LIMITED:
        break;
    }
    if (!policy->has_budget) {
        return SOURCE_ADMITTED;
    }
    unsigned length = ip_bits_is_ipv4(address) ? policy->prefix_ipv4 : policy->prefix_ipv6;
    return source_budget_take(budget, &policy->terms, ip_bits_first(address, length), now_ns)
               ? SOURCE_ADMITTED
               : SOURCE_OVER_BUDGET;
}

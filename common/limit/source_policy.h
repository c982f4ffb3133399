/* Who may ask how much: the lists of networks and the budget, as one immutable value that is made
 * from the configuration and judges one address at a time. */
#ifndef NTS_LIMIT_SOURCE_POLICY_H
#define NTS_LIMIT_SOURCE_POLICY_H

#include "limit/network_list.h"
#include "limit/source_options.h"

struct source_policy {
    bool has_budget;
    struct budget_terms terms;
    uint8_t prefix_ipv4; /* of IP_PREFIX_MAX_LEN */
    uint8_t prefix_ipv6;
    struct network_list networks;
    enum log_addresses log_addresses;
};

/* source_policy_open makes the policy that the options ask for; it keeps nothing of theirs.
 * NTS_ERR_CONFIG (a network with two rules, `error` says which) or NTS_ERR_NO_MEMORY; then there is
 * nothing to close. */
NTS_MUST_CHECK enum nts_status source_policy_open(struct source_policy *policy,
                                                  const struct source_options *options,
                                                  struct error *error);

/* source_policy_is_open_to_all tells that every verdict is SOURCE_ADMITTED, so that no verdict is
 * needed for the address. */
static inline bool source_policy_is_open_to_all(const struct source_policy *policy)
{
    return !policy->has_budget && policy->networks.num == 0;
}

/* source_policy_judge returns what is to be done about a request of `address` at `now_ns`
 * (monotonic), which counts against its budget. */
enum source_verdict source_policy_judge(const struct source_policy *policy,
                                        struct source_budget *budget, struct ip_bits address,
                                        int64_t now_ns);

void source_policy_close(struct source_policy *policy);

#endif

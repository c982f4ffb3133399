#include "limit/source_gate.h"

#include "base/clock_time.h"
#include "crypto/random.h"
#include "log/log.h"

#include <inttypes.h>
#include <stdio.h>

/* What tells no household from its neighbours. */
#define LOG_PREFIX_IPV4 (IP_PREFIX_IPV4_LEN + 24)
#define LOG_PREFIX_IPV6 48

enum nts_status source_gate_open(struct source_gate *gate, struct error *error)
{
    struct random_pool random = {0};
    uint8_t key[SOURCE_BUDGET_KEY_LEN];
    random_take(&random, key, sizeof(key));
    *gate = (struct source_gate){0};
    return source_budget_open(&gate->budget, key, mono_time_ns()) == NTS_OK
               ? NTS_OK
               : error_set(error, NTS_ERR_NO_MEMORY, "no memory for the budgets of sources");
}

void source_gate_close(struct source_gate *gate)
{
    source_budget_close(&gate->budget);
}

static void keep_sample(struct source_gate *gate, struct ip_bits address)
{
    int wanted = SOURCE_SAMPLE_WANTED;
    if (atomic_load_explicit(&gate->sample_state, memory_order_relaxed) == wanted &&
        atomic_compare_exchange_strong_explicit(&gate->sample_state, &wanted, SOURCE_SAMPLE_WRITING,
                                                memory_order_acquire, memory_order_relaxed)) {
        gate->sample = address;
        atomic_store_explicit(&gate->sample_state, SOURCE_SAMPLE_TAKEN, memory_order_release);
    }
}

enum source_verdict source_gate_judge(struct source_gate *gate, const struct source_policy *policy,
                                      struct ip_bits address, int64_t now_ns)
{
    enum source_verdict verdict = source_policy_judge(policy, &gate->budget, address, now_ns);
    if (verdict != SOURCE_ADMITTED) {
        keep_sample(gate, address);
    }
    return verdict;
}

void source_format(char text[SOURCE_TEXT_LEN], struct ip_bits address, enum log_addresses how)
{
    struct ip_prefix prefix = {.bits = address, .length = IP_PREFIX_MAX_LEN};
    char network[IP_PREFIX_TEXT_LEN];
    text[0] = '\0';
    if (how == LOG_ADDRESSES_NONE) {
        return;
    }
    if (how == LOG_ADDRESSES_PREFIX) {
        prefix.length = ip_bits_is_ipv4(address) ? LOG_PREFIX_IPV4 : LOG_PREFIX_IPV6;
        prefix.bits = ip_bits_first(address, prefix.length);
    }
    ip_prefix_format(network, &prefix);
    snprintf(text, SOURCE_TEXT_LEN, " source=%s", network);
}

void source_gate_report(struct source_gate *gate, const struct source_policy *policy,
                        uint64_t num_over_budget, uint64_t num_refused, int64_t now_s)
{
    if (num_over_budget == gate->reported_over_budget && num_refused == gate->reported_refused) {
        return;
    }
    if (gate->reported_at_s != 0 && now_s - gate->reported_at_s < SOURCE_REPORT_INTERVAL_S) {
        return;
    }
    char source[SOURCE_TEXT_LEN] = "";
    if (atomic_load_explicit(&gate->sample_state, memory_order_acquire) == SOURCE_SAMPLE_TAKEN) {
        source_format(source, gate->sample, policy->log_addresses);
        atomic_store_explicit(&gate->sample_state, SOURCE_SAMPLE_WANTED, memory_order_release);
    }
    log_warning("sources.held_off", "over_budget=%" PRIu64 " refused=%" PRIu64 "%s",
                num_over_budget - gate->reported_over_budget, num_refused - gate->reported_refused,
                source);
    gate->reported_over_budget = num_over_budget;
    gate->reported_refused = num_refused;
    gate->reported_at_s = now_s;
}

/* What the workers of a server share to hold off sources that ask too much: the table of budgets,
 * which outlives reloads, and one address to show to the operator. And the one line a minute that
 * the log gives to it, however many there are. */
#ifndef NTS_LIMIT_SOURCE_GATE_H
#define NTS_LIMIT_SOURCE_GATE_H

#include "limit/source_policy.h"

#define SOURCE_REPORT_INTERVAL_S 60

enum source_sample_state { SOURCE_SAMPLE_WANTED, SOURCE_SAMPLE_WRITING, SOURCE_SAMPLE_TAKEN };

struct source_gate {
    struct source_budget budget;

    /* The first source that was held off since the last report. */
    atomic_int sample_state; /* enum source_sample_state */
    struct ip_bits sample;

    /* Of the control thread. */
    uint64_t reported_over_budget;
    uint64_t reported_refused;
    int64_t reported_at_s; /* 0: never */
};

/* source_gate_open makes the shared part, with a random key of this process. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status source_gate_open(struct source_gate *gate, struct error *error);
void source_gate_close(struct source_gate *gate);

/* source_gate_judge is source_policy_judge, and keeps an address for the report. Any thread; no
 * allocation, lock or system call. */
enum source_verdict source_gate_judge(struct source_gate *gate, const struct source_policy *policy,
                                      struct ip_bits address, int64_t now_ns);

/* source_gate_report logs how many were held off, if there were more since it did, and not twice in
 * SOURCE_REPORT_INTERVAL_S. `num_over_budget` and `num_refused` are of all time, `now_s` is
 * monotonic. To be called about once a second. Control thread. */
void source_gate_report(struct source_gate *gate, const struct source_policy *policy,
                        uint64_t num_over_budget, uint64_t num_refused, int64_t now_s);

#define SOURCE_TEXT_LEN (IP_PREFIX_TEXT_LEN + 16)

/* source_format writes ` source=...` for a log line, as much of the address as `how` permits; for
 * LOG_ADDRESSES_NONE, nothing. */
void source_format(char text[SOURCE_TEXT_LEN], struct ip_bits address, enum log_addresses how);

#endif

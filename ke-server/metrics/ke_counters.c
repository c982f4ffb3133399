#include "ke-server/metrics/ke_counters.h"

#include "log/log.h"

static const char *const event_labels[KE_NUM_EVENTS] = {
#define KE_EVENT_LABEL(name, label, text) [KE_EVENT_##name] = label,
    KE_EVENT_TABLE(KE_EVENT_LABEL)
#undef KE_EVENT_LABEL
};

void ke_counters_sum(uint64_t sums[KE_NUM_COUNTERS], const struct ke_counters *counters)
{
    counters_sum(sums, counters->values, KE_NUM_COUNTERS);
}

void ke_counters_log(const uint64_t sums[KE_NUM_COUNTERS])
{
    const char *labels[KE_NUM_COUNTERS];
    for (size_t i = 0; i < KE_NUM_COUNTERS; i++) {
        labels[i] = i < KE_NUM_EVENTS ? event_labels[i]
                                      : status_label((enum nts_status)(i - KE_NUM_EVENTS));
    }
    log_counters("counters.sessions", labels, sums, KE_NUM_COUNTERS);
}

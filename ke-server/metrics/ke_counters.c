#include "ke-server/metrics/ke_counters.h"

#include "log/log.h"

static const char *const event_labels[KE_NUM_EVENTS] = {
#define KE_EVENT_LABEL(name, label, text) [KE_EVENT_##name] = label,
    KE_EVENT_TABLE(KE_EVENT_LABEL)
#undef KE_EVENT_LABEL
};

static const char *const result_labels[] = {"ok", KE_RESULT_TABLE(STATUS_SET_LABEL)};

static const uint8_t result_places[NTS_NUM_STATUS] = {[NTS_OK] = KE_RESULT_OK + 1,
#define RESULT_PLACE(name, label, text) [NTS_ERR_##name] = KE_RESULT_##name + 1,
                                                      KE_RESULT_TABLE(RESULT_PLACE)
#undef RESULT_PLACE
};

const struct status_set ke_results = {KE_NUM_RESULTS, result_labels, result_places};

void ke_counters_sum(uint64_t sums[KE_NUM_COUNTERS], const struct ke_counters *counters)
{
    counters_sum(sums, counters->values, KE_NUM_COUNTERS);
}

void ke_counters_log(const uint64_t sums[KE_NUM_COUNTERS])
{
    const char *labels[KE_NUM_COUNTERS];
    for (size_t i = 0; i < KE_NUM_COUNTERS; i++) {
        labels[i] = i < KE_NUM_EVENTS ? event_labels[i] : ke_results.labels[i - KE_NUM_EVENTS];
    }
    log_counters("counters.sessions", labels, sums, KE_NUM_COUNTERS);
}

/* What a worker of nts-ke-server counts: events, and one counter per result that a session can end
 * with, beside what handshakes and responses agreed on. One writer each, any number of readers. */
#ifndef NTS_KE_COUNTERS_H
#define NTS_KE_COUNTERS_H

#include "base/counter.h"
#include "base/status_set.h"
#include "crypto/aead.h"
#include "ke-server/metrics/handshake_counters.h"

#include <stdint.h>

#define KE_EVENT_TABLE(X)                                                                          \
    X(ACCEPTED, "accepted", "connections accepted")                                                \
    X(REFUSED, "refused", "connections closed at once because every slot was taken")               \
    X(LIMITED, "limited", "connections reset at once because their source was over its budget")    \
    X(SOURCE_REFUSED, "source_refused", "connections reset at once because of refuse_networks")    \
    X(SHED, "shed", "connections reset because too many newer ones waited for a handshake")        \
    X(GIVEN_UP, "given_up", "connections whose clients left before their handshake began")         \
    X(ACCEPT_FAILED, "accept_failed", "accepts that failed")                                       \
    X(CLOSED, "closed", "connections closed after they had a slot")                                \
    X(HANDSHAKES, "handshakes", "TLS handshakes completed")                                        \
    X(RESPONSES, "responses", "responses with cookies")                                            \
    X(ERROR_0, "error_0", "Error records sent: unrecognised critical record")                      \
    X(ERROR_1, "error_1", "Error records sent: bad request")                                       \
    X(ERROR_2, "error_2", "Error records sent: internal server error")

enum ke_event {
#define KE_EVENT_ENUM(name, label, text) KE_EVENT_##name,
    KE_EVENT_TABLE(KE_EVENT_ENUM)
#undef KE_EVENT_ENUM
        KE_NUM_EVENTS
};

/* What a session comes to: OK first. */
#define KE_RESULT_TABLE(X)                                                                         \
    NTS_STATUS_SESSION_TABLE(X)                                                                    \
    NTS_STATUS_SYSTEM_TABLE(X)                                                                     \
    NTS_STATUS_MEMORY_TABLE(X)                                                                     \
    NTS_STATUS_INTERNAL_TABLE(X)

enum ke_result {
    KE_RESULT_OK,
#define KE_RESULT_ENUM(name, label, text) KE_RESULT_##name,
    KE_RESULT_TABLE(KE_RESULT_ENUM)
#undef KE_RESULT_ENUM
        KE_NUM_RESULTS
};

extern const struct status_set ke_results;

/* The events, then the results. */
#define KE_NUM_COUNTERS (KE_NUM_EVENTS + KE_NUM_RESULTS)

struct ke_counters {
    counter values[KE_NUM_COUNTERS];
    counter by_aead[AEAD_NUM_ALGORITHMS]; /* responses with cookies */
    struct handshake_counters handshakes;
};

static inline void count_event(struct ke_counters *counters, enum ke_event event)
{
    counter_add(&counters->values[event], 1);
}

static inline void count_status(struct ke_counters *counters, enum nts_status status)
{
    counter_add(&counters->values[KE_NUM_EVENTS + status_place(&ke_results, status)], 1);
}

/* ke_counters_sum adds one worker's counters to `sums`. */
void ke_counters_sum(uint64_t sums[KE_NUM_COUNTERS], const struct ke_counters *counters);

/* ke_counters_log writes the sums that are not zero as one log line. */
void ke_counters_log(const uint64_t sums[KE_NUM_COUNTERS]);

#endif

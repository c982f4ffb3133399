/* What one run of load has measured. */
#ifndef NTS_LOAD_RESULT_H
#define NTS_LOAD_RESULT_H

#include "load/histogram.h"
#include "load/mix.h"

#include <stdbool.h>
#include <stdint.h>

/* How a request ended. */
#define LOAD_OUTCOME_TABLE(X)                                                                      \
    X(ANSWERED, "answered")                                                                        \
    X(NAKED, "nak")                  /* answered with an NTS NAK */                                \
    X(KISSED, "kiss")                /* answered with DENY, RSTR or RATE */                        \
    X(FAILED, "failed_verification") /* the answer is wrong, or the exchange failed */             \
    X(LOST, "lost")                  /* no answer before the timeout */

enum load_outcome {
#define LOAD_OUTCOME_ENUM(name, label) OUTCOME_##name,
    LOAD_OUTCOME_TABLE(LOAD_OUTCOME_ENUM)
#undef LOAD_OUTCOME_ENUM
        NUM_LOAD_OUTCOMES
};

/* load_outcome_name returns the label, which is the name in JSON. */
const char *load_outcome_name(enum load_outcome outcome);

struct load_kind_counts {
    uint64_t sent;
    uint64_t outcomes[NUM_LOAD_OUTCOMES];
};

struct load_result {
    struct load_kind_counts kinds[NUM_REQUEST_KINDS];
    uint64_t late;        /* replies to requests that were given up before */
    uint64_t unexpected;  /* datagrams that belong to no request */
    uint64_t verified;    /* answers that were checked in full */
    uint64_t renewed;     /* requests made anew with a cookie that came back */
    uint64_t send_errors; /* refused by the kernel */

    double wanted_rate;       /* requests a second; 0: closed loop */
    int64_t sending_ns;       /* from the first request to the end of sending */
    int64_t elapsed_ns;       /* the same, or to the last answer if that came later */
    int64_t max_delay_ns;     /* the longest that a request left behind its time */
    int64_t idle_ns;          /* the generator had nothing to do */
    struct histogram latency; /* of answers and NAKs, from the intended time of the request */

    double cpu_user_s;
    double cpu_system_s;
    bool is_interrupted;
    bool is_starved;         /* a request was due, but all were waiting for their answers */
    char first_failure[256]; /* why the first exchange failed that did; "" */
};

/* load_result_sum adds up one outcome over all kinds of request. */
uint64_t load_result_sum(const struct load_result *result, enum load_outcome outcome);

/* load_result_sent returns how many requests were sent; `owed_only`: of those that are answered. */
uint64_t load_result_sent(const struct load_result *result, bool owed_only);

/* load_result_loss returns the share of requests without a right answer, lost or failed, 0 to 1, of
 * those that should have one. */
double load_result_loss(const struct load_result *result);

/* load_result_sent_rate and load_result_answer_rate return requests and answers of any kind per
 * second. */
double load_result_sent_rate(const struct load_result *result);
double load_result_answer_rate(const struct load_result *result);

/* load_result_cpu_share returns the CPU time that the generator used, of the time that passed. */
double load_result_cpu_share(const struct load_result *result);

/* load_result_idle_share returns the time in which the generator had nothing to do, of the time
 * that passed. */
double load_result_idle_share(const struct load_result *result);

/* load_result_kept_pace tells that requests left as fast as they should have, and that the answers
 * did not go on coming long after them: what was asked was answered in the same time. */
bool load_result_kept_pace(const struct load_result *result);

/* load_result_fell_short tells that the requests did not leave as fast as they should have, and not
 * because the answers were missing: then the generator was the limit, not the server. */
bool load_result_fell_short(const struct load_result *result);

/* load_result_is_clean tells that nothing came that should not have: no answer that fails its
 * verification, no kiss of death, no NAK for a good cookie, nothing unexpected. */
bool load_result_is_clean(const struct load_result *result);

#endif

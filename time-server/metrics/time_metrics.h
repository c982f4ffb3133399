/* What nts-time-server tells those who watch it, beside what every server does. */
#ifndef NTS_TIME_METRICS_H
#define NTS_TIME_METRICS_H

#include "service/server_host.h"
#include "time-server/protocol/answer.h"
#include "time-server/transport/transport.h"

/* What the control thread tells the metrics thread. */
struct time_report {
    struct host_report host; /* first member */
    bool has_fallen_back;    /* to system calls: io_uring is forbidden */
};

/* The counters of all workers together. */
struct time_sums {
    uint64_t events[ANSWER_NUM_EVENTS];
    uint64_t by_cause[NTS_NUM_STATUS];
    uint64_t opened_by_age[KEY_NUM_AGES];
    uint64_t answered_by_aead[AEAD_NUM_ALGORITHMS];
    uint64_t batch_sizes[ANSWER_NUM_BATCH_SIZES + 1]; /* none is larger than the last */
    uint64_t transport[TRANSPORT_NUM_EVENTS];
};

/* time_sum adds up the counters of the host's workers. Any thread, while they exist. */
void time_sum(struct time_sums *sums, const struct server_host *host);

/* time_sums_log logs the counters that are not zero. */
void time_sums_log(const struct time_sums *sums);

/* time_metrics_write and time_metrics_judge are those of the server's type. */
void time_metrics_write(struct metrics_page *page, const struct server_host *host,
                        const struct host_report *report, const struct live_state *live);
void time_metrics_judge(struct health *health, const struct server_host *host,
                        const struct host_report *report, const struct live_state *live);

#endif

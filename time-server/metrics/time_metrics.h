/* What nts-time-server tells monitoring, beside what every server does. */
#ifndef NTS_TIME_METRICS_H
#define NTS_TIME_METRICS_H

#include "service/server_host.h"
#include "time-server/time_workers.h"

/* What the control thread tells the metrics thread. */
struct time_report {
    struct host_report host; /* first member */
    bool has_fallen_back;    /* to system calls: io_uring is forbidden */
};

/* time_sums_log logs the counters that are not zero. */
void time_sums_log(const struct time_sums *sums);

/* time_metrics_write and time_metrics_judge are those of the server's type. */
void time_metrics_write(struct metrics_page *page, const struct server_host *host,
                        const struct host_report *report, const struct live_state *live);
void time_metrics_judge(struct health *health, const struct server_host *host,
                        const struct host_report *report, const struct live_state *live);

#endif

/* What nts-time-server tells those who watch it. */
#ifndef NTS_TIME_METRICS_H
#define NTS_TIME_METRICS_H

#include "metrics/metrics_server.h"
#include "time-server/server.h"

/* time_metrics_source returns what the metrics of `server` are written from, once its workers have
 * started. */
struct metrics_source time_metrics_source(struct time_server *server);

#endif

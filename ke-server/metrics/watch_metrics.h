/* The state of the watched time servers, for the metrics page. */
#ifndef NTS_KE_WATCH_METRICS_H
#define NTS_KE_WATCH_METRICS_H

#include "ke-server/watch/server_watch.h"
#include "metrics/metrics_text.h"

/* watch_metrics_write writes the families about time servers, with samples for those that are
 * watched. Any thread, until server_watch_close. */
void watch_metrics_write(struct metrics_page *page, struct server_watch *watch);

#endif

/* What a server tells monitoring: the page and the health that every server has, around
 * those of its own. The control thread posts a report; the metrics thread copies it when asked. */
#ifndef NTS_SERVICE_HOST_METRICS_H
#define NTS_SERVICE_HOST_METRICS_H

#include "service/server_type.h"

/* host_metrics_start starts the metrics thread on the socket that metrics_server_open has bound, in
 * METRICS_STARTING. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status host_metrics_start(struct server_host *host, struct error *error);

/* host_metrics_post hands host->draft to the metrics thread. Control thread. */
void host_metrics_post(struct server_host *host);

#endif

/* nts-time-server as the host of a server sees it: the table of service/server_host.h. */
#ifndef NTS_TIME_SERVICE_H
#define NTS_TIME_SERVICE_H

#include "service/server_host.h"

/* Its state is a zeroed struct time_state. */
extern const struct server_type time_server_type;

#endif

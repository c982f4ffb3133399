/* nts-ke-server as the host of a server sees it: the table of service/server_host.h. */
#ifndef NTS_KE_SERVICE_H
#define NTS_KE_SERVICE_H

#include "service/server_host.h"

/* Its state is a zeroed struct ke_state. */
extern const struct server_type ke_server_type;

#endif

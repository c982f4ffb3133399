/* Whether the time servers that clients are sent to answer them: each is asked for time as a client
 * does, under a cookie of the active key. Blocks; --check only. */
#ifndef NTS_KE_TIME_SERVER_CHECK_H
#define NTS_KE_TIME_SERVER_CHECK_H

#include "ke-server/config/ke_config.h"
#include "keys/keyring.h"
#include "service/preflight.h"

#define TIME_SERVER_TIMEOUT_MS 1000 /* of one question */
#define TIME_SERVER_QUESTIONS  3    /* before it counts as silent */
#define TIME_SERVER_FAR_NS     INT64_C(1000000000)

/* time_server_check asks all of `config->time_servers` at once. Without any, clients ask the
 * address that they came to: then port 123 of each address in `listen` that is not a wildcard is
 * asked, and what is wrong is a warning, because addresses may be translated on the way. The
 * findings are in the order of the configuration. */
void time_server_check(struct preflight *preflight, const struct ke_config *config,
                       const struct keyring *ring);

#endif

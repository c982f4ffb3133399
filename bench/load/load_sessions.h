/* Keys and cookies for the simulated clients: a few NTS-KE sessions, and a cookie of its own for
 * each client, from the time server, which gives eight to a request with seven placeholders. */
#ifndef NTS_LOAD_SESSIONS_H
#define NTS_LOAD_SESSIONS_H

#include "load/load_options.h"
#include "load/request_pool.h"

struct load_sessions {
    struct session_keys *keys; /* one each; wiped at the end */
    size_t num;
    struct pool_cookie *cookies; /* one for each client */
};

/* load_sessions_open runs NTS-KE options->sessions times and fetches options->clients cookies from
 * `server`. Any error of ke_client_run or ntp_exchange, with text. */
NTS_MUST_CHECK enum nts_status load_sessions_open(struct load_sessions *sessions,
                                                  const struct load_options *options,
                                                  const union net_address *server,
                                                  struct error *error);
void load_sessions_close(struct load_sessions *sessions);

#endif

/* Where the server listens: on sockets that the service manager passed to it, or, without any, on
 * those of the server that it takes over from, and those that it binds, for each worker and address
 * of the configuration. Control thread. */
#ifndef NTS_KE_LISTENING_H
#define NTS_KE_LISTENING_H

#include "ke-server/net/ke_worker.h"
#include "ke-server/net/passed_sockets.h"
#include "net/listen_plan.h"

struct listening {
    struct passed_sockets passed;
    const struct option_list *addresses; /* of union net_address: the option `listen` */
    struct listen_plan plan;             /* if nothing was passed */
};

/* listening_open takes in what was passed, and plans for `num_workers` workers with what was handed
 * over, in `pool`; `addresses` must outlive it. Warns of addresses that another process has. Errors
 * as from passed_sockets_open; in any case listening_close is due. */
NTS_MUST_CHECK enum nts_status listening_open(struct listening *listening,
                                              const struct option_list *addresses,
                                              size_t num_workers, const struct socket_pool *pool,
                                              struct error *error);
void listening_close(struct listening *listening);

/* listening_max returns how many listeners a worker has at most. */
size_t listening_max(const struct listening *listening);

/* listening_fill opens the listeners of one of the `num_workers` workers, which has room for
 * listening_max: those of `pool` that it needs, else new ones. NTS_ERR_SYSTEM with a text. */
NTS_MUST_CHECK enum nts_status listening_fill(struct ke_worker *worker,
                                              const struct listening *listening, size_t num_workers,
                                              struct socket_pool *pool, struct error *error);

/* listening_log logs each address. */
void listening_log(const struct listening *listening);

#endif

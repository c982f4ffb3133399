/* What both servers ask of the host before they start; findings go to the preflight. */
#ifndef NTS_SERVICE_HOST_CHECK_H
#define NTS_SERVICE_HOST_CHECK_H

#include "base/address.h"
#include "config/config.h"
#include "service/preflight.h"

/* host_check_io_uring: kernel and io_uring. `level` is how bad it is when they will not do. */
void host_check_io_uring(struct preflight *preflight, enum log_level level);

/* host_check_addresses: whether each of `listen`, a list of union net_address, can be bound now.
 * `program` is the name of the server: one that runs already shares its addresses with the next,
 * so that is a warning. `type` is SOCK_STREAM or SOCK_DGRAM. Does not disturb a server that runs.
 */
void host_check_addresses(struct preflight *preflight, const struct option_list *listen, int type,
                          const char *program);

/* host_check_metrics: the same for the address of the metrics, unless that is of no family. */
void host_check_metrics(struct preflight *preflight, const union net_address *metrics,
                        const char *program);

/* host_check_descriptors: whether `needed` descriptors can be open at a time. `can_raise`: the
 * server raises its soft limit to the hard one. */
void host_check_descriptors(struct preflight *preflight, enum log_level level, size_t needed,
                            bool can_raise);

#endif

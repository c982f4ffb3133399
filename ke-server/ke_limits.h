/* How many workers and descriptors a configuration comes to on this host. */
#ifndef NTS_KE_LIMITS_H
#define NTS_KE_LIMITS_H

#include "ke-server/config/ke_config.h"

/* ke_num_workers returns the number that is configured, or that of the CPUs this process may use.
 */
size_t ke_num_workers(const struct ke_config *config);

/* ke_descriptors_needed returns how many are open when all workers are full, with `num_listeners`
 * for each of them. */
size_t ke_descriptors_needed(const struct ke_config *config, size_t num_listeners);

#endif

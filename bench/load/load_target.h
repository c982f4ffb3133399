/* From what the command line names to an address that may get load. */
#ifndef NTS_LOAD_TARGET_H
#define NTS_LOAD_TARGET_H

#include "load/load_options.h"

/* load_target_resolve looks a host up and refuses it if load must not go there (destination_check).
 * NTS_ERR_SYSTEM or NTS_ERR_CONFIG with text. */
NTS_MUST_CHECK enum nts_status load_target_resolve(union net_address *address, const char *host,
                                                   uint16_t port,
                                                   const struct load_options *options,
                                                   struct error *error);

#endif

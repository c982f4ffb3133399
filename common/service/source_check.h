/* What both servers ask of the rules for sources before they start; findings go to the
 * preflight. */
#ifndef NTS_SERVICE_SOURCE_CHECK_H
#define NTS_SERVICE_SOURCE_CHECK_H

#include "limit/source_options.h"
#include "service/preflight.h"

/* source_check: whether the options make a policy. `config_path` is the file that has them. */
void source_check(struct preflight *preflight, const struct source_options *options,
                  const char *config_path);

#endif

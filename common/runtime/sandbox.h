/* Least privilege for a process that holds keys. Control thread, before the workers start. */
#ifndef NTS_RUNTIME_SANDBOX_H
#define NTS_RUNTIME_SANDBOX_H

#include "base/status.h"

/* sandbox_hide_memory forbids core dumps, ptrace by the same user, and new privileges. */
void sandbox_hide_memory(void);

/* sandbox_drop_user becomes `user` and that user's groups, with no capabilities left; nothing if
 * `user` is NULL. Logs a warning if the process is root afterwards. NTS_ERR_CONFIG for an unknown
 * user, NTS_ERR_SYSTEM when not allowed. */
NTS_MUST_CHECK enum nts_status sandbox_drop_user(const char *user, struct error *error);

#endif

/* Least privilege for a process that holds keys: its user, its privileges, and access to its
 * memory. What it may ask the kernel for is in syscall_filter.h. Control thread, before the workers
 * start.
 */
#ifndef NTS_PROCESS_SANDBOX_H
#define NTS_PROCESS_SANDBOX_H

#include "base/status.h"

/* sandbox_hide_memory forbids core dumps, ptrace by the same user, and new privileges. */
void sandbox_hide_memory(void);

/* sandbox_drop_privileges becomes `user` and that user's groups (NULL: keeps its user), and gives
 * up every capability for good: effective, permitted, inheritable and ambient, and the bounding set
 * where that is allowed. To be called when the sockets are bound. It does not matter whether the
 * process was started as root, with CAP_NET_BIND_SERVICE alone, or with nothing. Logs a warning if
 * the process is root afterwards. NTS_ERR_CONFIG for an unknown user, NTS_ERR_SYSTEM when not
 * allowed. */
NTS_MUST_CHECK enum nts_status sandbox_drop_privileges(const char *user, struct error *error);

#endif

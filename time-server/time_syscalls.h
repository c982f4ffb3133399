/* The system calls that nts-time-server needs beside those of any server: for its clock, and those
 * in the rows of its transports. */
#ifndef NTS_TIME_SYSCALLS_H
#define NTS_TIME_SYSCALLS_H

#include "process/syscall_filter.h"

extern const struct syscall_table *const time_syscalls[]; /* ends with NULL */

#endif

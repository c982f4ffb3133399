/* The system calls that nts-time-server needs beside those of any server. */
#ifndef NTS_TIME_SYSCALLS_H
#define NTS_TIME_SYSCALLS_H

#include "process/syscall_filter.h"

extern const struct syscall_table time_syscalls;

#endif

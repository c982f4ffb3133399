#include "time-server/transport/time_syscalls.h"

static const struct syscall_row rows[] = {
    {.name = "recvmmsg"}, /* the transport without io_uring; it sends as name look-ups do */
    /* The kernel's account of its clock. Without CAP_SYS_TIME it can only be read. */
    {.name = "adjtimex"},
    {.name = "clock_adjtime"},
};

const struct syscall_table time_syscalls = {rows, sizeof(rows) / sizeof(rows[0])};

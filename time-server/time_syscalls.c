#include "time-server/time_syscalls.h"

#include "time-server/transport/transports.h"

static const struct syscall_row clock_rows[] = {
    /* The kernel's account of its clock. Without CAP_SYS_TIME it can only be read. */
    {.name = "adjtimex"},
    {.name = "clock_adjtime"},
};

static const struct syscall_table clock_table = {clock_rows,
                                                 sizeof(clock_rows) / sizeof(clock_rows[0])};

#define TRANSPORT_SYSCALLS(name) &transport_##name.syscalls,

const struct syscall_table *const time_syscalls[] = {&clock_table,
                                                     TRANSPORT_TABLE(TRANSPORT_SYSCALLS) NULL};

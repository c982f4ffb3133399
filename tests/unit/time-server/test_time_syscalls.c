#include "time-server/transport/time_syscalls.h"

#include <criterion/criterion.h>

Test(time_syscalls, are_known)
{
    for (size_t i = 0; i < time_syscalls.num_rows; i++) {
        cr_assert(syscall_row_is_known(&time_syscalls.rows[i]), "%s", time_syscalls.rows[i].name);
    }
}

#include "time-server/time_syscalls.h"

#include <criterion/criterion.h>
#include <string.h>

Test(time_syscalls, are_known)
{
    for (size_t t = 0; time_syscalls[t] != NULL; t++) {
        for (size_t i = 0; i < time_syscalls[t]->num_rows; i++) {
            const struct syscall_row *row = &time_syscalls[t]->rows[i];
            cr_assert(syscall_row_is_known(row), "%s", row->name);
        }
    }
}

Test(time_syscalls, are_those_of_the_clock_and_of_each_transport)
{
    static const char *const names[] = {"adjtimex", "clock_adjtime", "recvmmsg"};
    size_t num = 0;
    for (size_t t = 0; time_syscalls[t] != NULL; t++) {
        for (size_t i = 0; i < time_syscalls[t]->num_rows; i++) {
            cr_assert_str_eq(time_syscalls[t]->rows[i].name, names[num++]);
        }
    }
    cr_assert_eq(num, sizeof(names) / sizeof(names[0]));
}

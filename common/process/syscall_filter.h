/* The system calls that a server may make: an allow list, put into force by seccomp for every
 * thread of the process. What is not listed fails with EPERM and shows in the kernel's audit log: a
 * C library that tries something new does not end the service. What only an intruder asks for
 * (another program, another process's memory, the kernel itself) ends the process.
 *
 * io_uring goes past seccomp, so no ring may be made once the workers have theirs, which are
 * restricted to the operations they use (ring.h). That is why the filter comes in two steps. */
#ifndef NTS_PROCESS_SYSCALL_FILTER_H
#define NTS_PROCESS_SYSCALL_FILTER_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The option `seccomp`. */
enum syscall_filter_mode {
    SYSCALL_FILTER_ENFORCE,
    SYSCALL_FILTER_LOG, /* everything is allowed; what would not be is in the audit log */
    SYSCALL_FILTER_OFF,
};

/* The row of an option table for a mode (an int) at `OFFSET`. */
#define SYSCALL_FILTER_OPTION_ROW(OFFSET)                                                          \
    {                                                                                              \
        .name = "seccomp", .type = OPTION_CHOICE, .offset = (OFFSET),                              \
        .choices = syscall_filter_mode_names, .default_json = "\"enforce\"",                       \
        .needs_restart = true,                                                                     \
        .help = "system calls that the server has no use for are refused, only logged by the "     \
                "kernel's audit, or permitted"                                                     \
    }

extern const char *const syscall_filter_mode_names[]; /* in order, ends with NULL */

enum syscall_use {
    SYSCALL_ALWAYS,
    SYSCALL_AT_START,  /* until syscall_filter_close_start */
    SYSCALL_SANITIZER, /* only in builds with a sanitizer */
    SYSCALL_ABSENT,    /* fails with ENOSYS: the C library then takes the older call */
    SYSCALL_FATAL,     /* ends the process */
};

/* One row: a system call and, if `mask` is not 0, what its argument must be: (argument & mask) ==
 * value. A call may have several rows. */
struct syscall_row {
    const char *name;
    enum syscall_use use;
    unsigned argument; /* 0: the first */
    uint64_t mask;
    uint64_t value;
};

struct syscall_table {
    const struct syscall_row *rows;
    size_t num_rows;
};

/* What any server of the farm needs, and what none does. */
extern const struct syscall_table syscall_table_common;

/* syscall_filter_open puts the common table and `own`, those of the server (a list that ends with
 * NULL; or NULL: none), into force. To be called when the privileges are dropped, before the
 * workers start. NTS_ERR_SYSTEM if the kernel refuses. */
NTS_MUST_CHECK enum nts_status syscall_filter_open(enum syscall_filter_mode mode,
                                                   const struct syscall_table *const *own,
                                                   struct error *error);

/* syscall_filter_close_start takes away what only the start needed, when the workers run: nobody
 * makes a ring from here on, and nobody changes the filter. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status syscall_filter_close_start(enum syscall_filter_mode mode,
                                                          const struct syscall_table *const *own,
                                                          struct error *error);

/* syscall_row_is_known tells whether the name is that of a system call of any architecture. */
bool syscall_row_is_known(const struct syscall_row *row);

#endif

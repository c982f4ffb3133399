/* The control thread of a server: signals and a few descriptors, nothing of the traffic. */
#ifndef NTS_PROCESS_CONTROL_H
#define NTS_PROCESS_CONTROL_H

#include "base/status.h"

#include <stddef.h>

/* What woke the control thread; a set. */
enum control_event {
    CONTROL_STOP = 1,    /* SIGTERM, SIGINT */
    CONTROL_RELOAD = 2,  /* SIGHUP */
    CONTROL_DUMP = 4,    /* SIGUSR1: log the counters */
    CONTROL_FD_BASE = 8, /* the first descriptor given; the next is 16, and so on */
};

#define CONTROL_MAX_FDS 8

/* Signals of the log level, for a while: SIGRTMIN + 3 leaves errors, + 4 warnings too, + 6 all (the
 * priorities of syslog). A reload goes back to what is configured. They need no event. */

/* control_open blocks the signals above in this thread and those it starts, and returns a
 * descriptor for them. Call before any thread starts. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status control_open(int *signal_fd, struct error *error);

/* control_wait waits for a signal, for one of `num` descriptors (negative ones are passed over) to
 * become readable, or for `timeout_ms` (-1: no limit), and returns the set of events. */
unsigned control_wait(int signal_fd, const int *fds, size_t num, int timeout_ms);

#endif

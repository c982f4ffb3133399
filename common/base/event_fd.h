/* Signals through an eventfd that does not block. Header-only; any thread. */
#ifndef NTS_BASE_EVENT_FD_H
#define NTS_BASE_EVENT_FD_H

#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

/* event_fd_signal makes `event_fd` readable. An eventfd takes 2^64 - 2 signals before a write could
 * fail, and is readable then too. */
static inline void event_fd_signal(int event_fd)
{
    uint64_t one = 1;
    if (write(event_fd, &one, sizeof(one)) < 0) {
        return;
    }
}

/* event_fd_clear takes all signals; true if there was one. */
static inline bool event_fd_clear(int event_fd)
{
    uint64_t num;
    return read(event_fd, &num, sizeof(num)) == (ssize_t)sizeof(num);
}

#endif

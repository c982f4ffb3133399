/* Waiting for a socket until an absolute moment of CLOCK_MONOTONIC. Header-only. */
#ifndef NTS_CLIENT_DEADLINE_H
#define NTS_CLIENT_DEADLINE_H

#include "base/clock_time.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <time.h>

/* deadline_in_ms returns the moment `ms` milliseconds from now. */
static inline int64_t deadline_in_ms(int64_t ms)
{
    return mono_time_ns() + ms * NS_PER_MS;
}

/* deadline_wait blocks until one of the poll(2) `events` (or an error, which the next operation on
 * the socket tells) is there. False when `deadline_ns` has come first. */
static inline bool deadline_wait(int fd, short events, int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ns = deadline_ns - mono_time_ns();
        if (left_ns < 0) {
            left_ns = 0;
        }
        struct timespec left = {.tv_sec = left_ns / NS_PER_S, .tv_nsec = left_ns % NS_PER_S};
        struct pollfd waiting = {.fd = fd, .events = events};
        int num_ready = ppoll(&waiting, 1, &left, NULL);
        if (num_ready > 0) {
            return true;
        }
        if (num_ready == 0 || errno != EINTR) {
            return false;
        }
    }
}

#endif

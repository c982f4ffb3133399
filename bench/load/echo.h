/* The least that a UDP server can do: what comes in goes back, with one bit turned. What it answers
 * per second is the limit of any server on this machine and path. Only datagrams in the form of an
 * NTP client's request are echoed, and what goes back is none, so that two echo servers, or a
 * forged source address, never make an endless loop. */
#ifndef NTS_LOAD_ECHO_H
#define NTS_LOAD_ECHO_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ECHO_BATCH      64
#define ECHO_BUFFER_LEN 2048

struct echo_counts {
    uint64_t received;
    uint64_t echoed;
};

/* echo_turn makes a reply of a request in place; false if it is none. */
bool echo_turn(uint8_t *data, size_t len);

/* Each serves the bound socket until run_control_is_stopped or `end_ns` (CLOCK_MONOTONIC, INT64_MAX
 * for never). NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY with text. */
NTS_MUST_CHECK enum nts_status echo_recvmmsg(struct echo_counts *counts, int fd, int64_t end_ns,
                                             struct error *error);
NTS_MUST_CHECK enum nts_status echo_io_uring(struct echo_counts *counts, int fd, int64_t end_ns,
                                             struct error *error);

#endif

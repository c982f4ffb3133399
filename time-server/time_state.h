/* The state of nts-time-server beside what its host has: its sockets, its workers and its clock. */
#ifndef NTS_TIME_STATE_H
#define NTS_TIME_STATE_H

#include "service/server_host.h"
#include "time-server/clock/clock_source.h"
#include "time-server/time_workers.h"

struct time_state {
    struct clock_source clock_source;
    struct clock_board clock_board;
    bool is_clock_open;
    bool clock_was_reported;
    const char *clock_trouble; /* as it was reported, static text; NULL: fit */
    struct time_workers workers;
    int64_t receive_buffer_kib; /* of the last reload */
};

/* time_state_of returns the state behind a host of this type. */
static inline struct time_state *time_state_of(const struct server_host *host)
{
    return host->server;
}

#endif

/* A time server that is watched, as metrics and logs show it. */
#ifndef NTS_KE_WATCH_REPORT_H
#define NTS_KE_WATCH_REPORT_H

#include "ke-server/protocol/time_servers.h"
#include "ke-server/watch/watch_health.h"

struct watch_report {
    char name[TIME_SERVER_NAME_MAX_LEN + 1];
    uint16_t port;
    uint8_t reach;        /* the families that clients are sent to it over */
    size_t num_addresses; /* known now */
    size_t num_up;
    size_t num_missing_keys;         /* that its addresses answer with NAK, all together */
    enum watch_outcome last_failure; /* WATCH_ANSWERED: there was none */
    uint64_t num_rounds[WATCH_NUM_OUTCOMES];
    bool has_sample;
    struct watch_sample sample;
};

#endif

/* The log lines of the watch over the time servers: each tells a change, but for the status. */
#ifndef NTS_KE_WATCH_LOG_H
#define NTS_KE_WATCH_LOG_H

#include "base/address.h"
#include "ke-server/watch/watch_report.h"

/* Whom a line is about. */
struct watch_log_place {
    const struct time_server *server;
    const union net_address *address;
};

/* watch_log_up and watch_log_down tell that an address changed its state. */
void watch_log_up(const struct watch_log_place *place, const struct watch_sample *sample);
void watch_log_down(const struct watch_log_place *place, const struct watch_verdict *verdict,
                    const struct watch_sample *sample);

/* watch_log_key tells that an address lacks a key, or does no longer. */
void watch_log_key(const struct watch_log_place *place, const struct watch_verdict *verdict);

/* watch_log_unresolved and watch_log_resolved are about the name of a server. */
void watch_log_unresolved(const struct time_server *server, const char *reason);
void watch_log_resolved(const struct time_server *server, size_t num_addresses);

/* watch_log_all_down logs the families in which all servers are down now, and were not `before`,
 * and the other way round. Both are sets of TIME_SERVER_UP_IPV4 and _IPV6. */
void watch_log_all_down(uint8_t before, uint8_t now);

/* watch_log_status tells how a server stands, and what came of asking it so far. */
void watch_log_status(const struct watch_report *report);

#endif

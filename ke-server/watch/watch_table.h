/* What the watch knows of the time servers: their addresses, and which of them answer. Says in
 * the log what changes, and writes to the set of reachable families that clients' answers are
 * chosen by. No socket, no clock; one thread at a time. */
#ifndef NTS_KE_WATCH_TABLE_H
#define NTS_KE_WATCH_TABLE_H

#include "ke-server/protocol/time_servers.h"
#include "ke-server/watch/watch_health.h"
#include "ke-server/watch/watch_report.h"
#include "net/name_lookup.h"

/* How often a name is looked up again. */
#define WATCH_RESOLVE_INTERVAL_NS (60 * NS_PER_S)

struct watched_address {
    union net_address address;
    struct watch_health health;
    struct watch_missing missing;
    int64_t next_ns; /* monotonic: when to ask again */
    bool is_asking;
};

struct watched_server {
    const struct time_server *server;
    size_t num_addresses;
    struct watched_address addresses[NAME_MAX_ADDRESSES];
    bool is_name;                   /* its addresses are looked up, and change */
    int64_t next_resolve_ns;        /* if it is */
    struct watch_health resolution; /* how look-ups went while there is no address */
    uint64_t num_rounds[WATCH_NUM_OUTCOMES];
    bool has_sample;
    struct watch_sample sample; /* the newest, of any of its addresses */
};

/* Zero-initialised: no server is watched. */
struct watch_table {
    size_t num;
    struct watched_server *servers;
    time_server_reach *reach; /* of each */
    uint8_t all_down;         /* the families of which the log has said that none is up */
};

/* How the moments of first requests are spread. */
struct watch_spread {
    int64_t now_ns;
    int64_t over_ns;
    struct random_pool *random;
};

/* watch_table_adopt goes over to `servers`, which must live as long as the table has them. What is
 * known of those that it had already is kept; nothing is being asked then, and all will be soon.
 * NTS_ERR_NO_MEMORY: no server is watched. */
NTS_MUST_CHECK enum nts_status watch_table_adopt(struct watch_table *table,
                                                 const struct time_servers *servers,
                                                 const struct watch_spread *spread);

/* watch_table_clear frees everything; the servers that it had are left as up. */
void watch_table_clear(struct watch_table *table);

/* watch_table_take_answer takes in what the look-up of the name of server `i` gave. What is known
 * of an address that stays is kept; those known already are kept when the look-up fails. */
void watch_table_take_answer(struct watch_table *table, size_t i, const struct name_answer *answer,
                             const struct watch_spread *spread);

/* watch_table_find returns an address of server `i`, NULL if it is no longer one. */
struct watched_address *watch_table_find(struct watch_table *table, size_t i,
                                         const union net_address *address);

/* watch_table_take_round takes in a round that asked `address` of server `i`, under `num` keys.
 * `sample` is NULL if there was no authentic answer. */
void watch_table_take_round(struct watch_table *table, size_t i, struct watched_address *address,
                            const struct watch_verdict *verdicts, size_t num,
                            const struct watch_sample *sample);

/* watch_table_forget_keys drops what is known of keys that are not asked under any more. */
void watch_table_forget_keys(struct watch_table *table, const struct watch_keys *keys);

/* --- what to tell --- */

/* watch_table_report fills in the report on server `i`. */
void watch_table_report(const struct watch_table *table, size_t i, struct watch_report *report);

#endif

/* The watch over the time servers: a thread that asks each of them, every few seconds and under
 * each live master key, what a client would ask, and leaves those that fail out of the answers to
 * clients until they recover. It shares with the workers the atomic sets in struct time_servers,
 * and nothing else. */
#ifndef NTS_KE_SERVER_WATCH_H
#define NTS_KE_SERVER_WATCH_H

#include "ke-server/config/ke_settings.h"
#include "ke-server/watch/watch_round.h"
#include "ke-server/watch/watch_table.h"
#include "keys/keyring.h"

#include <pthread.h>

/* Addresses that are being asked at a time. While more than these are silent, each is asked less
 * often than configured. */
#define WATCH_MAX_ROUNDS 64

/* Descriptors that the watch may need: its rounds, its eventfd twice, and the resolver's. */
#define SERVER_WATCH_DESCRIPTORS (WATCH_MAX_ROUNDS + 16)

struct server_watch {
    /* Set by server_watch_start and the control thread. */
    bool is_running;
    int wake_fd;
    atomic_bool is_stopping;
    struct snapshot_slot settings_slot; /* struct ke_settings */
    struct snapshot_slot keyring_slot;  /* struct keyring */
    pthread_t thread;

    /* What the thread said of the table at the end of its last turn. Other threads read it under
     * the mutex, which nobody holds while it logs, sends or waits. */
    pthread_mutex_t mutex;
    struct watch_report *reports;
    size_t num_reports;

    /* Of the thread. */
    struct watch_table table;
    struct ke_settings *settings; /* one reference; the table points into it */
    const struct keyring *keyring;
    struct watch_keys keys;
    int64_t next_keys_ns; /* when to look again which keys there are */
    struct watch_round rounds[WATCH_MAX_ROUNDS];
    struct name_lookup *lookup;
    bool is_resolving;
    size_t resolved_server; /* whose name is looked up; SIZE_MAX: that of no server any more */
    struct random_pool random;
};

/* server_watch_start starts the thread of a zeroed watch. Errors: NTS_ERR_SYSTEM;
 * server_watch_close is due in any case. */
NTS_MUST_CHECK enum nts_status server_watch_start(struct server_watch *watch,
                                                  struct ke_settings *settings,
                                                  struct keyring *keyring, struct error *error);

/* server_watch_publish hands over newer settings or a newer keyring, as ke_worker_publish does. */
void server_watch_publish(struct server_watch *watch, struct ke_settings *settings,
                          struct keyring *keyring);

/* server_watch_report fills in what is known of server `i` of the list that is watched; false if
 * there is no such one, or the watch is off. Any thread; waits neither for the network nor for the
 * log. */
bool server_watch_report(struct server_watch *watch, size_t i, struct watch_report *report);

/* server_watch_log_status logs a line for each server that is watched. Control thread. */
void server_watch_log_status(struct server_watch *watch);

/* server_watch_close ends the thread and frees everything. It waits for no answer and no look-up.
 */
void server_watch_close(struct server_watch *watch);

#endif

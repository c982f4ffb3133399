/* What the clients of farm-client saw, counted in one place by all their threads. */
#ifndef NTS_FARM_CLIENT_REPORT_H
#define NTS_FARM_CLIENT_REPORT_H

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPORT_MAX_SERVERS 16
#define REPORT_MAX_KEYS    1024
#define REPORT_MAX_EVENTS  2000 /* of each kind; more are only counted */

enum outcome {
    OUTCOME_AUTHENTICATED,
    OUTCOME_NAK,
    OUTCOME_LOST, /* no answer, or nobody listens */
    OUTCOME_WRONG,
    NUM_OUTCOMES
};

/* One request. */
struct report_request {
    size_t server;
    enum outcome outcome;
    int64_t sent_ns;       /* CLOCK_REALTIME */
    uint32_t key_id;       /* of its cookie */
    int64_t cookie_age_ns; /* since the cookie was received */
    const char *reason;    /* unless it is authenticated */
};

struct report_event {
    struct report_request request;
    char reason[96];
};

struct report_events {
    size_t num; /* all of them */
    struct report_event events[REPORT_MAX_EVENTS];
};

/* Zero-initialised but for the names of the servers and the lock. Verbs take the lock. */
struct report {
    pthread_mutex_t lock;
    size_t num_servers;
    const char *servers[REPORT_MAX_SERVERS];
    uint64_t outcomes[REPORT_MAX_SERVERS][NUM_OUTCOMES];
    uint64_t num_ke_runs;
    uint64_t num_ke_failed;
    uint64_t num_dry;          /* sessions that have no cookie left */
    uint64_t num_skipped;      /* requests that came too late for the schedule */
    int64_t max_cookie_age_ns; /* of those that were accepted */
    size_t num_keys;
    uint32_t keys[REPORT_MAX_KEYS]; /* that fresh cookies were sealed under, in order of sight */
    struct report_events losses;
    struct report_events faults; /* NAKs and wrong answers */
};

/* report_add adds `increment` to one of the counters of `*report`. */
void report_add(struct report *report, uint64_t *counter, uint64_t increment);

/* report_request counts a request. */
void report_request(struct report *report, const struct report_request *request);

/* report_key notes the key of a fresh cookie. */
void report_key(struct report *report, uint32_t id);

/* report_to_json returns all of it as one object: "running", "elapsed_s", "sessions", "ke_runs",
 * "ke_failed", "dry_sessions", "skipped", "max_cookie_age_ms"; "total" and each of "servers" with
 * "sent", "authenticated", "naks", "lost" and "wrong"; "key_ids"; "num_losses" and "losses",
 * "num_faults" and "faults", the first of them each with "server", "kind" (lost, nak, wrong),
 * "time" (when it was sent, since 1970), "key_id", "cookie_age_ms" and "reason". NULL if there is
 * no memory.
 */
json_t *report_to_json(struct report *report, size_t num_sessions, int64_t elapsed_ns,
                       bool is_running);

#endif

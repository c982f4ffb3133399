#include "farm-client-report.h"

#include "base/clock_time.h"

#include <inttypes.h>
#include <stdio.h>

#define KEY_TEXT_LEN 9

void report_add(struct report *report, uint64_t *counter, uint64_t increment)
{
    pthread_mutex_lock(&report->lock);
    *counter += increment;
    pthread_mutex_unlock(&report->lock);
}

static void add_event(struct report_events *events, const struct report_request *request)
{
    if (events->num < REPORT_MAX_EVENTS) {
        struct report_event *event = &events->events[events->num];
        event->request = *request;
        event->request.reason = NULL; /* the caller's */
        snprintf(event->reason, sizeof(event->reason), "%s", request->reason);
    }
    events->num++;
}

void report_request(struct report *report, const struct report_request *request)
{
    pthread_mutex_lock(&report->lock);
    report->outcomes[request->server][request->outcome]++;
    if (request->outcome == OUTCOME_LOST) {
        add_event(&report->losses, request);
    } else if (request->outcome != OUTCOME_AUTHENTICATED) {
        add_event(&report->faults, request);
    } else if (request->cookie_age_ns > report->max_cookie_age_ns) {
        report->max_cookie_age_ns = request->cookie_age_ns;
    }
    pthread_mutex_unlock(&report->lock);
}

void report_key(struct report *report, uint32_t id)
{
    pthread_mutex_lock(&report->lock);
    size_t at = report->num_keys;
    /* Backwards: it is mostly the newest. */
    while (at > 0 && report->keys[at - 1] != id) {
        at--;
    }
    if (at == 0 && report->num_keys < REPORT_MAX_KEYS) {
        report->keys[report->num_keys++] = id;
    }
    pthread_mutex_unlock(&report->lock);
}

/* --- JSON; the lock is held --- */

static json_t *outcomes_json(const uint64_t outcomes[NUM_OUTCOMES])
{
    uint64_t num_sent = 0;
    for (size_t i = 0; i < NUM_OUTCOMES; i++) {
        num_sent += outcomes[i];
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "sent", (json_int_t)num_sent, "authenticated",
                     (json_int_t)outcomes[OUTCOME_AUTHENTICATED], "naks",
                     (json_int_t)outcomes[OUTCOME_NAK], "lost", (json_int_t)outcomes[OUTCOME_LOST],
                     "wrong", (json_int_t)outcomes[OUTCOME_WRONG]);
}

static json_t *servers_json(const struct report *report)
{
    json_t *servers = json_array();
    for (size_t i = 0; i < report->num_servers; i++) {
        json_t *server = outcomes_json(report->outcomes[i]);
        json_object_set_new(server, "server", json_string(report->servers[i]));
        json_array_append_new(servers, server);
    }
    return servers;
}

static json_t *total_json(const struct report *report)
{
    uint64_t outcomes[NUM_OUTCOMES] = {0};
    for (size_t i = 0; i < report->num_servers; i++) {
        for (size_t j = 0; j < NUM_OUTCOMES; j++) {
            outcomes[j] += report->outcomes[i][j];
        }
    }
    return outcomes_json(outcomes);
}

static json_t *key_json(uint32_t id)
{
    char text[KEY_TEXT_LEN];
    snprintf(text, sizeof(text), "%08" PRIx32, id);
    return json_string(text);
}

static json_t *keys_json(const struct report *report)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < report->num_keys; i++) {
        json_array_append_new(keys, key_json(report->keys[i]));
    }
    return keys;
}

static json_t *events_json(const struct report *report, const struct report_events *events)
{
    static const char *const kinds[] = {
        [OUTCOME_NAK] = "nak", [OUTCOME_LOST] = "lost", [OUTCOME_WRONG] = "wrong"};
    json_t *array = json_array();
    for (size_t i = 0; i < events->num && i < REPORT_MAX_EVENTS; i++) {
        const struct report_event *event = &events->events[i];
        const struct report_request *request = &event->request;
        json_array_append_new(array, json_pack("{s:s, s:s, s:f, s:o, s:I, s:s}", "server",
                                               report->servers[request->server], "kind",
                                               kinds[request->outcome], "time",
                                               (double)request->sent_ns / (double)NS_PER_S,
                                               "key_id", key_json(request->key_id), "cookie_age_ms",
                                               (json_int_t)(request->cookie_age_ns / NS_PER_MS),
                                               "reason", event->reason));
    }
    return array;
}

json_t *report_to_json(struct report *report, size_t num_sessions, int64_t elapsed_ns,
                       bool is_running)
{
    pthread_mutex_lock(&report->lock);
    json_t *root = json_pack(
        "{s:b, s:f, s:I, s:I, s:I, s:I, s:I, s:I}", "running", (int)is_running, "elapsed_s",
        (double)elapsed_ns / (double)NS_PER_S, "sessions", (json_int_t)num_sessions, "ke_runs",
        (json_int_t)report->num_ke_runs, "ke_failed", (json_int_t)report->num_ke_failed,
        "dry_sessions", (json_int_t)report->num_dry, "skipped", (json_int_t)report->num_skipped,
        "max_cookie_age_ms", (json_int_t)(report->max_cookie_age_ns / NS_PER_MS));
    json_object_set_new(root, "total", total_json(report));
    json_object_set_new(root, "servers", servers_json(report));
    json_object_set_new(root, "key_ids", keys_json(report));
    json_object_set_new(root, "num_losses", json_integer((json_int_t)report->losses.num));
    json_object_set_new(root, "losses", events_json(report, &report->losses));
    json_object_set_new(root, "num_faults", json_integer((json_int_t)report->faults.num));
    json_object_set_new(root, "faults", events_json(report, &report->faults));
    pthread_mutex_unlock(&report->lock);
    return root;
}

#include "ke-server/watch/server_watch.h"

#include "base/clock_time.h"
#include "base/event_fd.h"
#include "ke-server/watch/watch_log.h"
#include "log/log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TICK_NS      NS_PER_S /* keys activate and expire by themselves */
#define FIRST_ASK_NS NS_PER_S /* first requests are spread over this */

static const struct ke_config *config_of(const struct server_watch *watch)
{
    return &watch->settings->config;
}

static bool is_watching(const struct server_watch *watch)
{
    return watch->settings != NULL && config_of(watch)->watch.interval_s > 0;
}

/* --- settings and keys --- */

static void end_rounds(struct server_watch *watch)
{
    for (size_t i = 0; i < WATCH_MAX_ROUNDS; i++) {
        watch->rounds[i].is_running = false;
        watch_round_end(&watch->rounds[i]);
    }
    watch->resolved_server = SIZE_MAX;
}

static void take_settings(struct server_watch *watch, int64_t now_ns)
{
    struct ke_settings *fresh = (struct ke_settings *)snapshot_take(&watch->settings_slot);
    if (fresh == watch->settings) {
        return;
    }
    struct ke_settings *old = watch->settings;
    const struct watch_spread spread = {now_ns, FIRST_ASK_NS, &watch->random};
    end_rounds(watch);
    snapshot_ref(&fresh->host.snapshot);
    watch->settings = fresh;
    if (!is_watching(watch)) {
        watch_table_clear(&watch->table);
    } else if (watch_table_adopt(&watch->table, &fresh->time_servers, &spread) != NTS_OK) {
        log_error("time_server.not_watched", "reason=\"out of memory\"");
    }
    if (old != NULL) {
        snapshot_unref(&old->host.snapshot);
    }
    watch->next_keys_ns = now_ns; /* other algorithms may seal under other keys */
}

static void take_keyring(struct server_watch *watch, int64_t now_ns)
{
    const struct keyring *fresh = (const struct keyring *)snapshot_take(&watch->keyring_slot);
    if (fresh == watch->keyring && now_ns < watch->next_keys_ns) {
        return;
    }
    watch->keyring = fresh;
    watch->next_keys_ns = now_ns + TICK_NS;
    watch_keys_choose(&watch->keys, fresh, &watch->settings->policy, real_time_ns() / NS_PER_S,
                      now_ns);
    watch_table_forget_keys(&watch->table, &watch->keys);
}

/* --- names --- */

static void take_answer(struct server_watch *watch, int64_t now_ns)
{
    struct name_answer answer;
    if (!watch->is_resolving || !name_lookup_take(watch->lookup, &answer)) {
        return;
    }
    watch->is_resolving = false;
    if (watch->resolved_server < watch->table.num) {
        const struct watch_spread spread = {now_ns, FIRST_ASK_NS, &watch->random};
        watch_table_take_answer(&watch->table, watch->resolved_server, &answer, &spread);
    }
}

/* The name that has waited longest for being looked up, NULL if none is due. */
static struct watched_server *find_unresolved(struct server_watch *watch, int64_t now_ns)
{
    struct watched_server *found = NULL;
    for (size_t i = 0; i < watch->table.num; i++) {
        struct watched_server *watched = &watch->table.servers[i];
        if (watched->is_name && watched->next_resolve_ns <= now_ns &&
            (found == NULL || watched->next_resolve_ns < found->next_resolve_ns)) {
            found = watched;
        }
    }
    return found;
}

static void resolve_next(struct server_watch *watch, int64_t now_ns)
{
    if (watch->is_resolving) {
        return;
    }
    struct watched_server *watched = find_unresolved(watch, now_ns);
    if (watched == NULL) {
        return;
    }
    const struct time_server *server = watched->server;
    /* While it has no address, the look-up is what a round is to others. */
    watched->next_resolve_ns =
        watched->num_addresses > 0
            ? now_ns + WATCH_RESOLVE_INTERVAL_NS
            : watch_next_ns(now_ns, config_of(watch)->watch.interval_s * NS_PER_S,
                            random_below(&watch->random, UINT32_MAX));
    watch->is_resolving =
        name_lookup_ask(watch->lookup, server->name, server->port, server->family);
    watch->resolved_server = (size_t)(watched - watch->table.servers);
}

/* --- rounds --- */

static void start_round(struct server_watch *watch, struct watch_round *round, size_t server,
                        struct watched_address *address, int64_t now_ns)
{
    const struct ke_watch_config *config = &config_of(watch)->watch;
    const struct watch_key *due[WATCH_MAX_KEYS];
    int64_t now_s = real_time_ns() / NS_PER_S;
    size_t num = 0;
    for (size_t i = 0; i < watch->keys.num; i++) {
        const struct watch_key *key = &watch->keys.keys[i];
        if (watch_key_is_due(key, config->key_grace_s, now_s, now_ns)) {
            due[num++] = key;
        }
    }
    round->is_running = true;
    round->server = server;
    round->address = address->address;
    round->deadline_ns = now_ns + config->timeout_ms * NS_PER_MS;
    round->max_offset_ns = config->max_offset_ms * NS_PER_MS;
    address->is_asking = true;
    address->next_ns = watch_next_ns(now_ns, config->interval_s * NS_PER_S,
                                     random_below(&watch->random, UINT32_MAX));
    watch_round_start(round, due, num, &watch->random);
}

static void finish_round(struct server_watch *watch, struct watch_round *round)
{
    struct watched_address *address =
        watch_table_find(&watch->table, round->server, &round->address);
    /* The name may have lost the address meanwhile. */
    if (address != NULL) {
        struct watch_verdict verdicts[WATCH_MAX_KEYS];
        size_t num = watch_round_verdicts(round, verdicts);
        address->is_asking = false;
        watch_table_take_round(&watch->table, round->server, address, verdicts, num,
                               round->has_sample ? &round->sample : NULL);
    }
    round->is_running = false;
    watch_round_end(round);
}

/* Where the next round goes to. */
struct next_round {
    size_t server;
    struct watched_address *address; /* NULL: there is none */
};

/* The address that is due first: the one that has waited longest is served even when rounds are
 * short. */
static struct next_round find_next(struct watch_table *table)
{
    struct next_round next = {0};
    for (size_t i = 0; i < table->num; i++) {
        struct watched_server *watched = &table->servers[i];
        for (size_t j = 0; j < watched->num_addresses; j++) {
            struct watched_address *address = &watched->addresses[j];
            if (!address->is_asking &&
                (next.address == NULL || address->next_ns < next.address->next_ns)) {
                next = (struct next_round){i, address};
            }
        }
    }
    return next;
}

static struct watch_round *find_free_round(struct server_watch *watch)
{
    for (size_t i = 0; i < WATCH_MAX_ROUNDS; i++) {
        if (!watch->rounds[i].is_running) {
            return &watch->rounds[i];
        }
    }
    return NULL;
}

static void start_rounds(struct server_watch *watch, int64_t now_ns)
{
    struct watch_round *round;
    while ((round = find_free_round(watch)) != NULL) {
        struct next_round next = find_next(&watch->table);
        if (next.address == NULL || next.address->next_ns > now_ns) {
            return;
        }
        start_round(watch, round, next.server, next.address, now_ns);
    }
}

static void finish_rounds(struct server_watch *watch, int64_t now_ns)
{
    for (size_t i = 0; i < WATCH_MAX_ROUNDS; i++) {
        struct watch_round *round = &watch->rounds[i];
        if (!round->is_running) {
            continue;
        }
        if (round->fd >= 0) {
            watch_round_receive(round);
        }
        if (watch_round_is_over(round, now_ns)) {
            finish_round(watch, round);
        }
    }
}

/* --- the thread --- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When there is something to do, if nothing arrives before. */
static int64_t next_event_ns(struct server_watch *watch, int64_t now_ns)
{
    int64_t at_ns = now_ns + TICK_NS;
    for (size_t i = 0; i < WATCH_MAX_ROUNDS; i++) {
        if (watch->rounds[i].is_running) {
            at_ns = earlier(at_ns, watch->rounds[i].deadline_ns);
        }
    }
    struct next_round next = find_next(&watch->table);
    if (next.address != NULL && find_free_round(watch) != NULL) {
        at_ns = earlier(at_ns, next.address->next_ns);
    }
    return at_ns;
}

/* Lists what to wait for in `fds`: the wake-up first, then the sockets. */
static nfds_t list_descriptors(const struct server_watch *watch,
                               struct pollfd fds[1 + WATCH_MAX_ROUNDS])
{
    nfds_t num = 0;
    fds[num++] = (struct pollfd){.fd = watch->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < WATCH_MAX_ROUNDS; i++) {
        if (watch->rounds[i].is_running && watch->rounds[i].fd >= 0) {
            fds[num++] = (struct pollfd){.fd = watch->rounds[i].fd, .events = POLLIN};
        }
    }
    return num;
}

/* Everything that is due; returns how long to wait then, in the terms of poll. */
static int work(struct server_watch *watch)
{
    int64_t now_ns = mono_time_ns();
    take_settings(watch, now_ns);
    if (!is_watching(watch)) {
        return -1;
    }
    take_keyring(watch, now_ns);
    take_answer(watch, now_ns);
    resolve_next(watch, now_ns);
    finish_rounds(watch, now_ns);
    start_rounds(watch, now_ns);
    int64_t left_ns = next_event_ns(watch, now_ns) - mono_time_ns();
    return left_ns > 0 ? (int)(left_ns / NS_PER_MS) + 1 : 0;
}

/* For server_watch_report. Without memory there is nothing to report. */
static void post_reports(struct server_watch *watch)
{
    struct watch_report *fresh = NULL;
    struct watch_report *old = NULL;
    size_t num = watch->table.num;
    if (num != watch->num_reports) {
        fresh = calloc(num, sizeof(*fresh));
        num = fresh != NULL ? num : 0;
    }
    pthread_mutex_lock(&watch->mutex);
    if (num != watch->num_reports) {
        old = watch->reports;
        watch->reports = fresh;
        watch->num_reports = num;
    }
    for (size_t i = 0; i < num; i++) {
        watch_table_report(&watch->table, i, &watch->reports[i]);
    }
    pthread_mutex_unlock(&watch->mutex);
    free(old);
}

static void *watch_main(void *argument)
{
    struct server_watch *watch = argument;
    while (!atomic_load_explicit(&watch->is_stopping, memory_order_relaxed)) {
        struct pollfd fds[1 + WATCH_MAX_ROUNDS];
        int timeout_ms = work(watch);
        nfds_t num = list_descriptors(watch, fds);
        post_reports(watch);
        if (poll(fds, num, timeout_ms) > 0 && fds[0].revents != 0) {
            (void)event_fd_clear(watch->wake_fd);
        }
    }
    return NULL;
}

enum nts_status server_watch_start(struct server_watch *watch, struct ke_settings *settings,
                                   struct keyring *keyring, struct error *error)
{
    for (size_t i = 0; i < WATCH_MAX_ROUNDS; i++) {
        watch->rounds[i].fd = -1;
    }
    watch->resolved_server = SIZE_MAX;
    pthread_mutex_init(&watch->mutex, NULL);
    watch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->wake_fd < 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot prepare the watch: %s", strerror(errno));
    }
    watch->lookup = name_lookup_open(watch->wake_fd, error);
    if (watch->lookup == NULL) {
        return NTS_ERR_SYSTEM;
    }
    snapshot_publish(&watch->settings_slot, &settings->host.snapshot);
    snapshot_publish(&watch->keyring_slot, &keyring->snapshot);
    int result = pthread_create(&watch->thread, NULL, watch_main, watch);
    if (result != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot start a thread: %s", strerror(result));
    }
    watch->is_running = true;
    return NTS_OK;
}

void server_watch_publish(struct server_watch *watch, struct ke_settings *settings,
                          struct keyring *keyring)
{
    snapshot_publish(&watch->settings_slot, &settings->host.snapshot);
    snapshot_publish(&watch->keyring_slot, &keyring->snapshot);
    event_fd_signal(watch->wake_fd);
}

bool server_watch_report(struct server_watch *watch, size_t i, struct watch_report *report)
{
    pthread_mutex_lock(&watch->mutex);
    bool is_there = i < watch->num_reports;
    if (is_there) {
        *report = watch->reports[i];
    }
    pthread_mutex_unlock(&watch->mutex);
    return is_there;
}

void server_watch_log_status(struct server_watch *watch)
{
    struct watch_report report;
    for (size_t i = 0; server_watch_report(watch, i, &report); i++) {
        watch_log_status(&report);
    }
}

void server_watch_close(struct server_watch *watch)
{
    if (watch->is_running) {
        atomic_store_explicit(&watch->is_stopping, true, memory_order_relaxed);
        event_fd_signal(watch->wake_fd);
        pthread_join(watch->thread, NULL);
        end_rounds(watch);
        watch_table_clear(&watch->table);
        free(watch->reports);
        watch->reports = NULL;
        watch->num_reports = 0;
        pthread_mutex_destroy(&watch->mutex);
        watch->is_running = false;
    }
    name_lookup_close(watch->lookup);
    watch->lookup = NULL;
    if (watch->settings != NULL) {
        snapshot_unref(&watch->settings->host.snapshot);
        watch->settings = NULL;
    }
    snapshot_slot_clear(&watch->settings_slot);
    snapshot_slot_clear(&watch->keyring_slot);
    if (watch->wake_fd > 0) {
        close(watch->wake_fd);
        watch->wake_fd = -1;
    }
}

#include "ke-server/watch/watch_table.h"

#include "base/clock_time.h"
#include "ke-server/watch/watch_log.h"
#include "log/log.h"

#include <stdlib.h>
#include <string.h>

/* --- what the answers to clients are chosen by --- */

static uint8_t families_of(const struct watched_server *watched)
{
    uint8_t families = 0;
    if (watched->num_addresses == 0) {
        return time_server_reach_of(watched->server->family);
    }
    for (size_t i = 0; i < watched->num_addresses; i++) {
        families |= time_server_reach_of(watched->addresses[i].address.sa.sa_family);
    }
    return families;
}

/* A family is up as long as one address of it is: which of several is down, the log says. */
static uint8_t reach_of(const struct watched_server *watched)
{
    uint8_t reach = TIME_SERVER_DOWN;
    if (watched->num_addresses == 0) {
        return watch_health_is_up(&watched->resolution) ? families_of(watched) : reach;
    }
    for (size_t i = 0; i < watched->num_addresses; i++) {
        const struct watched_address *address = &watched->addresses[i];
        if (watch_health_is_up(&address->health)) {
            reach |= time_server_reach_of(address->address.sa.sa_family);
        }
    }
    return reach;
}

/* Publishes what has become of server `i`, and says when a family has lost its last. */
static void publish(struct watch_table *table, size_t i)
{
    uint8_t families = 0;
    uint8_t reach = 0;
    atomic_store_explicit(&table->reach[i], reach_of(&table->servers[i]), memory_order_relaxed);
    for (size_t j = 0; j < table->num; j++) {
        families |= families_of(&table->servers[j]);
        reach |= reach_of(&table->servers[j]);
    }
    uint8_t all_down = families & (uint8_t)~reach;
    watch_log_all_down(table->all_down, all_down);
    table->all_down = all_down;
}

/* --- servers and their addresses --- */

static int64_t first_ns(const struct watch_spread *spread)
{
    uint32_t over_ms = (uint32_t)(spread->over_ns / NS_PER_MS);
    return spread->now_ns + (int64_t)random_below(spread->random, over_ms + 1) * NS_PER_MS;
}

static struct watched_address *find_address(struct watched_server *watched,
                                            const union net_address *address)
{
    for (size_t i = 0; i < watched->num_addresses; i++) {
        if (address_equal(&watched->addresses[i].address, address)) {
            return &watched->addresses[i];
        }
    }
    return NULL;
}

struct watched_address *watch_table_find(struct watch_table *table, size_t i,
                                         const union net_address *address)
{
    return find_address(&table->servers[i], address);
}

static void begin(struct watched_server *watched, const struct time_server *server,
                  const struct watch_spread *spread)
{
    struct watched_address *address = &watched->addresses[0];
    watched->server = server;
    watched->is_name = time_server_family(server->name) == AF_UNSPEC;
    watched->next_resolve_ns = spread->now_ns;
    if (!watched->is_name && address_parse(&address->address, server->name, server->port)) {
        address->next_ns = first_ns(spread);
        watched->num_addresses = 1;
    }
}

static const struct watched_server *find_server(const struct watch_table *table,
                                                const struct time_server *server)
{
    for (size_t i = 0; i < table->num; i++) {
        if (time_server_is_same(table->servers[i].server, server)) {
            return &table->servers[i];
        }
    }
    return NULL;
}

/* Asks soon, whatever the interval was before. */
static void go_on(struct watched_server *watched, const struct watched_server *old,
                  const struct time_server *server, const struct watch_spread *spread)
{
    *watched = *old;
    watched->server = server;
    for (size_t i = 0; i < watched->num_addresses; i++) {
        watched->addresses[i].is_asking = false;
        watched->addresses[i].next_ns = first_ns(spread);
    }
}

enum nts_status watch_table_adopt(struct watch_table *table, const struct time_servers *servers,
                                  const struct watch_spread *spread)
{
    struct watched_server *fresh = calloc(servers->num + 1, sizeof(*fresh));
    if (fresh == NULL) {
        watch_table_clear(table);
        return NTS_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < servers->num; i++) {
        const struct watched_server *old = find_server(table, &servers->list[i]);
        if (old != NULL) {
            go_on(&fresh[i], old, &servers->list[i], spread);
        } else {
            begin(&fresh[i], &servers->list[i], spread);
        }
    }
    free(table->servers);
    table->servers = fresh;
    table->num = servers->num;
    table->reach = servers->reach;
    table->all_down = table->num > 0 ? table->all_down : 0;
    for (size_t i = 0; i < table->num; i++) {
        publish(table, i);
    }
    return NTS_OK;
}

void watch_table_clear(struct watch_table *table)
{
    for (size_t i = 0; i < table->num; i++) {
        atomic_store_explicit(&table->reach[i],
                              time_server_reach_of(table->servers[i].server->family),
                              memory_order_relaxed);
    }
    free(table->servers);
    *table = (struct watch_table){0};
}

static void take_failed_answer(struct watched_server *watched, const struct name_answer *answer)
{
    if (watched->num_addresses > 0) {
        return; /* what it had may still be right; if not, it will not answer */
    }
    watched->num_rounds[WATCH_UNRESOLVED]++;
    if (watch_health_take(&watched->resolution, WATCH_UNRESOLVED)) {
        watch_log_unresolved(watched->server, answer->reason);
    }
}

void watch_table_take_answer(struct watch_table *table, size_t i, const struct name_answer *answer,
                             const struct watch_spread *spread)
{
    struct watched_server *watched = &table->servers[i];
    if (answer->num == 0) {
        take_failed_answer(watched, answer);
        publish(table, i);
        return;
    }
    struct watched_server old = *watched;
    watched->num_addresses = 0;
    for (size_t j = 0; j < answer->num; j++) {
        if (find_address(watched, &answer->addresses[j]) != NULL) {
            continue;
        }
        struct watched_address *address = &watched->addresses[watched->num_addresses++];
        const struct watched_address *known = find_address(&old, &answer->addresses[j]);
        *address = known != NULL ? *known
                                 : (struct watched_address){.address = answer->addresses[j],
                                                            .next_ns = first_ns(spread)};
    }
    watched->resolution = (struct watch_health){0};
    if (!watch_health_is_up(&old.resolution)) {
        watch_log_resolved(watched->server, watched->num_addresses);
    }
    publish(table, i);
}

/* --- rounds --- */

void watch_table_take_round(struct watch_table *table, size_t i, struct watched_address *address,
                            const struct watch_verdict *verdicts, size_t num,
                            const struct watch_sample *sample)
{
    struct watched_server *watched = &table->servers[i];
    const struct watch_log_place place = {watched->server, &address->address};
    struct watch_verdict verdict = watch_round_verdict(verdicts, num);
    watched->num_rounds[verdict.outcome]++;
    if (sample != NULL) {
        watched->has_sample = true;
        watched->sample = *sample;
    }
    for (size_t j = 0; j < num; j++) {
        if (watch_missing_take(&address->missing, &verdicts[j])) {
            watch_log_key(&place, &verdicts[j]);
        }
    }
    if (watch_health_take(&address->health, verdict.outcome)) {
        if (watch_health_is_up(&address->health)) {
            watch_log_up(&place, &watched->sample);
        } else {
            watch_log_down(&place, &verdict, &watched->sample);
        }
        publish(table, i);
    }
}

void watch_table_forget_keys(struct watch_table *table, const struct watch_keys *keys)
{
    for (size_t i = 0; i < table->num; i++) {
        struct watched_server *watched = &table->servers[i];
        for (size_t j = 0; j < watched->num_addresses; j++) {
            watch_missing_forget(&watched->addresses[j].missing, keys);
        }
    }
}

/* --- what to tell --- */

void watch_table_report(const struct watch_table *table, size_t i, struct watch_report *report)
{
    const struct watched_server *watched = &table->servers[i];
    memset(report, 0, sizeof(*report));
    strncpy(report->name, watched->server->name, sizeof(report->name) - 1);
    report->port = watched->server->port;
    report->reach = reach_of(watched);
    report->num_addresses = watched->num_addresses;
    report->last_failure = watched->resolution.last_failure;
    for (size_t j = 0; j < watched->num_addresses; j++) {
        const struct watched_address *address = &watched->addresses[j];
        report->num_up += watch_health_is_up(&address->health);
        report->num_missing_keys += address->missing.num;
        if (address->health.last_failure != WATCH_ANSWERED) {
            report->last_failure = address->health.last_failure;
        }
    }
    memcpy(report->num_rounds, watched->num_rounds, sizeof(report->num_rounds));
    report->has_sample = watched->has_sample;
    report->sample = watched->sample;
}

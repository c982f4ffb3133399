#include "nts-keys-fleet.h"

#include "client/ntp_client.h"
#include "client/ntp_session.h"
#include "crypto/secret_mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What the threads share. Each job writes its own server or answer, and nothing else changes while
 * they run. */
struct asking {
    struct fleet *fleet;
    struct fleet_options options;
    int64_t start_ns; /* CLOCK_MONOTONIC, when it was fleet->now_s */
    size_t first_key; /* what decides whether a node is worth asking under the others */

    void (*do_job)(struct asking *asking, size_t job);
    size_t num_jobs;
    atomic_size_t next_job;
};

static void *work(void *arg)
{
    struct asking *asking = arg;
    size_t job;
    while ((job = atomic_fetch_add(&asking->next_job, 1)) < asking->num_jobs) {
        asking->do_job(asking, job);
    }
    return NULL;
}

/* Does all jobs, many at a time. The caller's thread does its share, so this cannot fail. */
static void do_all(struct asking *asking, size_t num_jobs,
                   void (*do_job)(struct asking *asking, size_t job))
{
    pthread_t helpers[FLEET_MAX_PARALLEL];
    size_t num_helpers = 0;
    asking->do_job = do_job;
    asking->num_jobs = num_jobs;
    atomic_store(&asking->next_job, 0);
    while (num_helpers + 1 < asking->options.parallel && num_helpers + 1 < num_jobs &&
           pthread_create(&helpers[num_helpers], NULL, work, asking) == 0) {
        num_helpers++;
    }
    work(asking);
    for (size_t i = 0; i < num_helpers; i++) {
        pthread_join(helpers[i], NULL);
    }
}

/* --- addresses --- */

#define FLEET_MAX_ADDRESSES 256 /* of a name; further ones are left out */

static void resolve(struct asking *asking, size_t job)
{
    struct fleet_server *server = &asking->fleet->servers[job];
    union net_address found[FLEET_MAX_ADDRESSES];
    struct error error;
    size_t num = address_resolve_all(found, FLEET_MAX_ADDRESSES, server->host, server->port,
                                     asking->options.family, &error);
    if (num == 0) {
        error_prefix(&error, "cannot resolve");
        server->reason = strdup(error.text);
        return;
    }
    server->addresses = calloc(num, sizeof(*server->addresses));
    if (server->addresses != NULL) {
        memcpy(server->addresses, found, num * sizeof(*found));
        server->num_addresses = num;
    }
}

/* --- requests --- */

/* A session as NTS-KE would have made it: AEAD 15, which cookies of every layout can hold. The jar
 * is full, though one request is all it is for: so it asks for no more than one cookie, and is
 * short enough for any path. */
static void make_session(struct session_keys *keys, struct cookie_jar *jar,
                         const struct master_key *key)
{
    struct random_pool random = {0};
    uint8_t cookie[COOKIE_MAX_LEN];
    ntp_session_make(keys, aead_find(AEAD_AES_SIV_CMAC_256), &random);
    size_t len = ntp_session_cookie(cookie, keys, key, &random);
    memset(jar, 0, sizeof(*jar));
    while (len > 0 && cookie_jar_put(jar, cookie, len)) {
    }
}

static enum fleet_state judge(enum nts_status status, const struct ntp_reply *reply,
                              const struct ntp_sample *sample)
{
    switch (status) {
    case NTS_OK:
        return FLEET_OK;
    case NTS_ERR_NAK:
        return FLEET_LACKS;
    case NTS_ERR_KISS:
        /* Who knows S2C has opened the cookie, whatever else it says. */
        return reply->authenticated ? FLEET_OK : FLEET_WRONG_ANSWER;
    case NTS_ERR_TIMEOUT: /* from a plain NTP server there are answers, but they are not to us */
        return sample->num_ignored == 0 ? FLEET_NO_ANSWER : FLEET_WRONG_ANSWER;
    case NTS_ERR_SYSTEM:
        return FLEET_NO_ANSWER;
    default:
        return FLEET_WRONG_ANSWER;
    }
}

static enum fleet_state exchange(const struct asking *asking, const union net_address *address,
                                 const struct master_key *key, struct error *error)
{
    struct session_keys keys;
    struct cookie_jar jar;
    struct ntp_reply reply;
    struct ntp_sample sample;
    make_session(&keys, &jar, key);
    struct ntp_exchange_options options = {
        .server = address, .keys = &keys, .jar = &jar, .timeout_ms = asking->options.timeout_ms};
    enum nts_status status = ntp_exchange(&reply, &sample, &options, error);
    secret_wipe(&keys, sizeof(keys));
    secret_wipe(&jar, sizeof(jar));
    return judge(status, &reply, &sample);
}

static void ask(struct asking *asking, size_t node_at, size_t key_at)
{
    const struct fleet_node *node = &asking->fleet->nodes[node_at];
    const struct master_key *key = asking->fleet->keys[key_at];
    struct fleet_answer *answer = &node->answers[key_at];
    struct error error;
    if (node->address == NULL) {
        answer->state = FLEET_NO_ANSWER;
        answer->reason = node->server->reason != NULL ? strdup(node->server->reason) : NULL;
        return;
    }
    for (unsigned i = 0; i < asking->options.tries; i++) {
        answer->state = exchange(asking, node->address, key, &error);
        if (answer->state != FLEET_NO_ANSWER) {
            break;
        }
    }
    if (answer->state == FLEET_NO_ANSWER || answer->state == FLEET_WRONG_ANSWER) {
        answer->reason = strdup(error.text);
    }
    /* No alarm for a key that has expired since we began. */
    int64_t now_s =
        asking->fleet->now_s + (mono_time_ns() - asking->start_ns + NS_PER_S - 1) / NS_PER_S;
    if (answer->state == FLEET_LACKS && !master_key_opens(key, now_s)) {
        answer->state = FLEET_NOT_ASKED;
    }
}

static void ask_first(struct asking *asking, size_t job)
{
    ask(asking, job, asking->first_key);
}

/* Neighbouring jobs are of different nodes: none gets all its requests at once. */
static void ask_others(struct asking *asking, size_t job)
{
    size_t node_at = job % asking->fleet->num_nodes;
    size_t key_at = job / asking->fleet->num_nodes;
    enum fleet_state first = asking->fleet->nodes[node_at].answers[asking->first_key].state;
    if (key_at != asking->first_key && first != FLEET_NO_ANSWER && first != FLEET_WRONG_ANSWER) {
        ask(asking, node_at, key_at);
    }
}

/* --- before and after --- */

static bool choose_keys(struct asking *asking)
{
    struct fleet *fleet = asking->fleet;
    const struct keyring *ring = fleet->ring;
    /* The key that a node has if it has any, so that its answer comes without delay. */
    const struct master_key *active = keyring_active_key(ring, fleet->now_s);
    /* An array of pointers. NOLINTNEXTLINE(bugprone-sizeof-expression) */
    fleet->keys = calloc(ring->num_keys + 1, sizeof(*fleet->keys));
    for (size_t i = 0; fleet->keys != NULL && i < ring->num_keys; i++) {
        if (!master_key_opens(&ring->keys[i], fleet->now_s)) {
            continue;
        }
        if (&ring->keys[i] == active) {
            asking->first_key = fleet->num_keys;
        }
        fleet->keys[fleet->num_keys++] = &ring->keys[i];
    }
    return fleet->keys != NULL;
}

static bool make_nodes(struct fleet *fleet)
{
    size_t num = 0;
    for (size_t i = 0; i < fleet->num_servers; i++) {
        size_t num_addresses = fleet->servers[i].num_addresses;
        num += num_addresses > 0 ? num_addresses : 1;
    }
    fleet->nodes = calloc(num, sizeof(*fleet->nodes));
    fleet->answers = calloc(num * fleet->num_keys, sizeof(*fleet->answers));
    if (fleet->nodes == NULL || fleet->answers == NULL) {
        return false;
    }
    for (const struct fleet_server *server = fleet->servers; fleet->num_nodes < num; server++) {
        size_t at = 0;
        do {
            struct fleet_node *node = &fleet->nodes[fleet->num_nodes];
            node->server = server;
            node->address = at < server->num_addresses ? &server->addresses[at] : NULL;
            node->answers = fleet->answers + fleet->num_nodes * fleet->num_keys;
            fleet->num_nodes++;
        } while (++at < server->num_addresses);
    }
    return true;
}

static void sum_up(struct fleet_node *node, size_t num_keys)
{
    node->state = FLEET_OK;
    for (size_t i = 0; i < num_keys; i++) {
        const struct fleet_answer *answer = &node->answers[i];
        bool is_untold = answer->state == FLEET_NO_ANSWER || answer->state == FLEET_WRONG_ANSWER;
        node->num_opened += answer->state == FLEET_OK;
        node->num_lacking += answer->state == FLEET_LACKS;
        node->num_untold += is_untold;
        if (is_untold && node->reason == NULL) {
            node->reason = answer->reason != NULL ? answer->reason : "out of memory";
        }
        if (answer->state > node->state) {
            node->state = answer->state;
        }
    }
}

enum nts_status fleet_ask(struct fleet *fleet, const struct keyring *ring,
                          const struct fleet_options *options, int64_t now_s, struct error *error)
{
    struct asking asking = {.fleet = fleet, .options = *options, .start_ns = mono_time_ns()};
    unsigned parallel = options->parallel;
    asking.options.timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : FLEET_TIMEOUT_MS;
    asking.options.tries = options->tries > 0 ? options->tries : FLEET_TRIES;
    asking.options.parallel =
        parallel > 0 && parallel < FLEET_MAX_PARALLEL ? parallel : FLEET_MAX_PARALLEL;
    fleet->ring = ring;
    fleet->now_s = now_s;
    if (!choose_keys(&asking)) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    if (fleet->num_keys == 0) {
        return error_set(error, NTS_ERR_NO_SEALING_KEY, "every key has expired, or there is none");
    }
    do_all(&asking, fleet->num_servers, resolve);
    if (!make_nodes(fleet)) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    do_all(&asking, fleet->num_nodes, ask_first);
    do_all(&asking, fleet->num_nodes * fleet->num_keys, ask_others);
    for (size_t i = 0; i < fleet->num_nodes; i++) {
        sum_up(&fleet->nodes[i], fleet->num_keys);
    }
    return NTS_OK;
}

bool fleet_is_in_order(const struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->num_nodes; i++) {
        if (fleet->nodes[i].state != FLEET_OK) {
            return false;
        }
    }
    return true;
}

void fleet_free(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->num_nodes * fleet->num_keys; i++) {
        free(fleet->answers[i].reason);
    }
    for (size_t i = 0; i < fleet->num_servers; i++) {
        free(fleet->servers[i].addresses);
        free(fleet->servers[i].reason);
    }
    free(fleet->answers);
    free(fleet->nodes);
    free(fleet->keys);
    free(fleet->servers);
    *fleet = (struct fleet){0};
}

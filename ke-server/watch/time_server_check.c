#include "ke-server/watch/time_server_check.h"

#include "base/clock_time.h"
#include "client/ntp_client.h"
#include "client/ntp_session.h"
#include "crypto/secret_mem.h"
#include "ke-server/protocol/time_servers.h"
#include "ke-server/watch/watch_health.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define NTP_SERVER_PORT 123

/* One server, and what became of the question. */
struct question {
    char text[TIME_SERVER_NAME_MAX_LEN + 24]; /* for the findings */
    const char *name;
    uint16_t port;
    int family;
    enum log_level level; /* of a finding */
    const struct keyring *ring;
    const struct aead_algorithm *aead;
    pthread_t thread;
    bool has_thread;
    bool is_resolved;
    enum nts_status status;
    struct error error;
    struct ntp_reply reply;
    struct ntp_sample sample;
};

/* A cookie as this server hands it out, of a session of our own. */
static bool make_cookie(struct cookie_jar *jar, struct session_keys *keys,
                        const struct question *question)
{
    uint8_t cookie[COOKIE_MAX_LEN];
    struct random_pool random = {0};
    const struct master_key *key =
        keyring_sealing_key(question->ring, question->aead, real_time_ns() / NS_PER_S);
    if (key == NULL) {
        return false; /* it has expired since */
    }
    ntp_session_make(keys, question->aead, &random);
    size_t len = ntp_session_cookie(cookie, keys, key, &random);
    *jar = (struct cookie_jar){0};
    return len > 0 && cookie_jar_put(jar, cookie, len);
}

static enum nts_status ask_once(struct question *question, const union net_address *server)
{
    struct cookie_jar jar;
    struct session_keys keys;
    if (!make_cookie(&jar, &keys, question)) {
        return error_set(&question->error, NTS_ERR_NO_SEALING_KEY, "no key is active any more");
    }
    const struct ntp_exchange_options options = {
        .server = server, .keys = &keys, .jar = &jar, .timeout_ms = TIME_SERVER_TIMEOUT_MS};
    enum nts_status status =
        ntp_exchange(&question->reply, &question->sample, &options, &question->error);
    secret_wipe(&keys, sizeof(keys));
    return status;
}

static void *ask(void *argument)
{
    struct question *question = argument;
    union net_address server;
    question->status = address_resolve(&server, question->name, question->port, question->family,
                                       &question->error);
    question->is_resolved = question->status == NTS_OK;
    for (int i = 0; question->is_resolved && i < TIME_SERVER_QUESTIONS; i++) {
        question->status = ask_once(question, &server);
        /* A datagram may get lost. */
        if (question->status != NTS_ERR_TIMEOUT) {
            break;
        }
    }
    return NULL;
}

static void find_unfit(struct preflight *preflight, const struct question *question)
{
    const struct ntp_header *header = &question->reply.header;
    const struct watch_sample sample = {.leap = header->leap, .stratum = header->stratum};
    int64_t offset_ns = question->sample.offset_ns;
    if (watch_judge_sample(&sample, 0) == WATCH_UNSYNCHRONISED) {
        preflight_find(preflight, question->level, PREFLIGHT_TIME_SERVER_CLOCK,
                       "%s says that it is not synchronised (leap %u, stratum %u)", question->text,
                       header->leap, header->stratum);
    } else if (offset_ns > TIME_SERVER_FAR_NS || offset_ns < -TIME_SERVER_FAR_NS) {
        /* Which of the two is right is not known here. */
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_TIME_SERVER_CLOCK,
                       "the clock of %s is %" PRId64 " s from this host's", question->text,
                       offset_ns / NS_PER_S);
    }
}

static void find(struct preflight *preflight, const struct question *question)
{
    if (!question->is_resolved) {
        preflight_find(preflight, question->level, PREFLIGHT_TIME_SERVER_NAME, "%s: %s",
                       question->text, question->error.text);
        return;
    }
    switch (question->status) {
    case NTS_OK:
        find_unfit(preflight, question);
        break;
    case NTS_ERR_TIMEOUT:
    case NTS_ERR_SYSTEM: /* unreachable, or no socket listens there */
        preflight_find(preflight, question->level, PREFLIGHT_TIME_SERVER_SILENT, "%s: %s",
                       question->text, question->error.text);
        break;
    case NTS_ERR_NAK:
        preflight_find(preflight, question->level, PREFLIGHT_TIME_SERVER_KEY,
                       "%s answers a cookie of the active key with NTS NAK", question->text);
        break;
    default:
        preflight_find(preflight, question->level, PREFLIGHT_TIME_SERVER_REPLY,
                       "%s does not answer as it should: %s", question->text, question->error.text);
    }
}

/* The questions to ask; `*num` of them, to be freed. NULL if there is no memory. */
static struct question *list_questions(const struct ke_config *config, size_t *num)
{
    const struct ke_config_time_server *servers = config->time_servers.items;
    const union net_address *addresses = config->listen.items;
    struct question *list = calloc(config->time_servers.num + config->listen.num, sizeof(*list));
    *num = 0;
    for (size_t i = 0; list != NULL && i < config->time_servers.num; i++) {
        struct question *question = &list[(*num)++];
        question->name = servers[i].name;
        question->port = (uint16_t)servers[i].port;
        question->family = ke_config_family_of(&servers[i]);
        question->level = LOG_LEVEL_ERROR;
        snprintf(question->text, sizeof(question->text), "%s, port %u", question->name,
                 question->port);
    }
    for (size_t i = 0; list != NULL && config->time_servers.num == 0 && i < config->listen.num;
         i++) {
        if (address_is_wildcard(&addresses[i])) {
            continue;
        }
        struct question *question = &list[(*num)++];
        address_format_ip(question->text, &addresses[i]);
        question->name = question->text;
        question->port = NTP_SERVER_PORT;
        question->family = addresses[i].sa.sa_family;
        question->level = LOG_LEVEL_WARNING;
    }
    return list;
}

void time_server_check(struct preflight *preflight, const struct ke_config *config,
                       const struct keyring *ring)
{
    size_t num;
    const int64_t *aeads = config->aead.items;
    const struct aead_algorithm *aead = NULL;
    for (size_t i = 0; aead == NULL && i < config->aead.num; i++) {
        const struct aead_algorithm *candidate = aead_find((uint16_t)aeads[i]);
        if (keyring_sealing_key(ring, candidate, real_time_ns() / NS_PER_S) != NULL) {
            aead = candidate;
        }
    }
    if (aead == NULL) {
        return; /* no key is active, which has been said */
    }
    struct question *list = list_questions(config, &num);
    for (size_t i = 0; list != NULL && i < num; i++) {
        list[i].ring = ring;
        list[i].aead = aead;
        list[i].has_thread = pthread_create(&list[i].thread, NULL, ask, &list[i]) == 0;
        if (!list[i].has_thread) {
            ask(&list[i]);
        }
    }
    for (size_t i = 0; list != NULL && i < num; i++) {
        if (list[i].has_thread) {
            pthread_join(list[i].thread, NULL);
        }
        find(preflight, &list[i]);
    }
    free(list);
}

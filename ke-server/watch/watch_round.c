#include "ke-server/watch/watch_round.h"

#include "client/ntp_session.h"
#include "crypto/secret_mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The algorithm of the session: RFC 8915, section 5.1, has every time server know it, and every
 * layout of a master key holds its keys. */
#define SESSION_AEAD AEAD_AES_SIV_CMAC_256

/* Takes in what errno says of the server: that no socket listens there, for all the questions, or
 * else nothing, for the trouble is on this host. An ICMP message can be forged too: it is what to
 * say when nothing else comes. */
static enum watch_outcome note_error(struct watch_round *round)
{
    if (errno != ECONNREFUSED) {
        return WATCH_NOT_ASKED;
    }
    for (size_t i = 0; i < round->num_questions; i++) {
        struct watch_verdict *verdict = &round->questions[i].verdict;
        if (verdict->outcome == WATCH_TIMEOUT) {
            verdict->outcome = WATCH_REFUSED;
        }
    }
    return WATCH_REFUSED;
}

/* The error of an earlier request is reported by a later send, which it keeps from being sent. */
static enum watch_outcome send_request(struct watch_round *round, struct ntp_question *asked,
                                       const struct ntp_request *request)
{
    enum watch_outcome outcome = WATCH_TIMEOUT;
    for (int i = 0; i < 2; i++) {
        if (ntp_question_send(asked, round->fd, request)) {
            return WATCH_TIMEOUT;
        }
        outcome = note_error(round);
    }
    return outcome;
}

static void ask_under(struct watch_round *round, const struct watch_key *key,
                      struct random_pool *random)
{
    struct watch_question *question = &round->questions[round->num_questions++];
    struct ntp_request request;
    uint8_t cookie[COOKIE_MAX_LEN];
    *question = (struct watch_question){
        .verdict = {.key_id = key->id, .role = key->role, .outcome = WATCH_NOT_ASKED},
        .is_final = true,
    };
    ntp_request_init(&request);
    request.keys = &round->keys;
    request.cookie = cookie;
    request.cookie_len = ntp_session_cookie(cookie, &round->keys, key->key, random);
    if (round->fd >= 0 && request.cookie_len > 0 &&
        ntp_question_make(&question->asked, &request) == NTS_OK) {
        question->verdict.outcome = send_request(round, &question->asked, &request);
        question->is_final = question->verdict.outcome == WATCH_NOT_ASKED;
    }
}

void watch_round_start(struct watch_round *round, const struct watch_key *const *keys, size_t num,
                       struct random_pool *random)
{
    struct error error;
    round->num_questions = 0;
    round->has_sample = false;
    ntp_session_make(&round->keys, aead_find(SESSION_AEAD), random);
    if (ntp_socket_open(&round->fd, &round->address, &error) != NTS_OK) {
        round->fd = -1; /* no route, or no descriptor: every question is WATCH_NOT_ASKED */
    }
    for (size_t i = 0; i < num; i++) {
        ask_under(round, keys[i], random);
    }
}

static void take_sample(struct watch_round *round, struct watch_question *question,
                        const struct ntp_header *header, int64_t received_ns)
{
    struct ntp_sample sample = {.sent_ns = question->asked.sent_ns, .received_ns = received_ns};
    ntp_sample_measure(&sample, header);
    round->has_sample = true;
    round->sample = (struct watch_sample){
        .leap = header->leap,
        .stratum = header->stratum,
        .offset_ns = sample.offset_ns,
        .delay_ns = sample.delay_ns,
    };
    question->verdict.outcome = watch_judge_sample(&round->sample, round->max_offset_ns);
}

/* Judges a datagram as the answer to one question. */
static void judge_reply(struct watch_round *round, struct watch_question *question,
                        const uint8_t *packet, size_t len, int64_t received_ns)
{
    struct ntp_reply reply;
    enum nts_status status = ntp_question_judge(&question->asked, &reply, NULL, packet, len);
    question->is_final = reply.authenticated;
    if (status == NTS_OK) {
        take_sample(round, question, &reply.header, received_ns);
    } else if (reply.authenticated || ntp_verdict_rank(status) > question->rank) {
        question->rank = ntp_verdict_rank(status);
        question->verdict.outcome = watch_judge_status(status);
    }
}

/* The question that a datagram echoes; what echoes none is no answer. */
static struct watch_question *find_question(struct watch_round *round, const uint8_t *packet,
                                            size_t len)
{
    if (len < NTP_HEADER_LEN || len > NTP_CLIENT_MAX_PACKET) {
        return NULL;
    }
    struct ntp_header header;
    ntp_header_read(&header, packet);
    for (size_t i = 0; i < round->num_questions; i++) {
        struct watch_question *question = &round->questions[i];
        if (!question->is_final && question->asked.transmit_time == header.origin_time) {
            return question;
        }
    }
    return NULL;
}

void watch_round_receive(struct watch_round *round)
{
    uint8_t packet[NTP_CLIENT_MAX_PACKET];
    /* Bounded, whatever is sent to us; the rest is for the next time. */
    for (size_t i = 0; i < 2 * WATCH_MAX_KEYS; i++) {
        size_t len;
        int64_t received_ns;
        enum nts_status status =
            ntp_socket_receive(round->fd, packet, &len, sizeof(packet), &received_ns, 0);
        if (status == NTS_ERR_TIMEOUT) {
            return;
        }
        if (status != NTS_OK) {
            (void)note_error(round);
            continue;
        }
        struct watch_question *question = find_question(round, packet, len);
        if (question != NULL) {
            judge_reply(round, question, packet, len, received_ns);
        }
    }
}

bool watch_round_is_over(const struct watch_round *round, int64_t now_ns)
{
    if (now_ns >= round->deadline_ns) {
        return true;
    }
    for (size_t i = 0; i < round->num_questions; i++) {
        if (!round->questions[i].is_final) {
            return false;
        }
    }
    return true;
}

size_t watch_round_verdicts(const struct watch_round *round,
                            struct watch_verdict verdicts[WATCH_MAX_KEYS])
{
    for (size_t i = 0; i < round->num_questions; i++) {
        verdicts[i] = round->questions[i].verdict;
    }
    return round->num_questions;
}

void watch_round_end(struct watch_round *round)
{
    if (round->fd >= 0) {
        close(round->fd);
        round->fd = -1;
    }
    secret_wipe(&round->keys, sizeof(round->keys));
}

/* The packet path: a batch of datagrams in, a batch of replies out. No I/O, no allocation, no log;
 * the clock is injected. One engine per worker.
 *
 *   parse -> open cookies -> verify -> mint -> stamp -> seal
 *
 * Each step works on the whole batch, so that AES can work on many packets side by side.
 *
 * What a source sends beyond its budget gets silence, before any cryptography, but for one request
 * in RATE_KISS_ONE_IN: if that is an NTS request and authentic, it gets a kiss of death RATE,
 * sealed like any reply, with the fresh cookies that spare the client an NTS-KE. Anything else
 * never gets a kiss: source addresses can be forged, so an attacker that wants a client of plain
 * NTP to go away would only have to use up its budget for it. */
#ifndef NTS_TIME_ANSWER_H
#define NTS_TIME_ANSWER_H

#include "base/counter.h"
#include "base/status_set.h"
#include "keys/cookie.h"
#include "time-server/clock/clock_state.h"
#include "time-server/protocol/datagram.h"
#include "time-server/protocol/request.h"
#include "time-server/protocol/response.h"
#include "time-server/protocol/send_prediction.h"

#define ANSWER_MAX_BATCH 32

/* One request of this many over budget is examined for a kiss. */
#define RATE_KISS_ONE_IN 8

/* What a batch is answered from: loaded once per batch, the same for all of it. */
struct answer_context {
    const struct ntp_versions *versions; /* &ntp_versions, but in tests */
    const struct keyring *keyring;
    struct clock_status clock;
    struct clock_limits limits;
    bool plain_ntp;
    bool silent_when_unsynchronised;
    int64_t (*real_time_ns)(void);
    struct send_prediction prediction; /* of the transport */
};

#define ANSWER_EVENT_TABLE(X)                                                                      \
    X(REQUESTS, "requests", "datagrams received")                                                  \
    X(ANSWERED_PLAIN, "answered_plain", "NTP requests answered without NTS")                       \
    X(ANSWERED_NTS, "answered_nts", "NTS requests answered with time")                             \
    X(NAKS, "naks", "NTS requests answered with an NTS NAK")                                       \
    X(RATE_KISSES, "rate_kisses", "authentic requests over their budgets told to ask less")        \
    X(UNSYNCHRONISED_ANSWERS, "answered_unsynchronised", "answers that claim no good time")        \
    X(COOKIES_MINTED, "cookies_minted", "fresh cookies given out in answers")                      \
    X(BATCHES, "batches", "batches of datagrams answered in one go")

enum answer_event {
#define ANSWER_EVENT_ENUM(name, label, text) ANSWER_##name,
    ANSWER_EVENT_TABLE(ANSWER_EVENT_ENUM)
#undef ANSWER_EVENT_ENUM
        ANSWER_NUM_EVENTS
};

/* Why a request gets silence or a NAK. */
#define ANSWER_CAUSE_TABLE(X)                                                                      \
    NTS_STATUS_REQUEST_TABLE(X)                                                                    \
    NTS_STATUS_COOKIE_TABLE(X)                                                                     \
    NTS_STATUS_INTERNAL_TABLE(X)

enum answer_cause {
#define ANSWER_CAUSE_ENUM(name, label, text) ANSWER_CAUSE_##name,
    ANSWER_CAUSE_TABLE(ANSWER_CAUSE_ENUM)
#undef ANSWER_CAUSE_ENUM
        ANSWER_NUM_CAUSES
};

extern const struct status_set answer_causes;

/* Batches of up to 1, 2, 4, ... ANSWER_MAX_BATCH datagrams. */
#define ANSWER_NUM_BATCH_SIZES 6

_Static_assert(1 << (ANSWER_NUM_BATCH_SIZES - 1) == ANSWER_MAX_BATCH,
               "the last one is a full batch");

/* Written by the engine's thread alone. */
struct answer_counters {
    counter events[ANSWER_NUM_EVENTS];
    counter by_cause[ANSWER_NUM_CAUSES]; /* why requests got silence or a NAK */
    counter opened_by_age[KEY_NUM_AGES]; /* cookies, by how their master key stands to the active */
    counter answered_by_aead[AEAD_NUM_ALGORITHMS]; /* NTS answers */
    counter batch_sizes[ANSWER_NUM_BATCH_SIZES];
};

struct answer_engine;

/* answer_engine_create returns the state of one worker, NULL if there is no memory. */
struct answer_engine *answer_engine_create(void);

/* answer_engine_destroy wipes and frees it. */
void answer_engine_destroy(struct answer_engine *engine);

const struct answer_counters *answer_engine_counters(const struct answer_engine *engine);

/* answer_batch fills reply and reply_len of each of the `num` (up to ANSWER_MAX_BATCH) datagrams.
 * The replies are to be sent at once, in order: their transmit timestamps say so. */
void answer_batch(struct answer_engine *engine, struct datagram *batch, size_t num,
                  const struct answer_context *context);

#endif

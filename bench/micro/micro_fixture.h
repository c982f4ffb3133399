/* The requests that the micro-benchmarks work on: what a batch of clients, each with keys of its
 * own, sends to a time server that has a keyring of one key. */
#ifndef NTS_BENCH_MICRO_FIXTURE_H
#define NTS_BENCH_MICRO_FIXTURE_H

#include "time-server/protocol/answer.h"

/* A packet behind what a transport keeps with it; without that all packets would fall on the same
 * few lines of the cache. */
struct packet_buffer {
    uint8_t control[160];
    uint8_t octets[REQUEST_MAX_LEN];
};

struct fixture {
    const struct aead_algorithm *aead;
    struct keyring *ring;
    struct answer_engine *engine;
    struct answer_context context;
    struct random_pool random;
    struct session_keys keys[ANSWER_MAX_BATCH];
    struct packet_buffer packets[ANSWER_MAX_BATCH];
    struct packet_buffer replies[ANSWER_MAX_BATCH];
    struct datagram datagrams[ANSWER_MAX_BATCH];
    struct cookie_open_job opens[ANSWER_MAX_BATCH];
    struct aead_job verifies[ANSWER_MAX_BATCH];
    struct cookie_seal_job mints[ANSWER_MAX_BATCH];
    uint8_t cookies[ANSWER_MAX_BATCH][COOKIE_MAX_LEN];
    struct aead_job seals[ANSWER_MAX_BATCH];
    uint8_t plaintexts[ANSWER_MAX_BATCH][256];
    uint8_t sealed[ANSWER_MAX_BATCH][256];
};

/* fixture_create prepares everything for sessions of `aead` and cookies of `layout`; exits if there
 * is no memory. */
struct fixture *fixture_create(const struct aead_algorithm *aead, enum key_layout layout);

void fixture_destroy(struct fixture *fixture);

#endif

/* One round of the watch: a time server's address, asked by NTS under several master keys at once,
 * as a client with a cookie would (RFC 8915, section 5). The watch's thread. */
#ifndef NTS_KE_WATCH_ROUND_H
#define NTS_KE_WATCH_ROUND_H

#include "base/address.h"
#include "client/ntp_question.h"
#include "ke-server/watch/watch_health.h"

struct watch_question {
    struct watch_verdict verdict; /* so far */
    bool is_final;
    int rank; /* ntp_verdict_rank of what `verdict` comes from */
    struct ntp_question asked;
};

/* Zero-initialised but for `fd`, which is -1 while there is no socket: no round. */
struct watch_round {
    bool is_running; /* for the caller */
    int fd;
    size_t server; /* whose, for the caller */
    union net_address address;
    int64_t deadline_ns;
    int64_t max_offset_ns;
    struct session_keys keys; /* of a session of our own, for this round */
    size_t num_questions;
    struct watch_question questions[WATCH_MAX_KEYS];
    bool has_sample;
    struct watch_sample sample; /* the newest */
};

/* watch_round_start asks round->address under each of the `num` keys, by a socket of its own, and
 * sets what is below `max_offset_ns`. What cannot be sent is WATCH_NOT_ASKED, or WATCH_REFUSED. */
void watch_round_start(struct watch_round *round, const struct watch_key *const *keys, size_t num,
                       struct random_pool *random);

/* watch_round_receive takes in what has arrived. Any host can have sent what is not authentic: it
 * is the verdict only when nothing better comes in time (RFC 8915, section 5.7). */
void watch_round_receive(struct watch_round *round);

/* watch_round_is_over tells that nothing more is waited for, or that time is up at `now_ns`. */
bool watch_round_is_over(const struct watch_round *round, int64_t now_ns);

/* watch_round_verdicts copies the verdicts and returns their number. */
size_t watch_round_verdicts(const struct watch_round *round,
                            struct watch_verdict verdicts[WATCH_MAX_KEYS]);

/* watch_round_end closes the socket and wipes the keys; again does nothing. */
void watch_round_end(struct watch_round *round);

#endif

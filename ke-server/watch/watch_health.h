/* Whether a time server can be named to clients, judged from its answers to requests under the
 * master keys of the farm. Pure: no socket, no clock; one thread, the watch's. Never allocates. */
#ifndef NTS_KE_WATCH_HEALTH_H
#define NTS_KE_WATCH_HEALTH_H

#include "base/status.h"
#include "ke-server/protocol/negotiate.h"
#include "keys/keyring.h"
#include "wire/ntp_packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- what came of asking --- */

/* What came of asking once. All but the first and the last are failures. */
#define WATCH_OUTCOME_TABLE(X)                                                                     \
    X(ANSWERED, "answered", "authentic time")                                                      \
    X(TIMEOUT, "timeout", "no answer in time")                                                     \
    X(REFUSED, "refused", "nobody listens there")                                                  \
    X(NAK, "nak", "an NTS NAK: the server cannot open cookies of the key")                         \
    X(KISS, "kiss", "a kiss of death")                                                             \
    X(FORGED, "forged", "an answer that does not authenticate")                                    \
    X(MALFORMED, "malformed", "an answer that breaks a rule of NTP or NTS")                        \
    X(UNSYNCHRONISED, "unsynchronised", "the server says that its clock is not fit")               \
    X(OFFSET, "offset", "the server's clock is too far from this host's")                          \
    X(UNRESOLVED, "unresolved", "the name of the server does not resolve")                         \
    X(NOT_ASKED, "not_asked", "no way to ask from this host, which says nothing of the server")

enum watch_outcome {
#define WATCH_OUTCOME_ENUM(name, label, text) WATCH_##name,
    WATCH_OUTCOME_TABLE(WATCH_OUTCOME_ENUM)
#undef WATCH_OUTCOME_ENUM
        WATCH_NUM_OUTCOMES
};

/* watch_outcome_label returns the short, stable name for counters and logs. */
const char *watch_outcome_label(enum watch_outcome outcome);

/* What an authentic answer measured. */
struct watch_sample {
    uint8_t leap;
    uint8_t stratum;
    int64_t offset_ns; /* the server's clock minus ours */
    int64_t delay_ns;
};

/* watch_judge_sample tells whether what an authentic answer says is fit for clients: leap, stratum
 * (RFC 5905, section 7.3), and an offset that is within `max_offset_ns` (0: any), as far as half
 * the delay leaves no doubt. */
enum watch_outcome watch_judge_sample(const struct watch_sample *sample, int64_t max_offset_ns);

/* watch_judge_status tells what a status of ntp_reply_check that is not NTS_OK means. */
enum watch_outcome watch_judge_status(enum nts_status status);

/* --- the keys to ask under --- */

/* What a master key is for, now. */
#define WATCH_ROLE_TABLE(X)                                                                        \
    X(SEALS, "seals")       /* clients get cookies under it: a server that lacks it is down */     \
    X(UPCOMING, "upcoming") /* they will */                                                        \
    X(PREVIOUS, "previous") /* they did, and bring them */

enum watch_role {
#define WATCH_ROLE_ENUM(name, label) WATCH_ROLE_##name,
    WATCH_ROLE_TABLE(WATCH_ROLE_ENUM)
#undef WATCH_ROLE_ENUM
        WATCH_NUM_ROLES
};

/* watch_role_label returns the name of a role for the log. */
const char *watch_role_label(enum watch_role role);

/* No server is asked under more keys than these. A schedule of the usual kind has half of them. */
#define WATCH_MAX_KEYS 32

struct watch_key {
    uint32_t id;
    const struct master_key *key;
    enum watch_role role;
    int64_t known_since_ns; /* when the watch saw it first */
};

struct watch_keys {
    size_t num;
    struct watch_key keys[WATCH_MAX_KEYS];
};

/* watch_keys_choose fills `*keys` from `ring`, which must live as long, at the times `now_s` (real)
 * and `now_ns` (monotonic): those that seal for an algorithm of `policy`, then upcoming ones from
 * the nearest on, then previous ones from the newest on, as many as there is room for. `*keys`
 * holds the choice before, or none; what it says of a key by that id stays known. */
void watch_keys_choose(struct watch_keys *keys, const struct keyring *ring,
                       const struct ke_policy *policy, int64_t now_s, int64_t now_ns);

/* watch_key_is_due tells whether a time server should have the key at the times `now_s` and
 * `now_ns`, if a keyring may take `grace_s` to get around: an upcoming key from so long after it
 * was seen here, a previous one until so long before it expires. */
bool watch_key_is_due(const struct watch_key *key, int64_t grace_s, int64_t now_s, int64_t now_ns);

/* --- one round: an address, asked under all keys at once --- */

/* What came of asking under one key. */
struct watch_verdict {
    uint32_t key_id;
    enum watch_role role;
    enum watch_outcome outcome;
};

/* watch_round_verdict folds `num` verdicts into the one that counts: of the keys that seal, the
 * first NAK, else the first failure, else one that succeeded. Keys in other roles count only where
 * none seals, and one success is enough then. WATCH_NOT_ASKED without any verdict. */
struct watch_verdict watch_round_verdict(const struct watch_verdict *verdicts, size_t num);

/* --- the state of an address --- */

#define WATCH_DOWN_AFTER 3 /* failures in a row */
#define WATCH_UP_AFTER   2 /* answers in a row */

enum watch_state { WATCH_STATE_UNKNOWN, WATCH_STATE_UP, WATCH_STATE_DOWN };

/* Zero-initialised: nothing is known, which counts as up. */
struct watch_health {
    enum watch_state state;
    unsigned num_against;            /* outcomes in a row that speak against the state */
    enum watch_outcome last_failure; /* of the state DOWN, or that speaks against the state */
};

/* watch_health_take takes the outcome of a round in, and returns whether the state has changed. A
 * server goes down after WATCH_DOWN_AFTER failures in a row, at once with a NAK, for every cookie
 * that it is brought is of that key; it comes up after WATCH_UP_AFTER answers in a row, at the
 * start with the first. WATCH_NOT_ASKED changes nothing. */
bool watch_health_take(struct watch_health *health, enum watch_outcome outcome);

static inline bool watch_health_is_up(const struct watch_health *health)
{
    return health->state != WATCH_STATE_DOWN;
}

/* --- keys that an address lacks --- */

/* Zero-initialised: it lacks none. */
struct watch_missing {
    size_t num;
    uint32_t ids[WATCH_MAX_KEYS];
};

/* watch_missing_take takes in what came of asking under a key, and returns whether that is news:
 * that it is missing, or no longer. Only a NAK and an authentic answer tell. */
bool watch_missing_take(struct watch_missing *missing, const struct watch_verdict *verdict);

/* watch_missing_forget drops what is known of keys that are not asked under any more. */
void watch_missing_forget(struct watch_missing *missing, const struct watch_keys *keys);

/* --- when to ask --- */

/* watch_next_ns returns the moment of the next round: an interval after `now_ns`, give or take a
 * tenth, so that rounds spread and no two ke-servers keep step. `random` is any number. */
int64_t watch_next_ns(int64_t now_ns, int64_t interval_ns, uint32_t random);

#endif

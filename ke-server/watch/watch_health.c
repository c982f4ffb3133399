#include "ke-server/watch/watch_health.h"

#include "base/clock_time.h"

#include <string.h>

static const char *const outcome_labels[WATCH_NUM_OUTCOMES] = {
#define WATCH_OUTCOME_LABEL(name, label, text) [WATCH_##name] = label,
    WATCH_OUTCOME_TABLE(WATCH_OUTCOME_LABEL)
#undef WATCH_OUTCOME_LABEL
};

static const char *const role_labels[WATCH_NUM_ROLES] = {
#define WATCH_ROLE_LABEL(name, label) [WATCH_ROLE_##name] = label,
    WATCH_ROLE_TABLE(WATCH_ROLE_LABEL)
#undef WATCH_ROLE_LABEL
};

const char *watch_outcome_label(enum watch_outcome outcome)
{
    return outcome_labels[outcome];
}

const char *watch_role_label(enum watch_role role)
{
    return role_labels[role];
}

/* --- what came of asking --- */

enum watch_outcome watch_judge_sample(const struct watch_sample *sample, int64_t max_offset_ns)
{
    if (sample->leap == NTP_LEAP_UNSYNCHRONISED || sample->stratum < 1 ||
        sample->stratum > NTP_MAX_STRATUM) {
        return WATCH_UNSYNCHRONISED;
    }
    int64_t distance_ns = sample->offset_ns < 0 ? -sample->offset_ns : sample->offset_ns;
    int64_t doubt_ns = sample->delay_ns > 0 ? sample->delay_ns / 2 : 0;
    /* The true offset is within half the delay of the measured one. */
    return max_offset_ns > 0 && distance_ns - doubt_ns > max_offset_ns ? WATCH_OFFSET
                                                                       : WATCH_ANSWERED;
}

enum watch_outcome watch_judge_status(enum nts_status status)
{
    switch (status) {
    case NTS_ERR_TIMEOUT:
    case NTS_ERR_MISMATCH: /* another host's, as good as none */
        return WATCH_TIMEOUT;
    case NTS_ERR_NAK:
        return WATCH_NAK;
    case NTS_ERR_KISS:
        return WATCH_KISS;
    case NTS_ERR_FORGED:
        return WATCH_FORGED;
    default:
        return WATCH_MALFORMED;
    }
}

/* --- the keys to ask under --- */

/* Where the choice is built, beside the one before. */
struct choice {
    struct watch_keys keys;
    const struct watch_keys *before;
    int64_t now_ns;
};

static bool is_chosen(const struct watch_keys *keys, const struct master_key *key)
{
    for (size_t i = 0; i < keys->num; i++) {
        if (keys->keys[i].key == key) {
            return true;
        }
    }
    return false;
}

/* The keys of `before` may be gone: it is read by id alone. */
static int64_t known_since_ns(const struct choice *choice, uint32_t id)
{
    for (size_t i = 0; i < choice->before->num; i++) {
        if (choice->before->keys[i].id == id) {
            return choice->before->keys[i].known_since_ns;
        }
    }
    return choice->now_ns;
}

static void take_key(struct choice *choice, const struct master_key *key, enum watch_role role)
{
    struct watch_keys *keys = &choice->keys;
    if (key == NULL || keys->num == WATCH_MAX_KEYS || is_chosen(keys, key)) {
        return;
    }
    keys->keys[keys->num++] = (struct watch_key){
        .id = key->id,
        .key = key,
        .role = role,
        .known_since_ns = known_since_ns(choice, key->id),
    };
}

void watch_keys_choose(struct watch_keys *keys, const struct keyring *ring,
                       const struct ke_policy *policy, int64_t now_s, int64_t now_ns)
{
    struct choice choice = {.before = keys, .now_ns = now_ns};
    for (size_t i = 0; i < policy->num_aeads; i++) {
        take_key(&choice, keyring_sealing_key(ring, policy->aeads[i], now_s), WATCH_ROLE_SEALS);
    }
    /* In ascending order of activation. */
    for (size_t i = 0; i < ring->num_keys; i++) {
        const struct master_key *key = &ring->keys[i];
        if (key->activate_at_s > now_s && master_key_opens(key, now_s)) {
            take_key(&choice, key, WATCH_ROLE_UPCOMING);
        }
    }
    for (size_t i = ring->num_keys; i-- > 0;) {
        const struct master_key *key = &ring->keys[i];
        if (key->activate_at_s <= now_s && master_key_opens(key, now_s)) {
            take_key(&choice, key, WATCH_ROLE_PREVIOUS);
        }
    }
    *keys = choice.keys;
}

bool watch_key_is_due(const struct watch_key *key, int64_t grace_s, int64_t now_s, int64_t now_ns)
{
    switch (key->role) {
    case WATCH_ROLE_UPCOMING:
        return now_ns - key->known_since_ns >= grace_s * NS_PER_S;
    case WATCH_ROLE_PREVIOUS:
        return key->key->expire_at_s - now_s >= grace_s;
    default:
        return true;
    }
}

/* --- one round --- */

/* How much a verdict counts for the round; of equals the first. */
static int weight_of(const struct watch_verdict *verdict, bool some_seal)
{
    if (!some_seal) {
        return verdict->outcome == WATCH_ANSWERED ? 2 : 1;
    }
    if (verdict->role != WATCH_ROLE_SEALS) {
        return 0;
    }
    switch (verdict->outcome) {
    case WATCH_ANSWERED:
        return 1;
    case WATCH_NAK:
        return 3;
    default:
        return 2;
    }
}

struct watch_verdict watch_round_verdict(const struct watch_verdict *verdicts, size_t num)
{
    struct watch_verdict found = {.outcome = WATCH_NOT_ASKED};
    int found_weight = 0;
    bool some_seal = false;
    for (size_t i = 0; i < num; i++) {
        some_seal = some_seal || verdicts[i].role == WATCH_ROLE_SEALS;
    }
    for (size_t i = 0; i < num; i++) {
        int weight = weight_of(&verdicts[i], some_seal);
        if (weight > found_weight) {
            found = verdicts[i];
            found_weight = weight;
        }
    }
    return found;
}

/* --- the state of an address --- */

static bool become(struct watch_health *health, enum watch_state state)
{
    health->state = state;
    health->num_against = 0;
    return true;
}

bool watch_health_take(struct watch_health *health, enum watch_outcome outcome)
{
    if (outcome == WATCH_NOT_ASKED) {
        return false;
    }
    bool failed = outcome != WATCH_ANSWERED;
    if (failed) {
        health->last_failure = outcome;
    }
    if (health->state == WATCH_STATE_UNKNOWN && !failed) {
        return become(health, WATCH_STATE_UP);
    }
    if (failed == (health->state == WATCH_STATE_DOWN)) {
        health->num_against = 0;
        return false;
    }
    health->num_against++;
    if (!failed) {
        return health->num_against >= WATCH_UP_AFTER && become(health, WATCH_STATE_UP);
    }
    return (health->num_against >= WATCH_DOWN_AFTER || outcome == WATCH_NAK) &&
           become(health, WATCH_STATE_DOWN);
}

/* --- keys that an address lacks --- */

static size_t find_missing(const struct watch_missing *missing, uint32_t id)
{
    size_t i = 0;
    while (i < missing->num && missing->ids[i] != id) {
        i++;
    }
    return i;
}

/* An authentic answer, whatever it says of the clock, took the keys from the cookie. */
static bool proves_key(enum watch_outcome outcome)
{
    return outcome == WATCH_ANSWERED || outcome == WATCH_UNSYNCHRONISED || outcome == WATCH_OFFSET;
}

bool watch_missing_take(struct watch_missing *missing, const struct watch_verdict *verdict)
{
    size_t at = find_missing(missing, verdict->key_id);
    bool is_known = at < missing->num;
    if (verdict->outcome == WATCH_NAK && !is_known && missing->num < WATCH_MAX_KEYS) {
        missing->ids[missing->num++] = verdict->key_id;
        return true;
    }
    if (proves_key(verdict->outcome) && is_known) {
        missing->ids[at] = missing->ids[--missing->num];
        return true;
    }
    return false;
}

void watch_missing_forget(struct watch_missing *missing, const struct watch_keys *keys)
{
    for (size_t i = missing->num; i-- > 0;) {
        bool is_asked = false;
        for (size_t j = 0; j < keys->num; j++) {
            is_asked = is_asked || keys->keys[j].id == missing->ids[i];
        }
        if (!is_asked) {
            missing->ids[i] = missing->ids[--missing->num];
        }
    }
}

/* --- when to ask --- */

int64_t watch_next_ns(int64_t now_ns, int64_t interval_ns, uint32_t random)
{
    int64_t tenth_ns = interval_ns / 10;
    return now_ns + interval_ns - tenth_ns + 2 * tenth_ns * (int64_t)(random >> 16) / 65536;
}

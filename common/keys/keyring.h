/* The keyring: the master keys of the farm, as an immutable snapshot that any number of threads
 * read at once. Which key seals and which opens is decided here, by time, with no reload. */
#ifndef NTS_KEYS_KEYRING_H
#define NTS_KEYS_KEYRING_H

#include "base/snapshot.h"
#include "base/status.h"
#include "crypto/aead.h"
#include "keys/key_layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYRING_MAX_KEYS 1024

struct master_key {
    uint32_t id; /* the first four octets of a cookie, big-endian */
    enum key_layout layout;
    int64_t activate_at_s; /* since 1970 */
    int64_t expire_at_s;
    uint8_t secret[MASTER_KEY_MAX_SECRET];
    struct aead_expanded expanded; /* of `secret`, for the algorithm of the layout */
};

struct keyring {
    struct snapshot snapshot; /* first member */
    uint64_t generation;
    size_t num_keys;
    unsigned index_shift;
    uint16_t *index;         /* hash of the id -> position in `keys` + 1, 0 is empty */
    struct master_key *keys; /* ascending activate_at_s */
};

/* What a key is made of, before it has a schedule. */
struct master_key_spec {
    uint32_t id;
    enum key_layout layout;
    int64_t activate_at_s;
    int64_t expire_at_s;
    uint8_t secret[MASTER_KEY_MAX_SECRET]; /* key_layout_secret_len(layout) octets */
};

/* keyring_create copies `num` keys (0 .. KEYRING_MAX_KEYS, ids distinct) into locked memory and
 * expands them. The caller owns one reference, dropped with snapshot_unref(&ring->snapshot), and
 * wipes its specs. NULL if there is no memory, or no room for that many keys. */
struct keyring *keyring_create(uint64_t generation, const struct master_key_spec *specs,
                               size_t num);

/* keyring_find returns the key with that id, expired or not; NULL if there is none. Constant time
 * in the number of keys. */
const struct master_key *keyring_find(const struct keyring *ring, uint32_t id);

/* keyring_sealing_key returns the key that seals at `now_s` cookies for `aead`: the one most
 * recently activated that has not expired and whose layout can. NULL if none can. */
const struct master_key *keyring_sealing_key(const struct keyring *ring,
                                             const struct aead_algorithm *aead, int64_t now_s);

/* keyring_active_key returns the key most recently activated that has not expired, whatever it can
 * seal; NULL if none. */
const struct master_key *keyring_active_key(const struct keyring *ring, int64_t now_s);

/* How a key stands to the one that seals: what the cookies that clients bring tell of a rotation.
 */
#define KEY_AGE_TABLE(X)                                                                           \
    X(ACTIVE, "active")     /* it is the active key */                                             \
    X(PREVIOUS, "previous") /* it was, until the active key took over */                           \
    X(OLDER, "older")       /* it was before that */                                               \
    X(UPCOMING, "upcoming") /* it will be; another node's clock is ahead */

enum key_age {
#define KEY_AGE_ENUM(name, label) KEY_AGE_##name,
    KEY_AGE_TABLE(KEY_AGE_ENUM)
#undef KEY_AGE_ENUM
        KEY_NUM_AGES
};

/* keyring_key_age compares a key of the ring with the active one (NULL if there is none). */
enum key_age keyring_key_age(const struct master_key *key, const struct master_key *active,
                             int64_t now_s);

/* Where a keyring is in its life. */
struct keyring_state {
    const struct master_key *active; /* NULL: no key seals */
    const struct master_key *next;   /* the next to activate, NULL: no key is upcoming */
    int64_t next_activation_s;       /* from now; meaningless without `next` */
    int64_t last_expiry_s;           /* from now until no key opens; negative: since then */
    bool is_near_end;                /* the key that opens longest has a fifth of its life left */
};

/* keyring_state_at fills `*state` for the moment `now_s`. */
void keyring_state_at(struct keyring_state *state, const struct keyring *ring, int64_t now_s);

/* master_key_opens tells whether the key may open cookies at `now_s`: until it expires, and before
 * it activates too, because another node may be a second ahead. */
static inline bool master_key_opens(const struct master_key *key, int64_t now_s)
{
    return now_s < key->expire_at_s;
}

#endif

/* Cookie codec: seals a session's two keys under a master key of the farm (RFC 8915, section 6).
 * Thread-safe: every call takes an immutable keyring snapshot. Never allocates.
 *
 *   chrony-siv     id(4) nonce(16) AES-SIV-CMAC-256("", nonce; C2S S2C), tag first
 *   chrony-gcmsiv  id(4) nonce(12) AES-128-GCM-SIV(; C2S S2C), tag last; AEAD 30 and 15 only
 *   netnod         id(4) nonce(16) AES-SIV-CMAC-256(nonce; C2S S2C), tag first; AEAD 15 only
 *
 * The session's AEAD is not stored: it follows from the length of the two keys. */
#ifndef NTS_KEYS_COOKIE_H
#define NTS_KEYS_COOKIE_H

#include "crypto/aead.h"
#include "crypto/random.h"
#include "keys/keyring.h"

#define COOKIE_MAX_LEN 164 /* chrony-siv, AEAD 17 */

_Static_assert(COOKIE_MAX_LEN == MASTER_KEY_ID_LEN + 16 + SIV_TAG_LEN + 2 * AEAD_MAX_KEY_LEN,
               "the longest cookie");

/* The keys that a client and the farm share. Wipe after use. */
struct session_keys {
    const struct aead_algorithm *aead;
    uint8_t c2s[AEAD_MAX_KEY_LEN];
    uint8_t s2c[AEAD_MAX_KEY_LEN];
};

struct cookie_open_job {
    const uint8_t *cookie;
    size_t cookie_len;
    const struct master_key *key; /* out: the one that the cookie names, NULL if there is none */
    struct session_keys keys;     /* out; zeroed on error */
    /* Out: NTS_OK, NTS_ERR_COOKIE_FORM, NTS_ERR_KEY_UNKNOWN (rotated out or never ours),
     * NTS_ERR_KEY_EXPIRED or NTS_ERR_FORGED. For each of them RFC 8915, section 5.7, wants a NAK.
     */
    enum nts_status status;
};

struct cookie_seal_job {
    const struct master_key *key; /* from keyring_sealing_key, for keys->aead */
    const struct session_keys *keys;
    uint8_t *cookie; /* out: key_layout_cookie_len(key->layout, keys->aead) octets */
    enum nts_status
        status; /* out: NTS_OK, or NTS_ERR_INTERNAL: `cookie` holds nothing to give out */
};

/* cookie_open_batch opens each of the `num` cookies with whichever key of the ring it names. */
void cookie_open_batch(const struct keyring *ring, struct cookie_open_job *jobs, size_t num,
                       int64_t now_s);

/* cookie_seal_batch makes `num` cookies, each with a nonce of its own from `random`. NTS_OK, or
 * NTS_ERR_INTERNAL if any of them has that status: its key cannot seal for its algorithm. */
NTS_MUST_CHECK enum nts_status cookie_seal_batch(struct cookie_seal_job *jobs, size_t num,
                                                 struct random_pool *random);

/* cookie_seal_status returns NTS_OK if all of `num` jobs have that status, else the first other. */
enum nts_status cookie_seal_status(const struct cookie_seal_job *jobs, size_t num);

#endif

#include "keys/cookie.h"

#include "base/cursor.h"
#include "crypto/secret_mem.h"

#include <assert.h>
#include <openssl/err.h>
#include <string.h>

#define SIV_NONCE_LEN     16
#define GCM_SIV_NONCE_LEN 12
#define MAX_PLAINTEXT_LEN (2 * AEAD_MAX_KEY_LEN)

/* The algorithm whose cookies under this layout have that length; NULL if none has. */
static const struct aead_algorithm *aead_of_cookie(enum key_layout layout, size_t len)
{
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        if (key_layout_cookie_len(layout, aead_at(i)) == len) {
            return aead_at(i);
        }
    }
    return NULL;
}

/* The strings that a SIV layout authenticates beside the plaintext: chrony puts an empty one in
 * front of the nonce, Netnod's hardware does not. */
static size_t siv_strings(const struct siv_string **first, struct siv_string strings[2],
                          enum key_layout layout, const uint8_t *nonce)
{
    strings[0] = (struct siv_string){NULL, 0};
    strings[1] = (struct siv_string){nonce, SIV_NONCE_LEN};
    *first = layout == KEY_LAYOUT_NETNOD ? &strings[1] : &strings[0];
    return layout == KEY_LAYOUT_NETNOD ? 1 : 2;
}

static enum nts_status open_sealed(const struct master_key *key, uint8_t *plaintext,
                                   const uint8_t *nonce, const uint8_t *sealed, size_t sealed_len)
{
    if (key->layout == KEY_LAYOUT_CHRONY_GCMSIV) {
        size_t out_len;
        if (!EVP_AEAD_CTX_open(&key->schedule.gcm_siv, plaintext, &out_len, sealed_len, nonce,
                               GCM_SIV_NONCE_LEN, sealed, sealed_len, NULL, 0)) {
            ERR_clear_error();
            return NTS_ERR_FORGED;
        }
        return NTS_OK;
    }
    struct siv_string strings[2];
    const struct siv_string *first;
    size_t num = siv_strings(&first, strings, key->layout, nonce);
    return siv_open(&key->schedule.siv, plaintext, first, num, sealed, sealed_len);
}

static enum nts_status open_one(const struct keyring *ring, struct cookie_open_job *job,
                                int64_t now_s)
{
    struct session_keys *keys = &job->keys;
    const uint8_t *cookie = job->cookie;
    size_t len = job->cookie_len;
    job->key = NULL;
    if (len < MASTER_KEY_ID_LEN) {
        return NTS_ERR_COOKIE_FORM;
    }
    const struct master_key *key = keyring_find(ring, load_u32(cookie));
    job->key = key;
    if (key == NULL) {
        return NTS_ERR_KEY_UNKNOWN;
    }
    if (!master_key_opens(key, now_s)) {
        return NTS_ERR_KEY_EXPIRED;
    }
    keys->aead = aead_of_cookie(key->layout, len);
    if (keys->aead == NULL) {
        return NTS_ERR_COOKIE_FORM;
    }
    const uint8_t *nonce = cookie + MASTER_KEY_ID_LEN;
    const uint8_t *sealed = nonce + key_layout_nonce_len(key->layout);
    uint8_t plaintext[MAX_PLAINTEXT_LEN];
    enum nts_status status =
        open_sealed(key, plaintext, nonce, sealed, len - (size_t)(sealed - cookie));
    if (status == NTS_OK) {
        memcpy(keys->c2s, plaintext, keys->aead->key_len);
        memcpy(keys->s2c, plaintext + keys->aead->key_len, keys->aead->key_len);
    }
    secret_wipe(plaintext, sizeof(plaintext));
    return status;
}

void cookie_open_batch(const struct keyring *ring, struct cookie_open_job *jobs, size_t num,
                       int64_t now_s)
{
    for (size_t i = 0; i < num; i++) {
        struct cookie_open_job *job = &jobs[i];
        job->status = open_one(ring, job, now_s);
        if (job->status != NTS_OK) {
            memset(&job->keys, 0, sizeof(job->keys));
        }
    }
}

static void seal_one(const struct cookie_seal_job *job, struct random_pool *random)
{
    const struct master_key *key = job->key;
    size_t key_len = job->keys->aead->key_len;
    uint8_t *nonce = job->cookie + MASTER_KEY_ID_LEN;
    uint8_t *sealed = nonce + key_layout_nonce_len(key->layout);
    uint8_t plaintext[MAX_PLAINTEXT_LEN];

    assert(key_layout_cookie_len(key->layout, job->keys->aead) > 0);
    store_u32(job->cookie, key->id);
    random_take(random, nonce, key_layout_nonce_len(key->layout));
    memcpy(plaintext, job->keys->c2s, key_len);
    memcpy(plaintext + key_len, job->keys->s2c, key_len);

    if (key->layout == KEY_LAYOUT_CHRONY_GCMSIV) {
        size_t out_len;
        int done =
            EVP_AEAD_CTX_seal(&key->schedule.gcm_siv, sealed, &out_len, 2 * key_len + AEAD_TAG_LEN,
                              nonce, GCM_SIV_NONCE_LEN, plaintext, 2 * key_len, NULL, 0);
        assert(done == 1); /* lengths are ours */
        (void)done;
    } else {
        struct siv_string strings[2];
        const struct siv_string *first;
        size_t num = siv_strings(&first, strings, key->layout, nonce);
        siv_seal(&key->schedule.siv, sealed, first, num, plaintext, 2 * key_len);
    }
    secret_wipe(plaintext, sizeof(plaintext));
}

void cookie_seal_batch(struct cookie_seal_job *jobs, size_t num, struct random_pool *random)
{
    for (size_t i = 0; i < num; i++) {
        seal_one(&jobs[i], random);
    }
}

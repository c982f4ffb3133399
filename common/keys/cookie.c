#include "keys/cookie.h"

#include "base/cursor.h"
#include "crypto/secret_mem.h"

#include <string.h>

#define MAX_PLAINTEXT_LEN (2 * AEAD_MAX_KEY_LEN)
#define CHUNK_JOBS        32

/* The AEAD jobs of some cookies on their way, and the plaintexts that they work on. */
struct chunk {
    size_t num;
    struct aead_job aead_jobs[CHUNK_JOBS];
    uint8_t plaintexts[CHUNK_JOBS][MAX_PLAINTEXT_LEN];
};

static void chunk_wipe(struct chunk *chunk)
{
    secret_wipe(chunk->plaintexts, chunk->num * sizeof(chunk->plaintexts[0]));
}

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

/* Copies a session key: a few vectors, where memcpy would be a call for each. */
static inline void key_copy(uint8_t *to, const uint8_t *from, size_t len)
{
    memcpy(to, from, 16);
    for (size_t i = 16; i < len; i += 16) {
        memcpy(to + i, from + i, 16);
    }
}

/* Queues the AEAD job of one cookie under `key`; the caller says from where to where. */
static inline struct aead_job *chunk_add(struct chunk *chunk, const struct master_key *key,
                                         const uint8_t *nonce)
{
    struct aead_job *job = &chunk->aead_jobs[chunk->num++];
    job->aead = key->expanded.aead;
    job->expanded = &key->expanded;
    job->key = NULL;
    job->nonce = nonce;
    job->nonce_len = key->expanded.aead->nonce_len;
    job->ad = NULL;
    job->ad_len = 0;
    return job;
}

/* Finds the key, judges the form and queues the decryption. */
static enum nts_status open_start(const struct keyring *ring, struct cookie_open_job *job,
                                  int64_t now_s, struct chunk *chunk)
{
    job->key = NULL;
    if (job->cookie_len < MASTER_KEY_ID_LEN) {
        return NTS_ERR_COOKIE_FORM;
    }
    const struct master_key *key = keyring_find(ring, load_u32(job->cookie));
    job->key = key;
    if (key == NULL) {
        return NTS_ERR_KEY_UNKNOWN;
    }
    if (!master_key_opens(key, now_s)) {
        return NTS_ERR_KEY_EXPIRED;
    }
    job->keys.aead = aead_of_cookie(key->layout, job->cookie_len);
    if (job->keys.aead == NULL) {
        return NTS_ERR_COOKIE_FORM;
    }
    uint8_t *plaintext = chunk->plaintexts[chunk->num];
    struct aead_job *aead_job = chunk_add(chunk, key, job->cookie + MASTER_KEY_ID_LEN);
    aead_job->in = aead_job->nonce + aead_job->nonce_len;
    aead_job->in_len = job->cookie_len - (size_t)(aead_job->in - job->cookie);
    aead_job->out = plaintext;
    return NTS_OK;
}

static void open_finish(struct cookie_open_job *job, const struct aead_job *aead_job)
{
    size_t key_len = job->keys.aead->key_len;
    job->status = aead_job->status;
    key_copy(job->keys.c2s, aead_job->out, key_len);
    key_copy(job->keys.s2c, aead_job->out + key_len, key_len);
}

static void open_chunk(const struct keyring *ring, struct cookie_open_job *jobs, size_t num,
                       int64_t now_s)
{
    struct chunk chunk;
    chunk.num = 0;
    for (size_t i = 0; i < num; i++) {
        jobs[i].status = open_start(ring, &jobs[i], now_s, &chunk);
    }
    aead_open_batch(chunk.aead_jobs, chunk.num);
    const struct aead_job *aead_job = chunk.aead_jobs;
    for (size_t i = 0; i < num; i++) {
        if (jobs[i].status == NTS_OK) {
            open_finish(&jobs[i], aead_job++);
        }
        if (jobs[i].status != NTS_OK) {
            memset(&jobs[i].keys, 0, sizeof(jobs[i].keys));
        }
    }
    chunk_wipe(&chunk);
}

void cookie_open_batch(const struct keyring *ring, struct cookie_open_job *jobs, size_t num,
                       int64_t now_s)
{
    for (size_t done = 0; done < num; done += CHUNK_JOBS) {
        size_t left = num - done;
        open_chunk(ring, jobs + done, left < CHUNK_JOBS ? left : CHUNK_JOBS, now_s);
    }
}

/* Writes the cookie up to its nonce and queues the encryption of the two keys. */
static enum nts_status seal_start(const struct cookie_seal_job *job, struct random_pool *random,
                                  struct chunk *chunk)
{
    const struct master_key *key = job->key;
    if (key_layout_cookie_len(key->layout, job->keys->aead) == 0) {
        return NTS_ERR_INTERNAL; /* the room at job->cookie was reckoned for another key */
    }
    size_t key_len = job->keys->aead->key_len;
    uint8_t *nonce = job->cookie + MASTER_KEY_ID_LEN;
    uint8_t *plaintext = chunk->plaintexts[chunk->num];
    struct aead_job *aead_job = chunk_add(chunk, key, nonce);
    aead_job->out = nonce + aead_job->nonce_len;
    aead_job->in = plaintext;
    aead_job->in_len = 2 * key_len;
    store_u32(job->cookie, key->id);
    random_take(random, nonce, aead_job->nonce_len);
    key_copy(plaintext, job->keys->c2s, key_len);
    key_copy(plaintext + key_len, job->keys->s2c, key_len);
    return NTS_OK;
}

static enum nts_status seal_chunk(struct cookie_seal_job *jobs, size_t num,
                                  struct random_pool *random)
{
    struct chunk chunk;
    chunk.num = 0;
    for (size_t i = 0; i < num; i++) {
        jobs[i].status = seal_start(&jobs[i], random, &chunk);
    }
    aead_seal_batch(chunk.aead_jobs, chunk.num);
    const struct aead_job *aead_job = chunk.aead_jobs;
    for (size_t i = 0; i < num; i++) {
        if (jobs[i].status == NTS_OK) {
            jobs[i].status = (aead_job++)->status == NTS_OK ? NTS_OK : NTS_ERR_INTERNAL;
        }
    }
    chunk_wipe(&chunk);
    return cookie_seal_status(jobs, num);
}

enum nts_status cookie_seal_batch(struct cookie_seal_job *jobs, size_t num,
                                  struct random_pool *random)
{
    enum nts_status status = NTS_OK;
    for (size_t done = 0; done < num; done += CHUNK_JOBS) {
        size_t left = num - done;
        enum nts_status chunk_status =
            seal_chunk(jobs + done, left < CHUNK_JOBS ? left : CHUNK_JOBS, random);
        status = status == NTS_OK ? chunk_status : status;
    }
    return status;
}

enum nts_status cookie_seal_status(const struct cookie_seal_job *jobs, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        if (jobs[i].status != NTS_OK) {
            return jobs[i].status;
        }
    }
    return NTS_OK;
}

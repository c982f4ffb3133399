#include "crypto/aead.h"

#include "base/cursor.h"
#include "crypto/aead_boringssl.h"
#include "crypto/lanes/lanes.h"

#include <assert.h>
#include <openssl/mem.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* How many jobs are sorted and worked on together: their keys and states fit the first cache. */
#define CHUNK_JOBS LANES_MAX_JOBS

static const struct aead_algorithm algorithms[AEAD_NUM_ALGORITHMS] = {
    {0, 32, 16, 0, AEAD_AES_SIV_CMAC_256, "AEAD_AES_SIV_CMAC_256"},
    {1, 48, 16, 0, AEAD_AES_SIV_CMAC_384, "AEAD_AES_SIV_CMAC_384"},
    {2, 64, 16, 0, AEAD_AES_SIV_CMAC_512, "AEAD_AES_SIV_CMAC_512"},
    {3, 16, 12, 12, AEAD_AES_128_GCM_SIV, "AEAD_AES_128_GCM_SIV"},
};

const struct aead_algorithm *aead_find(uint16_t id)
{
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        if (algorithms[i].id == id) {
            return &algorithms[i];
        }
    }
    return NULL;
}

const struct aead_algorithm *aead_at(size_t index)
{
    return &algorithms[index];
}

size_t aead_required_nonce_room(const struct aead_algorithm *aead)
{
    size_t required = 16;
    return aead->max_nonce_len != 0 && aead->max_nonce_len < required ? pad4(aead->max_nonce_len)
                                                                      : required;
}

bool aead_nonce_fits(const struct aead_algorithm *aead, size_t nonce_len, size_t nonce_room)
{
    /* AES-GCM-SIV takes nonces of exactly 96 bits (RFC 8452, section 6). */
    if (aead->max_nonce_len != 0 && nonce_len != aead->max_nonce_len) {
        return false;
    }
    return nonce_len > 0 && nonce_room >= aead_required_nonce_room(aead);
}

static const char *const path_names[AEAD_NUM_PATHS] = {
#define AEAD_PATH_NAME(name, label) [AEAD_PATH_##name] = label,
    AEAD_PATH_TABLE(AEAD_PATH_NAME)
#undef AEAD_PATH_NAME
};

/* NULL: every job goes through BoringSSL. */
static const struct lanes *const path_lanes[AEAD_NUM_PATHS] = {
#ifdef NTS_LANES_X86
    [AEAD_PATH_AESNI] = &lanes_aesni,
    [AEAD_PATH_VAES] = &lanes_vaes,
#endif
};

/* The path in use plus one; 0: not chosen yet. Threads that choose at once choose the same. */
static atomic_uint chosen_path;

const char *aead_path_name(enum aead_path path)
{
    return path_names[path];
}

bool aead_path_is_present(enum aead_path path)
{
    return path == AEAD_PATH_BORINGSSL ||
           (path_lanes[path] != NULL && path_lanes[path]->is_present());
}

static enum aead_path choose_path(void)
{
    const char *wanted = secure_getenv("NTS_AEAD_PATH");
    int best = AEAD_PATH_BORINGSSL;
    for (int path = 0; path < AEAD_NUM_PATHS; path++) {
        if (!aead_path_is_present((enum aead_path)path)) {
            continue;
        }
        if (wanted != NULL && strcmp(wanted, path_names[path]) == 0) {
            return (enum aead_path)path;
        }
        best = path;
    }
    return (enum aead_path)best;
}

enum aead_path aead_path_current(void)
{
    unsigned chosen = atomic_load_explicit(&chosen_path, memory_order_relaxed);
    if (chosen == 0) {
        chosen = (unsigned)choose_path() + 1;
        atomic_store_explicit(&chosen_path, chosen, memory_order_relaxed);
    }
    return (enum aead_path)(chosen - 1);
}

void aead_path_select(enum aead_path path)
{
    assert(aead_path_is_present(path));
    atomic_store(&chosen_path, (unsigned)path + 1);
}

bool aead_expand(struct aead_expanded *expanded, const struct aead_algorithm *aead,
                 const uint8_t *key, bool omits_ad)
{
    *expanded = (struct aead_expanded){.aead = aead, .omits_ad = omits_ad};
    struct lanes_key *lanes = &expanded->lanes;
    if (aead->id == AEAD_AES_128_GCM_SIV) {
        if (!EVP_AEAD_CTX_init(&expanded->boringssl.gcm_siv, EVP_aead_aes_128_gcm_siv(), key,
                               aead->key_len, AEAD_TAG_LEN, NULL)) {
            expanded->aead = NULL;
            return false;
        }
    } else {
        assert(aead->id == AEAD_AES_SIV_CMAC_256);
        struct siv_key *siv = &expanded->boringssl.siv;
        const struct siv_string empty = {NULL, 0};
        siv_key_init(siv, key, aead->key_len);
        memcpy(lanes->subkey_whole, siv->subkey_whole, sizeof(lanes->subkey_whole));
        memcpy(lanes->subkey_partial, siv->subkey_partial, sizeof(lanes->subkey_partial));
        siv_sum(siv, lanes->sum, &empty, omits_ad ? 0 : 1);
    }
#ifdef NTS_LANES_X86
    if (lanes_aesni.is_present()) {
        lanes_key_expand(lanes, key, aead->key_len / 16u);
    }
#endif
    return true;
}

void aead_expanded_cleanup(struct aead_expanded *expanded)
{
    if (expanded->aead != NULL && expanded->aead->id == AEAD_AES_128_GCM_SIV) {
        EVP_AEAD_CTX_cleanup(&expanded->boringssl.gcm_siv);
    }
    OPENSSL_cleanse(expanded, sizeof(*expanded));
}

/* Jobs that can be worked on side by side are of one kind. */
enum job_kind {
    KIND_SIV,
    KIND_SIV_EXPANDED,
    KIND_GCM_SIV,
    KIND_GCM_SIV_EXPANDED,
    KIND_OTHER, /* longer keys, and what boringssl_run refuses */
};

static enum job_kind kind_of(const struct aead_job *job, bool seal)
{
    if ((!seal && job->in_len < AEAD_TAG_LEN) || (job->expanded != NULL && job->ad_len > 0)) {
        return KIND_OTHER;
    }
    if (job->aead->id == AEAD_AES_SIV_CMAC_256) {
        return job->expanded != NULL ? KIND_SIV_EXPANDED : KIND_SIV;
    }
    if (job->aead->id == AEAD_AES_128_GCM_SIV && job->nonce_len == job->aead->max_nonce_len) {
        return job->expanded != NULL ? KIND_GCM_SIV_EXPANDED : KIND_GCM_SIV;
    }
    return KIND_OTHER;
}

/* Jobs are sorted by kind, then by length: the shorter waits for the longer beside it. */
#define RANK_KIND_SHIFT   56
#define RANK_AD_SHIFT     28
#define RANK_BLOCKS(len_) ((uint64_t)(len_) / 16 & 0xfffffff)

static uint64_t rank_of(const struct aead_job *job, bool seal)
{
    return (uint64_t)kind_of(job, seal) << RANK_KIND_SHIFT |
           RANK_BLOCKS(job->ad_len) << RANK_AD_SHIFT | RANK_BLOCKS(job->in_len);
}

static void run_kind(const struct lanes *lanes, enum job_kind kind, struct aead_job *const *jobs,
                     size_t num, bool seal)
{
    if (kind == KIND_SIV || kind == KIND_SIV_EXPANDED) {
        lanes->siv(jobs, num, seal);
    } else if (kind == KIND_GCM_SIV || kind == KIND_GCM_SIV_EXPANDED) {
        lanes->gcm_siv(jobs, num, seal);
    } else {
        for (size_t i = 0; i < num; i++) {
            boringssl_run(jobs[i], seal);
        }
    }
}

static void run_chunk(const struct lanes *lanes, struct aead_job *jobs, size_t num, bool seal)
{
    struct aead_job *sorted[CHUNK_JOBS];
    uint64_t ranks[CHUNK_JOBS];
    for (size_t i = 0; i < num; i++) {
        uint64_t rank = rank_of(&jobs[i], seal);
        size_t at = i;
        /* In a usual batch all are equal, and nothing moves. */
        for (; at > 0 && ranks[at - 1] > rank; at--) {
            ranks[at] = ranks[at - 1];
            sorted[at] = sorted[at - 1];
        }
        ranks[at] = rank;
        sorted[at] = &jobs[i];
    }
    size_t end;
    for (size_t start = 0; start < num; start = end) {
        uint64_t kind = ranks[start] >> RANK_KIND_SHIFT;
        for (end = start + 1; end < num && ranks[end] >> RANK_KIND_SHIFT == kind; end++) {
        }
        run_kind(lanes, (enum job_kind)kind, sorted + start, end - start, seal);
    }
}

static void run_batch(struct aead_job *jobs, size_t num, bool seal)
{
    const struct lanes *lanes = path_lanes[aead_path_current()];
    if (lanes == NULL) {
        for (size_t i = 0; i < num; i++) {
            boringssl_run(&jobs[i], seal);
        }
        return;
    }
    for (size_t done = 0; done < num; done += CHUNK_JOBS) {
        size_t left = num - done;
        run_chunk(lanes, jobs + done, left < CHUNK_JOBS ? left : CHUNK_JOBS, seal);
    }
}

void aead_seal_batch(struct aead_job *jobs, size_t num)
{
    run_batch(jobs, num, true);
}

void aead_open_batch(struct aead_job *jobs, size_t num)
{
    run_batch(jobs, num, false);
}

/* Every path of the AEADs against BoringSSL, bit by bit, and against the published vectors. */
#include "base/cursor.h"
#include "keys/cookie.h"
#include "support/aead_agreement.h"
#include "support/aead_paths.h"
#include "support/octets.h"

static struct agreement_job batch[AGREEMENT_MAX_JOBS];

Test(aead_paths, agree_on_batches_of_every_size_mix_and_forgery)
{
    struct octet_source source = {.state = 20261122};
    for (size_t round = 0; round < 12; round++) {
        for (size_t num = 1; num <= AGREEMENT_MAX_JOBS; num++) {
            for (size_t i = 0; i < num; i++) {
                agreement_draw_job(&source, &batch[i]);
            }
            cr_assert(agreement_holds(batch, num), "round %zu, %zu jobs", round, num);
        }
    }
}

/* Fills a batch with jobs of one kind and of the lengths given. */
static void draw_lengths(struct octet_source *source, size_t i, const struct aead_algorithm *aead,
                         size_t ad_len, size_t text_len)
{
    struct agreement_job *job = &batch[i];
    job->job = (struct aead_job){.aead = aead,
                                 .key = job->key,
                                 .nonce = job->nonce,
                                 .nonce_len = aead->nonce_len,
                                 .ad = job->ad,
                                 .ad_len = ad_len};
    job->text_len = text_len;
    job->forgery = draw_octet(source) % 8 == 0 ? draw_octet(source) : 0;
    agreement_fill(source, job->key, aead->key_len);
    agreement_fill(source, job->nonce, job->job.nonce_len);
    agreement_fill(source, job->ad, ad_len);
    agreement_fill(source, job->text, text_len);
}

Test(aead_paths, agree_on_every_length)
{
    static const uint16_t ids[] = {AEAD_AES_SIV_CMAC_256, AEAD_AES_128_GCM_SIV};
    struct octet_source source = {.state = 8915};
    for (size_t id = 0; id < 2; id++) {
        for (size_t ad_len = 0; ad_len <= 66; ad_len++) {
            for (size_t text_len = 0; text_len < 2 * 64; text_len += 64) {
                for (size_t i = 0; i < 64; i++) {
                    /* the order in which the jobs come is not that of their lengths */
                    draw_lengths(&source, i, aead_find(ids[id]), ad_len, text_len + i * 37 % 64);
                }
                cr_assert(agreement_holds(batch, 64), "AEAD %u, %zu octets of AD", ids[id], ad_len);
            }
        }
        for (size_t i = 0; i < 64; i++) {
            draw_lengths(&source, i, aead_find(ids[id]), i * 6, AGREEMENT_MAX_LEN - i * 6);
        }
        cr_assert(agreement_holds(batch, 64), "AEAD %u, long ones", ids[id]);
    }
}

/* A master key authenticates no associated data: a job that has some fails, on every path, and the
 * jobs beside it do not. */
static void expanded_keys_take_no_ad(void)
{
    static const uint16_t ids[] = {AEAD_AES_SIV_CMAC_256, AEAD_AES_128_GCM_SIV};
    static const uint8_t octets[64] = {1, 2, 3};
    for (size_t id = 0; id < 2; id++) {
        struct aead_expanded expanded;
        struct aead_job jobs[2];
        uint8_t out[2][64] = {{0}};
        const uint8_t nothing[64] = {0};
        const struct aead_algorithm *aead = aead_find(ids[id]);
        cr_assert(aead_expand(&expanded, aead, octets, false));
        for (size_t i = 0; i < 2; i++) {
            jobs[i] = (struct aead_job){.aead = aead,
                                        .expanded = &expanded,
                                        .out = out[i],
                                        .nonce = octets,
                                        .nonce_len = aead->nonce_len,
                                        .ad = octets,
                                        .ad_len = i,
                                        .in = octets,
                                        .in_len = 32};
        }
        aead_seal_batch(jobs, 2);
        cr_expect_eq(jobs[0].status, NTS_OK);
        cr_expect_eq(jobs[1].status, NTS_ERR_INTERNAL);
        cr_expect_arr_eq(out[1], nothing, sizeof(nothing));
        aead_expanded_cleanup(&expanded);
    }
}

Test(aead_paths, an_expanded_key_takes_no_associated_data)
{
    for_every_aead_path(expanded_keys_take_no_ad);
}

Test(aead_paths, the_last_one_present_is_chosen)
{
    unsetenv("NTS_AEAD_PATH");
    for (int path = (int)aead_path_current() + 1; path < AEAD_NUM_PATHS; path++) {
        cr_assert_not(aead_path_is_present((enum aead_path)path));
    }
    cr_assert(aead_path_is_present(AEAD_PATH_BORINGSSL));
}

Test(aead_paths, the_environment_can_choose_what_is_present)
{
    setenv("NTS_AEAD_PATH", "boringssl", 0); /* tests/run has chosen already now and then */
    cr_assert_str_eq(aead_path_name(aead_path_current()), getenv("NTS_AEAD_PATH"));
}

Test(aead_paths, the_environment_cannot_choose_what_is_not_there)
{
    setenv("NTS_AEAD_PATH", "abacus", 1);
    cr_assert_str_neq(aead_path_name(aead_path_current()), "abacus");
    cr_assert(aead_path_is_present(aead_path_current()));
}

struct vector {
    uint16_t aead;
    const char *key;
    const char *nonce;
    const char *ad;
    const char *text;
    const char *sealed;
};

#define CHRONY_KEY "0123456789abcdeff0123456789abcdeef0123456789abcddef0123456789abc"
#define CHRONY_N   "101112131415161718191a1b1c1d1e1f"
#define A16        "4c9d4fcaed8ae2baad3f3ea6e93c8c8b"
#define P16        "ba997931237e3c53587ed49302abe4a7"
#define OUR_KEY    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define OUR_N      "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
#define OUR_A                                                                                      \
    "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacad" \
    "aeaf"
#define OUR_P   "c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3"
#define RFC_KEY "01000000000000000000000000000000"
#define RFC_N   "030000000000000000000000"

/* RFC 5297, RFC 8452, chrony's unit test, and our own. */
static const struct vector vectors[] = {
    {15, CHRONY_KEY, CHRONY_N, "", "", "223eb594e0e0254b00258e219a1ca421"},
    {15, CHRONY_KEY, CHRONY_N, A16, "", "d7201989c6dbc6d661fc62bc865eeeef"},
    {15, CHRONY_KEY, CHRONY_N, "", A16,
     "b6c160e9c2fd2ae8dec5368b2a33ede114ffb397345ccbe44aa4deacd9369046"},
    {15, CHRONY_KEY, CHRONY_N, A16, P16,
     "5c052365f4570aa0fb383ece9b7585eb688519360c7c481140cb9b579a0e6532"},
    {15, OUR_KEY, OUR_N, OUR_A, OUR_P,
     "408a9a0b55972d96d46424a23b37e92e18d9c09cd919941b21ca94ebe5bdb381e23357ea"},
    {15, OUR_KEY, OUR_N, OUR_A, "", "199b11edf89b64414c130392217b4815"},
    {30, RFC_KEY, RFC_N, "", "", "dc20e2d83f25705bb49e439eca56de25"},
    {30, RFC_KEY, RFC_N, "", "0100000000000000",
     "b5d839330ac7b786578782fff6013b815b287c22493a364c"},
    {30, RFC_KEY, RFC_N, "01", "0200000000000000",
     "1e6daba35669f4273b0a1a2560969cdf790d99759abd1508"},
    {30, "0123456789abcdeff0123456789abcde", "101112131415161718191a1b", "", "",
     "ba051c40eb7e5fa23f6ce5befe5b04ad"},
    {30, "0123456789abcdeff0123456789abcde", "101112131415161718191a1b", A16, "",
     "8f47fe1f264ee2995f353d267414d43b"},
    {30, "0123456789abcdeff0123456789abcde", "101112131415161718191a1b", A16, P16,
     "a310ae5f26d990faab3029807f936223838fc95790bb0587021157d6139b824d"},
    {30, "000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8a9aaab", OUR_A, OUR_P,
     "06de3ca273b84fc33969db96f6e02f9a2560d8811587d00875ebd3604b4d28ad3f454946"},
    {30, "000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8a9aaab", OUR_A, "",
     "1b3891f7e6346d15e45961e8bd620908"},
};

#define NUM_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

Test(aead_paths, every_path_gives_the_published_vectors_in_one_batch)
{
    for (int path = 0; path < AEAD_NUM_PATHS; path++) {
        static struct octets in[NUM_VECTORS][4];
        static uint8_t out[NUM_VECTORS][64];
        struct aead_job jobs[NUM_VECTORS];
        if (!aead_path_is_present((enum aead_path)path)) {
            continue;
        }
        for (size_t i = 0; i < NUM_VECTORS; i++) {
            const char *hex[] = {vectors[i].key, vectors[i].nonce, vectors[i].ad, vectors[i].text};
            for (size_t j = 0; j < 4; j++) {
                in[i][j] = octets_of(hex[j]);
            }
            jobs[i] = (struct aead_job){.aead = aead_find(vectors[i].aead),
                                        .key = in[i][0].data,
                                        .out = out[i],
                                        .nonce = in[i][1].data,
                                        .nonce_len = in[i][1].len,
                                        .ad = in[i][2].data,
                                        .ad_len = in[i][2].len,
                                        .in = in[i][3].data,
                                        .in_len = in[i][3].len};
        }
        aead_path_select((enum aead_path)path);
        aead_seal_batch(jobs, NUM_VECTORS);
        for (size_t i = 0; i < NUM_VECTORS; i++) {
            cr_assert_eq(jobs[i].status, NTS_OK);
            assert_octets(out[i], jobs[i].in_len + AEAD_TAG_LEN, vectors[i].sealed);
        }
    }
}

#define NUM_COOKIES 64
#define NOW_S       1795305600

/* Five keys of all layouts; the last has expired. */
static struct keyring *make_mixed_ring(struct octet_source *source)
{
    static const enum key_layout layouts[] = {KEY_LAYOUT_CHRONY_SIV, KEY_LAYOUT_NETNOD,
                                              KEY_LAYOUT_CHRONY_GCMSIV, KEY_LAYOUT_CHRONY_SIV,
                                              KEY_LAYOUT_CHRONY_SIV};
    struct master_key_spec specs[5] = {0};
    for (uint32_t i = 0; i < 5; i++) {
        specs[i] = (struct master_key_spec){.id = i,
                                            .layout = layouts[i],
                                            .activate_at_s = NOW_S - 100,
                                            .expire_at_s = i == 4 ? NOW_S : NOW_S + 100};
        agreement_fill(source, specs[i].secret, sizeof(specs[i].secret));
    }
    return keyring_create(1, specs, 5);
}

/* A cookie of a random session under a random key that can hold it, spoilt now and then. */
static size_t draw_cookie(struct octet_source *source, const struct keyring *ring, uint8_t *cookie)
{
    struct random_pool random = {0};
    struct session_keys keys = {.aead = aead_at(draw_below(source, AEAD_NUM_ALGORITHMS))};
    struct cookie_seal_job job = {.keys = &keys, .cookie = cookie};
    size_t len = 0;
    while (len == 0) {
        job.key = keyring_find(ring, (uint32_t)draw_below(source, 5));
        len = key_layout_cookie_len(job.key->layout, keys.aead);
    }
    agreement_fill(source, keys.c2s, keys.aead->key_len);
    agreement_fill(source, keys.s2c, keys.aead->key_len);
    cr_assert_eq(cookie_seal_batch(&job, 1, &random), NTS_OK);
    switch (draw_octet(source) % 8) {
    case 0:
        cookie[draw_below(source, len)] ^= 1;
        return len;
    case 1:
        return draw_below(source, len);
    default:
        return len;
    }
}

Test(aead_paths, agree_on_batches_of_cookies_of_every_layout)
{
    static uint8_t cookies[NUM_COOKIES][COOKIE_MAX_LEN];
    static struct cookie_open_job jobs[AEAD_NUM_PATHS][NUM_COOKIES];
    struct octet_source source = {.state = 5297};
    struct keyring *ring = make_mixed_ring(&source);
    for (size_t num = 1; num <= NUM_COOKIES; num++) {
        size_t lens[NUM_COOKIES];
        memset(jobs, 0, sizeof(jobs));
        for (size_t i = 0; i < num; i++) {
            lens[i] = draw_cookie(&source, ring, cookies[i]);
        }
        for (int path = 0; path < AEAD_NUM_PATHS; path++) {
            if (!aead_path_is_present((enum aead_path)path)) {
                continue;
            }
            for (size_t i = 0; i < num; i++) {
                jobs[path][i].cookie = cookies[i];
                jobs[path][i].cookie_len = lens[i];
            }
            aead_path_select((enum aead_path)path);
            cookie_open_batch(ring, jobs[path], num, NOW_S);
            cr_assert_eq(memcmp(jobs[path], jobs[0], num * sizeof(jobs[0][0])), 0,
                         "path %s, %zu cookies", aead_path_name((enum aead_path)path), num);
        }
    }
    snapshot_unref(&ring->snapshot);
}

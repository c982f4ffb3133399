/* AES-SIV and AES-GCM-SIV against RFC 5297, RFC 8452, chrony's unit test and vectors of our own. */
#include "crypto/aead.h"
#include "crypto/aes_siv.h"
#include "crypto/random.h"
#include "crypto/secret_mem.h"
#include "support/aead_paths.h"
#include "support/octets.h"
#include "wire/ke_record.h"

#include <openssl/digest.h>
#include <openssl/hkdf.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHRONY_KEY "0123456789abcdeff0123456789abcdeef0123456789abcddef0123456789abc"
#define CHRONY_N   "101112131415161718191a1b1c1d1e1f"
#define A16        "4c9d4fcaed8ae2baad3f3ea6e93c8c8b"
#define P16        "ba997931237e3c53587ed49302abe4a7"

static void assert_siv(const char *key_hex, const char *const *ad_hex, size_t num_ad,
                       const char *plaintext_hex, const char *expected_hex)
{
    struct octets key = octets_of(key_hex);
    struct octets plaintext = octets_of(plaintext_hex);
    struct octets ad[3];
    struct siv_string strings[3];
    uint8_t sealed[2048];
    uint8_t opened[2048];
    struct siv_key siv;
    for (size_t i = 0; i < num_ad; i++) {
        ad[i] = octets_of(ad_hex[i]);
        strings[i] = (struct siv_string){ad[i].data, ad[i].len};
    }
    siv_key_init(&siv, key.data, key.len);
    siv_seal(&siv, sealed, strings, num_ad, plaintext.data, plaintext.len);
    size_t sealed_len = plaintext.len + SIV_TAG_LEN;
    assert_octets(sealed, sealed_len, expected_hex);
    cr_assert_eq(siv_open(&siv, opened, strings, num_ad, sealed, sealed_len), NTS_OK);
    cr_assert_arr_eq(opened, plaintext.data, plaintext.len);
}

Test(aes_siv, rfc5297_a1)
{
    const char *ad[] = {"101112131415161718191a1b1c1d1e1f2021222324252627"};
    assert_siv("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", ad, 1,
               "112233445566778899aabbccddee",
               "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");
}

Test(aes_siv, rfc5297_a2_two_strings_and_a_nonce)
{
    const char *ad[] = {
        "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100",
        "102030405060708090a0", "09f911029d74e35bd84156c5635688c0"};
    assert_siv("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f", ad, 3,
               "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e672053"
               "49562d414553",
               "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7"
               "a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d");
}

Test(aes_siv, chrony_vectors)
{
    const char *no_ad[] = {"", CHRONY_N};
    const char *with_ad[] = {A16, CHRONY_N};
    assert_siv(CHRONY_KEY, no_ad, 2, "", "223eb594e0e0254b00258e219a1ca421");
    assert_siv(CHRONY_KEY, with_ad, 2, "", "d7201989c6dbc6d661fc62bc865eeeef");
    assert_siv(CHRONY_KEY, no_ad, 2, A16,
               "b6c160e9c2fd2ae8dec5368b2a33ede114ffb397345ccbe44aa4deacd9369046");
    assert_siv(CHRONY_KEY, with_ad, 2, P16,
               "5c052365f4570aa0fb383ece9b7585eb688519360c7c481140cb9b579a0e6532");
}

/* One AEAD call through the batch interface. */
static void assert_aead(uint16_t id, const uint8_t *key, const struct octets *nonce,
                        const struct octets *ad, const struct octets *plaintext,
                        const char *expected_hex)
{
    uint8_t sealed[2048];
    uint8_t opened[2048];
    struct aead_job job = {
        .aead = aead_find(id),
        .key = key,
        .out = sealed,
        .nonce = nonce->data,
        .nonce_len = nonce->len,
        .ad = ad->data,
        .ad_len = ad->len,
        .in = plaintext->data,
        .in_len = plaintext->len,
    };
    aead_seal_batch(&job, 1);
    cr_assert_eq(job.status, NTS_OK);
    assert_octets(sealed, plaintext->len + AEAD_TAG_LEN, expected_hex);
    job.in = sealed;
    job.in_len = plaintext->len + AEAD_TAG_LEN;
    job.out = opened;
    aead_open_batch(&job, 1);
    cr_assert_eq(job.status, NTS_OK);
    cr_assert_arr_eq(opened, plaintext->data, plaintext->len);
}

static void our_vectors(void)
{
    static const struct {
        uint16_t id;
        const char *sealed;
        const char *sealed_empty;
    } vectors[] = {
        {15, "408a9a0b55972d96d46424a23b37e92e18d9c09cd919941b21ca94ebe5bdb381e23357ea",
         "199b11edf89b64414c130392217b4815"},
        {16, "d5a4b64a2770a8e4c76710587430084ec5ddc96d8976f05012fd515b601be5f90788f7f1",
         "000c25a8f2a0d510a0ca1ee74c0e132f"},
        {17, "1818733e1a5ad58a3afd637eb2d8e2ec385dc387e93ad63861957c8d27f158fa303dd640",
         "ad755871a3836c95012d3d38bc556c4b"},
        {30, "06de3ca273b84fc33969db96f6e02f9a2560d8811587d00875ebd3604b4d28ad3f454946",
         "1b3891f7e6346d15e45961e8bd620908"},
    };
    struct octets key = octets_counting(0, 64);
    struct octets ad = octets_counting(0x80, 48);
    struct octets plaintext = octets_counting(0xc0, 20);
    struct octets empty = {0};
    for (size_t i = 0; i < 4; i++) {
        struct octets nonce = octets_counting(0xa0, aead_find(vectors[i].id)->nonce_len);
        assert_aead(vectors[i].id, key.data, &nonce, &ad, &plaintext, vectors[i].sealed);
        assert_aead(vectors[i].id, key.data, &nonce, &ad, &empty, vectors[i].sealed_empty);
    }
}

Test(aead, our_vectors_for_every_algorithm)
{
    for_every_aead_path(our_vectors);
}

static void rfc8452_and_chrony(void)
{
    struct octets key = octets_of("01000000000000000000000000000000");
    struct octets nonce = octets_of("030000000000000000000000");
    struct octets empty = {0};
    struct octets one = octets_of("0100000000000000");
    struct octets two = octets_of("0200000000000000");
    struct octets ad = octets_of("01");
    assert_aead(30, key.data, &nonce, &empty, &empty, "dc20e2d83f25705bb49e439eca56de25");
    assert_aead(30, key.data, &nonce, &empty, &one,
                "b5d839330ac7b786578782fff6013b815b287c22493a364c");
    assert_aead(30, key.data, &nonce, &ad, &two,
                "1e6daba35669f4273b0a1a2560969cdf790d99759abd1508");

    key = octets_of("0123456789abcdeff0123456789abcde");
    nonce = octets_of("101112131415161718191a1b");
    ad = octets_of(A16);
    struct octets plaintext = octets_of(P16);
    assert_aead(30, key.data, &nonce, &ad, &plaintext,
                "a310ae5f26d990faab3029807f936223838fc95790bb0587021157d6139b824d");
}

Test(aead, rfc8452_c1_and_chrony_gcm_siv)
{
    for_every_aead_path(rfc8452_and_chrony);
}

Test(aead, wrong_orders_of_the_strings_do_not_match)
{
    struct octets key = octets_counting(0, 32);
    struct octets ad = octets_counting(0x80, 48);
    struct octets nonce = octets_counting(0xa0, 16);
    const struct siv_string orders[][2] = {{{nonce.data, nonce.len}, {ad.data, ad.len}},
                                           {{ad.data, ad.len}, {NULL, 0}}};
    const char *const must_not[] = {"c27ac7d0a7239524f4a1503dd78522e9",
                                    "489d5dfdfb9f97d87cc9471ae0690c81"};
    struct siv_key siv;
    uint8_t sealed[16];
    siv_key_init(&siv, key.data, key.len);
    for (size_t i = 0; i < 2; i++) {
        siv_seal(&siv, sealed, orders[i], 2, NULL, 0);
        assert_octets(sealed, 16, must_not[i]);
    }
    siv_seal(&siv, sealed, orders[1], 1, NULL, 0);
    assert_octets(sealed, 16, "ce3afda12e45597ff17da481830b7479");
}

static void aead_rejects_bit_flips(void)
{
    struct octets key = octets_counting(0, 64);
    struct octets ad = octets_counting(1, 20);
    struct octets plaintext = octets_counting(2, 33);
    for (size_t a = 0; a < AEAD_NUM_ALGORITHMS; a++) {
        uint8_t sealed[64];
        uint8_t opened[64];
        struct octets nonce = octets_counting(3, aead_at(a)->nonce_len);
        struct aead_job job = {.aead = aead_at(a),
                               .key = key.data,
                               .out = sealed,
                               .nonce = nonce.data,
                               .nonce_len = nonce.len,
                               .ad = ad.data,
                               .ad_len = ad.len,
                               .in = plaintext.data,
                               .in_len = plaintext.len};
        aead_seal_batch(&job, 1);
        job.in = sealed;
        job.in_len = plaintext.len + AEAD_TAG_LEN;
        job.out = opened;
        for (size_t bit = 0; bit < 8 * job.in_len; bit++) {
            sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
            aead_open_batch(&job, 1);
            cr_assert_eq(job.status, NTS_ERR_FORGED, "algorithm %zu bit %zu", a, bit);
            sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t bit = 0; bit < 8 * ad.len; bit++) {
            ad.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            aead_open_batch(&job, 1);
            cr_assert_eq(job.status, NTS_ERR_FORGED, "algorithm %zu ad bit %zu", a, bit);
            ad.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        aead_open_batch(&job, 1);
        cr_assert_eq(job.status, NTS_OK);
    }
}

Test(aead, rejects_each_single_bit_flip)
{
    for_every_aead_path(aead_rejects_bit_flips);
}

static void short_is_forged(void)
{
    struct octets key = octets_counting(0, 64);
    uint8_t out[16];
    for (size_t a = 0; a < AEAD_NUM_ALGORITHMS; a++) {
        struct aead_job job = {.aead = aead_at(a),
                               .key = key.data,
                               .out = out,
                               .nonce = key.data,
                               .nonce_len = aead_at(a)->nonce_len,
                               .in = key.data,
                               .in_len = 15};
        aead_open_batch(&job, 1);
        cr_assert_eq(job.status, NTS_ERR_FORGED);
    }
}

Test(aead, a_short_ciphertext_is_forged)
{
    for_every_aead_path(short_is_forged);
}

Test(aead, nonce_rules_follow_rfc8915_5_6)
{
    const struct aead_algorithm *siv = aead_find(AEAD_AES_SIV_CMAC_256);
    const struct aead_algorithm *gcm_siv = aead_find(AEAD_AES_128_GCM_SIV);
    cr_assert(aead_nonce_fits(siv, 16, 16));
    cr_assert(aead_nonce_fits(siv, 17, 20));
    cr_assert(aead_nonce_fits(siv, 32, 32));
    cr_assert(aead_nonce_fits(siv, 1, 16));
    cr_assert_not(aead_nonce_fits(siv, 12, 12));
    cr_assert_not(aead_nonce_fits(siv, 0, 16));
    cr_assert(aead_nonce_fits(gcm_siv, 12, 12));
    cr_assert_not(aead_nonce_fits(gcm_siv, 16, 16));
    cr_assert_not(aead_nonce_fits(gcm_siv, 11, 12));
}

static void batch_mixes_algorithms(void)
{
    struct octets key = octets_counting(0, 64);
    uint8_t sealed[8][80];
    uint8_t opened[8][64];
    struct aead_job jobs[8];
    for (size_t i = 0; i < 8; i++) {
        const struct aead_algorithm *aead = aead_at(i % AEAD_NUM_ALGORITHMS);
        jobs[i] = (struct aead_job){.aead = aead,
                                    .key = key.data,
                                    .out = sealed[i],
                                    .nonce = key.data,
                                    .nonce_len = aead->nonce_len,
                                    .in = key.data,
                                    .in_len = 7 * i};
    }
    aead_seal_batch(jobs, 8);
    for (size_t i = 0; i < 8; i++) {
        jobs[i].in = sealed[i];
        jobs[i].in_len = 7 * i + AEAD_TAG_LEN;
        jobs[i].out = opened[i];
    }
    sealed[5][3] ^= 1;
    aead_open_batch(jobs, 8);
    for (size_t i = 0; i < 8; i++) {
        cr_assert_eq(jobs[i].status, i == 5 ? NTS_ERR_FORGED : NTS_OK);
        cr_assert(i == 5 || memcmp(opened[i], key.data, 7 * i) == 0);
    }
}

Test(aead, a_batch_mixes_algorithms)
{
    for_every_aead_path(batch_mixes_algorithms);
}

/* HKDF-Expand-Label (RFC 8446, section 7.1). */
static void expand_label(const EVP_MD *md, uint8_t *out, size_t out_len, const uint8_t *secret,
                         const char *label, const uint8_t *hash)
{
    uint8_t info[256];
    size_t hash_len = EVP_MD_size(md);
    size_t label_len = strlen(label);
    size_t len = 0;
    store_u16(info, (uint16_t)out_len);
    info[2] = (uint8_t)(6 + label_len);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, label_len);
    len = 9 + label_len;
    info[len++] = (uint8_t)hash_len;
    memcpy(info + len, hash, hash_len);
    cr_assert(HKDF_expand(out, out_len, md, secret, hash_len, info, len + hash_len));
}

/* The TLS exporter (RFC 8446, section 7.5) from a known exporter_secret, with our label and
 * context. */
static void assert_exported(const EVP_MD *md, uint16_t aead_id, enum ke_key_direction direction,
                            size_t len, const char *expected_hex)
{
    struct octets secret = octets_counting(0, EVP_MD_size(md));
    uint8_t context[KE_EXPORTER_CONTEXT_LEN];
    uint8_t hash[EVP_MAX_MD_SIZE];
    uint8_t derived[EVP_MAX_MD_SIZE];
    uint8_t key[64];
    ke_exporter_context(context, KE_PROTOCOL_NTPV4, aead_id, direction);
    EVP_Digest("", 0, hash, NULL, md, NULL);
    expand_label(md, derived, EVP_MD_size(md), secret.data, KE_EXPORTER_LABEL, hash);
    EVP_Digest(context, sizeof(context), hash, NULL, md, NULL);
    expand_label(md, key, len, derived, "exporter", hash);
    assert_octets(key, len, expected_hex);
}

Test(exporter, label_and_context_give_the_keys_of_the_vectors)
{
    const EVP_MD *md = EVP_sha256();
    assert_exported(md, 15, KE_KEY_C2S, 32,
                    "7ace59b64c903eae1cfc53ba4c438af62e5857ce9443b8c5a4f2bedec4be8c7d");
    assert_exported(md, 15, KE_KEY_S2C, 32,
                    "e887fc4be1493ac9c7b64771d260007b2fd53b5b47eda991cf4073f9fa363ca5");
    assert_exported(md, 16, KE_KEY_C2S, 48,
                    "8b0ddf342b9f79be33e7491625e8f2c6abad8b63535dc5650969c1406dabd78a6a7fffca998416"
                    "d5ec6cfc47f32af920");
    assert_exported(md, 17, KE_KEY_S2C, 64,
                    "9130dca39282dbdd92efa71df79fac19765cf870e1d6ce11b7c26fa9ca3e67ebfcc11995c7e89e"
                    "94bec901d1845eb12e580aa430e705f7438ead99aad3f46340");
    assert_exported(md, 30, KE_KEY_C2S, 16, "3081916323676ebf2f7d0f1dd7c4dd11");
    assert_exported(md, 30, KE_KEY_S2C, 16, "50fafa49ad2f35af1b51785f9b183001");
    /* chrony before 4.6.1 with AEAD 30: the context of 15, the length of 30 (quirk Q-11). */
    assert_exported(md, 15, KE_KEY_C2S, 16, "63bb83659bfa8f478436c3b4900d4a6b");
    assert_exported(EVP_sha384(), 15, KE_KEY_C2S, 32,
                    "09684261c791566bf0382d65d4ad0bb840f4ce53b03bc97e96cc4810b8a3db81");
    assert_exported(EVP_sha384(), 30, KE_KEY_S2C, 16, "b59b2359f7c3d010770f39c4583e8ae7");
}

Test(random, never_gives_the_same_octets_twice)
{
    struct random_pool pool = {0};
    uint8_t seen[600][16];
    for (size_t i = 0; i < 600; i++) { /* crosses two refills */
        random_take(&pool, seen[i], 16);
        for (size_t j = 0; j < i; j++) {
            cr_assert_neq(memcmp(seen[i], seen[j], 16), 0);
        }
    }
}

/* Forks a child that takes the next `len` octets of the pool, and returns them. */
static void take_in_child(struct random_pool *pool, uint8_t *out, size_t len)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        random_take(pool, out, len);
        _exit(write(ends[1], out, len) == (ssize_t)len ? 0 : 1);
    }
    int status;
    cr_assert_eq(read(ends[0], out, len), (ssize_t)len);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    close(ends[0]);
    close(ends[1]);
}

Test(random, a_child_does_not_repeat_its_parent_or_its_sibling)
{
    struct random_pool pool = {0};
    uint8_t taken[4][16];
    random_take(&pool, taken[0], 16);
    take_in_child(&pool, taken[1], 16);
    take_in_child(&pool, taken[2], 16);
    random_take(&pool, taken[3], 16);
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < i; j++) {
            cr_assert_neq(memcmp(taken[i], taken[j], 16), 0, "%zu and %zu", i, j);
        }
    }
}

Test(random, below_stays_below_and_reaches_every_value)
{
    struct random_pool pool = {0};
    unsigned counts[3] = {0};
    for (int i = 0; i < 3000; i++) {
        uint32_t value = random_below(&pool, 3);
        cr_assert_lt(value, 3);
        counts[value]++;
    }
    for (int i = 0; i < 3; i++) {
        cr_assert_gt(counts[i], 800, "value %d came %u times", i, counts[i]);
    }
    cr_assert_eq(random_below(&pool, 1), 0);
}

Test(secret_mem, gives_zeroed_aligned_memory)
{
    uint8_t *memory = secret_alloc(5000);
    cr_assert_not_null(memory);
    cr_assert_eq((uintptr_t)memory % 64, 0);
    for (size_t i = 0; i < 5000; i++) {
        cr_assert_eq(memory[i], 0);
    }
    memset(memory, 0xff, 5000);
    secret_free(memory);
    secret_free(NULL);
}

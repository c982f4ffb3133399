/* Does cryptography on secrets for memcheck to watch: keys and plaintexts are declared undefined,
 * and so becomes all that is computed from them, so that memcheck complains of each branch and each
 * address that depends on a secret (as Adam Langley's ctgrind does). What is public by protocol is
 * declared defined again, here and nowhere else: what was sealed and the verdict on a tag are seen
 * by everyone on the wire; nonces and lengths never were secret.
 *
 *   constant-time --path          prints the path in use
 *   valgrind constant-time CASE   runs one case, and prints how many tags it had checked
 *
 * tests/constant-time/check judges what memcheck says. The cases that begin with `leak-` do on
 * purpose what must be caught. */
#include "keys/cookie.h"
#include "support/aead_agreement.h"

#include <stdio.h>
#include <stdlib.h>
#include <valgrind/memcheck.h>

#define MAX_JOBS  40 /* more than are worked on together */
#define MAX_TEXT  164
#define MAX_AD    228
#define NONCE_LEN 16
#define NOW_S     1795305600

static const size_t batches[] = {1, 2, 3, 8, 17, 32, MAX_JOBS};
static const size_t text_lens[] = {0, 1, 3, 4, 15, 16, 17, 31, 32, 33, 64, 65, 100, 128, MAX_TEXT};
static const size_t ad_lens[] = {0, 1, 16, 48, 84, 115, MAX_AD};

#define NUM_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct octet_source source = {.state = 20261122};
static unsigned num_tags_checked;

static void make_secret(void *octets, size_t len)
{
    VALGRIND_MAKE_MEM_UNDEFINED(octets, len);
}

static void make_public(void *octets, size_t len)
{
    VALGRIND_MAKE_MEM_DEFINED(octets, len);
}

static void expect(bool is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "constant-time: %s\n", what);
        exit(1);
    }
}

/* One message, and all that it is sealed and opened with. */
struct message {
    uint8_t key[AEAD_MAX_KEY_LEN];
    uint8_t nonce[NONCE_LEN];
    uint8_t ad[MAX_AD];
    uint8_t text[MAX_TEXT];
    uint8_t sealed[MAX_TEXT + AEAD_TAG_LEN];
    uint8_t opened[MAX_TEXT];
};

static struct message messages[MAX_JOBS];
static struct aead_job jobs[MAX_JOBS];

/* Fills message `i` and the job that seals it. Of the lengths each batch has several. */
static void draw_message(size_t i, const struct aead_algorithm *aead,
                         const struct aead_expanded *expanded, size_t salt)
{
    struct message *message = &messages[i];
    agreement_fill(&source, message->key, sizeof(message->key));
    agreement_fill(&source, message->nonce, sizeof(message->nonce));
    agreement_fill(&source, message->ad, sizeof(message->ad));
    agreement_fill(&source, message->text, sizeof(message->text));
    jobs[i] = (struct aead_job){
        .aead = aead,
        .key = expanded == NULL ? message->key : NULL,
        .expanded = expanded,
        .out = message->sealed,
        .nonce = message->nonce,
        .nonce_len = aead->nonce_len,
        .ad = message->ad,
        .ad_len = expanded == NULL ? ad_lens[(i + salt) % NUM_OF(ad_lens)] : 0,
        .in = message->text,
        .in_len = text_lens[(i / 2 + salt) % NUM_OF(text_lens)],
    };
}

static void make_message_secret(size_t i)
{
    make_secret(messages[i].key, sizeof(messages[i].key));
    make_secret(messages[i].text, sizeof(messages[i].text));
}

/* What is on the wire is public. Then some of it is spoilt: the tag, or what the tag is over. */
static void turn_round(size_t i, bool is_forged)
{
    struct message *message = &messages[i];
    struct aead_job *job = &jobs[i];
    size_t sealed_len = job->in_len + AEAD_TAG_LEN;
    make_public(&job->status, sizeof(job->status));
    expect(job->status == NTS_OK, "could not seal");
    make_public(message->sealed, sealed_len);
    if (is_forged) {
        message->sealed[draw_below(&source, sealed_len)] ^= 0x10;
    }
    job->in = message->sealed;
    job->in_len = sealed_len;
    job->out = message->opened;
}

/* With `opens_only` what is sealed is not secret yet. */
static void seal_and_open(size_t num, bool opens_only)
{
    for (size_t i = 0; i < num && !opens_only; i++) {
        make_message_secret(i);
    }
    aead_seal_batch(jobs, num);
    for (size_t i = 0; i < num; i++) {
        make_message_secret(i);
        turn_round(i, i % 3 == 1);
    }
    aead_open_batch(jobs, num);
    for (size_t i = 0; i < num; i++) {
        make_public(&jobs[i].status, sizeof(jobs[i].status));
        expect(jobs[i].status == (i % 3 == 1 ? NTS_ERR_FORGED : NTS_OK), "a wrong verdict");
    }
    num_tags_checked += (unsigned)num;
}

/* Batches of every size and many lengths, each with the `num` algorithms, under keys used once. */
static void run_sessions(const uint16_t *aeads, size_t num, bool opens_only)
{
    for (size_t b = 0; b < NUM_OF(batches); b++) {
        for (size_t salt = 0; salt < NUM_OF(text_lens); salt++) {
            for (size_t i = 0; i < batches[b]; i++) {
                draw_message(i, aead_find(aeads[i % num]), NULL, salt);
            }
            seal_and_open(batches[b], opens_only);
        }
    }
}

/* The same under master keys, whose expansion is a part of it: two of them by turns. */
static void run_expanded(const struct aead_algorithm *aead, bool omits_ad)
{
    static struct aead_expanded expanded[2];
    for (size_t i = 0; i < 2; i++) {
        uint8_t key[AEAD_MAX_KEY_LEN];
        agreement_fill(&source, key, sizeof(key));
        make_secret(key, sizeof(key));
        expect(aead_expand(&expanded[i], aead, key, omits_ad), "could not expand a key");
    }
    for (size_t b = 0; b < NUM_OF(batches); b++) {
        for (size_t salt = 0; salt < NUM_OF(text_lens); salt++) {
            for (size_t i = 0; i < batches[b]; i++) {
                draw_message(i, aead, &expanded[salt % 2 == 0 ? 0 : i % 2], salt);
            }
            seal_and_open(batches[b], false);
        }
    }
    for (size_t i = 0; i < 2; i++) {
        aead_expanded_cleanup(&expanded[i]);
    }
}

static void siv_sessions(void)
{
    run_sessions((const uint16_t[]){AEAD_AES_SIV_CMAC_256}, 1, false);
}

static void gcm_siv_sessions(void)
{
    run_sessions((const uint16_t[]){AEAD_AES_128_GCM_SIV}, 1, false);
}

static void mixed_sessions(void)
{
    run_sessions((const uint16_t[]){AEAD_AES_SIV_CMAC_256, AEAD_AES_128_GCM_SIV}, 2, false);
}

/* BoringSSL's counter mode branches on the counter: the synthetic IV, which is public, but memcheck
 * does not know that until it is sent. So the reference is watched where the IV comes from outside;
 * S2V is the same in both directions. */
static void siv_opening(void)
{
    run_sessions(
        (const uint16_t[]){AEAD_AES_SIV_CMAC_256, AEAD_AES_SIV_CMAC_384, AEAD_AES_SIV_CMAC_512}, 3,
        true);
}

static void siv_master_keys(void)
{
    run_expanded(aead_find(AEAD_AES_SIV_CMAC_256), false);
    run_expanded(aead_find(AEAD_AES_SIV_CMAC_256), true);
}

static void gcm_siv_master_keys(void)
{
    run_expanded(aead_find(AEAD_AES_128_GCM_SIV), false);
}

/* A ring with a key of every layout, each with its number as its id. */
static struct keyring *make_ring(void)
{
    struct master_key_spec specs[KEY_NUM_LAYOUTS] = {0};
    for (uint32_t i = 0; i < KEY_NUM_LAYOUTS; i++) {
        specs[i] = (struct master_key_spec){.id = i,
                                            .layout = (enum key_layout)i,
                                            .activate_at_s = NOW_S - 100,
                                            .expire_at_s = NOW_S + 100};
        agreement_fill(&source, specs[i].secret, sizeof(specs[i].secret));
        make_secret(specs[i].secret, sizeof(specs[i].secret));
    }
    struct keyring *ring = keyring_create(1, specs, KEY_NUM_LAYOUTS);
    expect(ring != NULL, "could not make a keyring");
    return ring;
}

/* Draws the keys of a session, and a master key that can hold them. */
static void draw_session(const struct keyring *ring, struct session_keys *keys,
                         struct cookie_seal_job *seal)
{
    seal->keys = keys;
    do {
        keys->aead = aead_at(draw_below(&source, AEAD_NUM_ALGORITHMS));
        seal->key = &ring->keys[draw_below(&source, KEY_NUM_LAYOUTS)];
    } while (key_layout_cookie_len(seal->key->layout, keys->aead) == 0);
    agreement_fill(&source, keys->c2s, sizeof(keys->c2s));
    agreement_fill(&source, keys->s2c, sizeof(keys->s2c));
    make_secret(keys->c2s, sizeof(keys->c2s));
    make_secret(keys->s2c, sizeof(keys->s2c));
}

static void seal_and_open_cookies(const struct keyring *ring, size_t num)
{
    static struct session_keys keys[MAX_JOBS];
    static struct cookie_seal_job seals[MAX_JOBS];
    static struct cookie_open_job opens[MAX_JOBS];
    static uint8_t cookies[MAX_JOBS][COOKIE_MAX_LEN];
    static struct random_pool random;
    for (size_t i = 0; i < num; i++) {
        draw_session(ring, &keys[i], &seals[i]);
        seals[i].cookie = cookies[i];
    }
    if (cookie_seal_batch(seals, num, &random) != NTS_OK) {
        abort();
    }
    make_public(cookies, sizeof(cookies));
    for (size_t i = 0; i < num; i++) {
        opens[i].cookie = cookies[i];
        opens[i].cookie_len = key_layout_cookie_len(seals[i].key->layout, keys[i].aead);
        if (i % 3 == 1) {
            cookies[i][opens[i].cookie_len - 1] ^= 0x10;
        }
    }
    cookie_open_batch(ring, opens, num, NOW_S);
    for (size_t i = 0; i < num; i++) {
        make_public(&opens[i].status, sizeof(opens[i].status));
        expect(opens[i].status == (i % 3 == 1 ? NTS_ERR_FORGED : NTS_OK), "a wrong verdict");
    }
    num_tags_checked += (unsigned)num;
}

static void all_cookies(void)
{
    struct keyring *ring = make_ring();
    for (size_t b = 0; b < NUM_OF(batches); b++) {
        for (size_t round = 0; round < 8; round++) {
            seal_and_open_cookies(ring, batches[b]);
        }
    }
    snapshot_unref(&ring->snapshot);
}

/* --- what must be caught ------------------------------------------------------------------------
 */

static volatile uint8_t sink;

/* Seals a message under a secret key and leaves its tag as secret as it was computed. */
static const uint8_t *secret_tag(void)
{
    draw_message(0, aead_find(AEAD_AES_SIV_CMAC_256), NULL, 5);
    make_message_secret(0);
    aead_seal_batch(jobs, 1);
    return messages[0].sealed;
}

/* A comparison that ends at the first octet that differs. */
static void leak_comparison(void)
{
    static const uint8_t claimed[AEAD_TAG_LEN];
    const volatile uint8_t *tag = secret_tag();
    size_t i = 0;
    while (i < AEAD_TAG_LEN && tag[i] == claimed[i]) {
        i++;
    }
    sink = i == AEAD_TAG_LEN;
}

static void leak_memcmp(void)
{
    static const uint8_t claimed[AEAD_TAG_LEN];
    int (*volatile compare)(const void *, const void *, size_t) = memcmp;
    sink = compare(secret_tag(), claimed, AEAD_TAG_LEN) == 0;
}

/* What the S-box of a portable AES is read with. */
static void leak_table(void)
{
    static const volatile uint8_t table[256] = {1, 2, 3};
    sink = table[secret_tag()[0]];
}

/* A branch on what was decrypted. */
static void leak_plaintext(void)
{
    secret_tag();
    turn_round(0, false);
    aead_open_batch(jobs, 1);
    num_tags_checked++;
    if (messages[0].opened[0] == 0) {
        sink = 1;
    }
}

/* --- the cases ----------------------------------------------------------------------------------
 */

static const struct test_case {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"siv-sessions", siv_sessions},
    {"siv-master-keys", siv_master_keys},
    {"siv-opening", siv_opening},
    {"gcm-siv-sessions", gcm_siv_sessions},
    {"gcm-siv-master-keys", gcm_siv_master_keys},
    {"mixed-sessions", mixed_sessions},
    {"cookies", all_cookies},
    {"leak-comparison", leak_comparison},
    {"leak-memcmp", leak_memcmp},
    {"leak-table", leak_table},
    {"leak-plaintext", leak_plaintext},
};

int main(int argc, char **argv)
{
    const char *path = aead_path_name(aead_path_current());
    const char *wanted_path = getenv("NTS_AEAD_PATH");
    if (argc == 2 && strcmp(argv[1], "--path") == 0) {
        puts(path);
        return 0;
    }
    expect(RUNNING_ON_VALGRIND != 0, "only memcheck can tell: run tests/constant-time/check");
    expect(wanted_path == NULL || strcmp(wanted_path, path) == 0, "that path is not here");
    for (size_t i = 0; i < NUM_OF(cases); i++) {
        if (argc == 2 && strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            printf("%u\n", num_tags_checked);
            return 0;
        }
    }
    fprintf(stderr, "usage: constant-time --path | CASE\n");
    return 2;
}

#include "base/clock_time.h"
#include "keys/cookie.h"
#include "keys/keyring_file.h"
#include "keys/keyring_watch.h"
#include "support/octets.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_S INT64_C(1795305600)

static struct master_key_spec spec_of(uint32_t id, enum key_layout layout, int64_t activate_at_s,
                                      int64_t expire_at_s)
{
    struct master_key_spec spec = {id, layout, activate_at_s, expire_at_s, {0}};
    memset(spec.secret, (int)(id & 0xff), sizeof(spec.secret));
    return spec;
}

static struct session_keys session_of(uint16_t aead_id)
{
    struct session_keys keys = {.aead = aead_find(aead_id)};
    for (size_t i = 0; i < keys.aead->key_len; i++) {
        keys.c2s[i] = (uint8_t)(i + 1);
        keys.s2c[i] = (uint8_t)(i + 101);
    }
    return keys;
}

static enum nts_status open_cookie(const struct keyring *ring, struct session_keys *keys,
                                   const uint8_t *cookie, size_t len, int64_t now_s)
{
    struct cookie_open_job job = {.cookie = cookie, .cookie_len = len};
    cookie_open_batch(ring, &job, 1, now_s);
    *keys = job.keys;
    return job.status;
}

Test(keyring, the_key_most_recently_activated_seals)
{
    const struct master_key_spec specs[] = {
        spec_of(3, KEY_LAYOUT_CHRONY_SIV, NOW_S + 100, NOW_S + 1000),
        spec_of(1, KEY_LAYOUT_CHRONY_SIV, NOW_S - 200, NOW_S + 1000),
        spec_of(2, KEY_LAYOUT_CHRONY_SIV, NOW_S - 100, NOW_S + 50),
    };
    struct keyring *ring = keyring_create(1, specs, 3);
    const struct aead_algorithm *aead = aead_find(15);
    cr_assert_eq(keyring_sealing_key(ring, aead, NOW_S)->id, 2);
    cr_assert_eq(keyring_sealing_key(ring, aead, NOW_S + 50)->id, 1, "2 has expired");
    cr_assert_eq(keyring_sealing_key(ring, aead, NOW_S + 99)->id, 1);
    cr_assert_eq(keyring_sealing_key(ring, aead, NOW_S + 100)->id, 3, "without a reload");
    cr_assert_null(keyring_sealing_key(ring, aead, NOW_S + 1000), "all have expired");
    cr_assert_null(keyring_sealing_key(ring, aead, NOW_S - 201), "none is active yet");
    snapshot_unref(&ring->snapshot);
}

Test(keyring, a_layout_seals_only_what_it_can_hold)
{
    const struct master_key_spec specs[] = {
        spec_of(1, KEY_LAYOUT_CHRONY_SIV, NOW_S - 200, NOW_S + 1000),
        spec_of(2, KEY_LAYOUT_NETNOD, NOW_S - 100, NOW_S + 1000),
    };
    struct keyring *ring = keyring_create(1, specs, 2);
    cr_assert_eq(keyring_sealing_key(ring, aead_find(15), NOW_S)->id, 2);
    cr_assert_eq(keyring_sealing_key(ring, aead_find(30), NOW_S)->id, 1);
    cr_assert_eq(keyring_active_key(ring, NOW_S)->id, 2);
    snapshot_unref(&ring->snapshot);
}

Test(keyring, finds_every_key_and_no_other)
{
    struct master_key_spec specs[KEYRING_MAX_KEYS];
    for (uint32_t i = 0; i < KEYRING_MAX_KEYS; i++) {
        specs[i] = spec_of(i * 64, KEY_LAYOUT_CHRONY_SIV, NOW_S, NOW_S + 1);
    }
    struct keyring *ring = keyring_create(1, specs, KEYRING_MAX_KEYS);
    for (uint32_t i = 0; i < KEYRING_MAX_KEYS; i++) {
        cr_assert_eq(keyring_find(ring, i * 64)->id, i * 64);
        cr_assert_null(keyring_find(ring, i * 64 + 1));
    }
    snapshot_unref(&ring->snapshot);
    ring = keyring_create(1, NULL, 0);
    cr_assert_null(keyring_find(ring, 0));
    cr_assert_null(keyring_active_key(ring, NOW_S));
    snapshot_unref(&ring->snapshot);
}

Test(cookie, lengths_are_those_of_the_design)
{
    static const struct {
        uint16_t id;
        size_t len[KEY_NUM_LAYOUTS];
    } rows[] = {{30, {68, 64, 0}}, {15, {100, 96, 100}}, {16, {132, 0, 0}}, {17, {164, 0, 0}}};
    for (size_t i = 0; i < 4; i++) {
        for (size_t layout = 0; layout < KEY_NUM_LAYOUTS; layout++) {
            cr_assert_eq(key_layout_cookie_len((enum key_layout)layout, aead_find(rows[i].id)),
                         rows[i].len[layout]);
        }
    }
}

Test(cookie, opens_what_it_sealed_in_every_layout)
{
    struct random_pool random = {0};
    for (size_t layout = 0; layout < KEY_NUM_LAYOUTS; layout++) {
        struct master_key_spec spec =
            spec_of(0xb01dface, (enum key_layout)layout, NOW_S, NOW_S + 10);
        struct keyring *ring = keyring_create(1, &spec, 1);
        for (size_t a = 0; a < AEAD_NUM_ALGORITHMS; a++) {
            struct session_keys keys = session_of(aead_at(a)->id);
            struct session_keys opened;
            uint8_t cookie[2][COOKIE_MAX_LEN];
            size_t len = key_layout_cookie_len((enum key_layout)layout, keys.aead);
            struct cookie_seal_job jobs[2] = {
                {keyring_find(ring, 0xb01dface), &keys, cookie[0]},
                {keyring_find(ring, 0xb01dface), &keys, cookie[1]},
            };
            if (len == 0) {
                continue;
            }
            cookie_seal_batch(jobs, 2, &random);
            cr_assert_neq(memcmp(cookie[0], cookie[1], len), 0, "no two cookies are the same");
            cr_assert_eq(open_cookie(ring, &opened, cookie[0], len, NOW_S), NTS_OK);
            cr_assert_eq(opened.aead, keys.aead);
            cr_assert_arr_eq(opened.c2s, keys.c2s, keys.aead->key_len);
            cr_assert_arr_eq(opened.s2c, keys.s2c, keys.aead->key_len);
            cr_assert_eq(open_cookie(ring, &opened, cookie[0], len, NOW_S - 5), NTS_OK,
                         "a key that is not active yet opens");
            cr_assert_eq(open_cookie(ring, &opened, cookie[0], len, NOW_S + 10),
                         NTS_ERR_KEY_EXPIRED);
        }
        snapshot_unref(&ring->snapshot);
    }
}

Test(cookie, rejects_each_single_bit_flip)
{
    struct random_pool random = {0};
    for (size_t layout = 0; layout < KEY_NUM_LAYOUTS; layout++) {
        struct master_key_spec spec = spec_of(1, (enum key_layout)layout, NOW_S, NOW_S + 10);
        struct keyring *ring = keyring_create(1, &spec, 1);
        struct session_keys keys = session_of(15);
        struct session_keys opened;
        const struct session_keys zero = {0};
        uint8_t cookie[COOKIE_MAX_LEN];
        size_t len = key_layout_cookie_len((enum key_layout)layout, keys.aead);
        struct cookie_seal_job job = {keyring_find(ring, 1), &keys, cookie};
        cookie_seal_batch(&job, 1, &random);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
            enum nts_status status = open_cookie(ring, &opened, cookie, len, NOW_S);
            cr_assert_eq(status, bit < 32 ? NTS_ERR_KEY_UNKNOWN : NTS_ERR_FORGED);
            cr_assert_eq(memcmp(&opened, &zero, sizeof(zero)), 0, "nothing leaks on error");
            cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        for (size_t wrong_len = 0; wrong_len < len; wrong_len++) {
            cr_assert_neq(open_cookie(ring, &opened, cookie, wrong_len, NOW_S), NTS_OK);
        }
        snapshot_unref(&ring->snapshot);
    }
}

static void assert_foreign_cookie(enum key_layout layout, const char *master,
                                  const char *cookie_hex, const char *c2s, const char *s2c)
{
    struct master_key_spec spec = spec_of(0xb01dface, layout, NOW_S, NOW_S + 10);
    struct octets secret = octets_of(master);
    memcpy(spec.secret, secret.data, secret.len);
    struct keyring *ring = keyring_create(1, &spec, 1);
    struct octets cookie = octets_of(cookie_hex);
    struct session_keys keys;
    cr_assert_eq(open_cookie(ring, &keys, cookie.data, cookie.len, NOW_S), NTS_OK);
    cr_assert_eq(keys.aead->id, 15);
    assert_octets(keys.c2s, 32, c2s);
    assert_octets(keys.s2c, 32, s2c);
    snapshot_unref(&ring->snapshot);
    if (layout != KEY_LAYOUT_CHRONY_GCMSIV) {
        spec.layout = layout == KEY_LAYOUT_NETNOD ? KEY_LAYOUT_CHRONY_SIV : KEY_LAYOUT_NETNOD;
        ring = keyring_create(1, &spec, 1);
        cr_assert_eq(open_cookie(ring, &keys, cookie.data, cookie.len, NOW_S), NTS_ERR_FORGED,
                     "the other SIV layout must not open it");
        snapshot_unref(&ring->snapshot);
    }
}

#define MASTER32 "2323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043"

Test(cookie, opens_netnod_hardware_cookie)
{
    assert_foreign_cookie(
        KEY_LAYOUT_NETNOD, MASTER32,
        "b01dfaced3e1533fb0396392ead43868d26db946a4c6cb9922193b42bfd7dd3ed22237d36bf89af4e594c71f5b"
        "656efdd2626ec7c9952343de11b2f6e57bd428d9783852de133fe11436bc150f2fc5dafd5e7cdacc9e9fa29500"
        "aae2b48a298d3a679ba5",
        "0994b8dca55d6704818b30b384fd745f7e98c046b8162a66c1ef60a828fc7acb",
        "77cd4aa7fb4cb180e7e38a46aca2e7681d7a4e0af2836a97d6de2d62c02f2d08");
}

Test(cookie, opens_chrony_siv_cookie)
{
    assert_foreign_cookie(
        KEY_LAYOUT_CHRONY_SIV, MASTER32,
        "b01dface66c58a28f5c244df6515d1743cf45da68bfd38721d1c3adcca0413803492c52e5ebe0d0e970e0aab4b"
        "0fda48ae553ab53f0a6363e75ba660a0886cf088a390cc041a6f7b477e1cfb7a56aa786719326ba73a73e99014"
        "c99834afd81e9b509203",
        "cd5f0ac8e14f236c716bd5eae2771fc8674a7503fdd16c0a35d3a536c28f834c",
        "cd0ecdac89f5598afe3750792e84ff9b1eaee077a2787fc47d066be66a860604");
}

Test(cookie, opens_chrony_gcm_siv_cookie)
{
    assert_foreign_cookie(
        KEY_LAYOUT_CHRONY_GCMSIV, "2323c3d99ba5c11d7c7acc6e14b8c5da",
        "b01dfacefe03c624259726affab3da8665f0508fe9753759ea6b396602628a7876231a31cb8845edeb35ebe6d2"
        "02bcfc56421b164241ab0473fe4aeafedd44c6077fbd71c1c1cd694ae1120fc3108631b3946015fb0d99b2ddf2"
        "7256e0ba8076",
        "1a323c40771ee97a86a056909ce962463d2dc14092a52f6c742d37592484234e",
        "e1d7f71ced04a615ee39c2672d45069cc28d9cc68f162e7ae7f2a61f35c7524c");
}

/* A file in a directory of the test's own. */
static char directory[64];
static char path[128];

static void make_directory(void)
{
    strcpy(directory, "/tmp/nts-keys-test-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/keyring.json", directory);
}

static void remove_directory(void)
{
    char command[160];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

static void write_file(const char *to, const char *text)
{
    FILE *file = fopen(to, "w");
    cr_assert_not_null(file);
    fchmod(fileno(file), 0600);
    fputs(text, file);
    fclose(file);
}

#define KEY(id, activate, expire)                                                                  \
    "{\"id\":\"" id "\",\"layout\":\"chrony-siv\",\"secret\":\"" MASTER32                          \
    "\",\"activate_at\":\"" activate "\",\"expire_at\":\"" expire "\"}"
#define RING(generation, keys)                                                                     \
    "{\"format\":\"nts-keyring/1\",\"generation\":" generation ",\"keys\":[" keys "]}"
#define DAY1      "2026-11-22T00:00:00Z"
#define DAY2      "2026-12-13T00:00:00Z"
#define GOOD_KEY  KEY("b01dface", DAY1, DAY2)
#define GOOD_FILE RING("7", GOOD_KEY)

Test(keyring_file, loads_the_format_of_the_design, .init = make_directory, .fini = remove_directory)
{
    struct keyring *ring;
    struct error error;
    write_file(path, GOOD_FILE);
    cr_assert_eq(keyring_file_load(&ring, NULL, path, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(ring->generation, 7);
    cr_assert_eq(ring->num_keys, 1);
    cr_assert_eq(ring->keys[0].id, 0xb01dface);
    cr_assert_eq(ring->keys[0].activate_at_s, NOW_S);
    assert_octets(ring->keys[0].secret, 32, MASTER32);
    snapshot_unref(&ring->snapshot);
}

Test(keyring_file, refuses_with_file_key_and_expectation, .init = make_directory,
     .fini = remove_directory)
{
    static const struct {
        const char *text;
        const char *part; /* of the error */
    } wrong[] = {
        {"", "not a JSON object"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[{\"id\"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{}", "format"},
        {"{\"format\":\"nts-keyring/2\",\"generation\":7,\"keys\":[]}", "format: expected"},
        {RING("0", ""), "generation: expected"},
        {RING("\"7\"", ""), "generation: expected"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":{}}", "keys: expected an array"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[],\"x\":1}", "unknown member"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"generation\":8,\"keys\":[]}",
         "not a JSON object"},
        {RING("7", "7"), "keys[0]: expected an object"},
        {RING("7", "{}"), "keys[0].id: missing"},
        {RING("7", GOOD_KEY "," KEY("B01DFACE", DAY1, DAY2)), "b01dface is there twice"},
        {RING("7", KEY("b01dfac", DAY1, DAY2)), "keys[0].id: expected 8"},
        {RING("7", GOOD_KEY "," KEY("b01dfac0", DAY2, DAY1)), "keys[1].expire_at: not later"},
        {RING("7", KEY("b01dface", DAY1, DAY1)), "keys[0].expire_at: not later"},
        {RING("7", KEY("b01dface", "tomorrow", DAY2)), "keys[0].activate_at: got tomorrow"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[{\"id\":\"b01dface\",\"layout\":"
         "\"sealing-wax\",\"secret\":\"00\",\"activate_at\":\"" DAY1 "\",\"expire_at\":\"" DAY2
         "\"}]}",
         "keys[0].layout: expected"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[{\"id\":\"b01dface\",\"layout\":"
         "\"chrony-gcmsiv\",\"secret\":\"" MASTER32 "\",\"activate_at\":\"" DAY1
         "\",\"expire_at\":\"" DAY2 "\"}]}",
         "keys[0].secret: expected 32 hexadecimal digits"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[{\"id\":\"b01dface\",\"layout\":"
         "\"chrony-siv\",\"secret\":\"" MASTER32 "\",\"activate_at\":\"" DAY1
         "\",\"expire_at\":\"" DAY2 "\",\"note\":\"x\"}]}",
         "keys[0].note: unknown member"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct keyring *ring = NULL;
        struct error error = {""};
        write_file(path, wrong[i].text);
        cr_assert_eq(keyring_file_load(&ring, NULL, path, &error), NTS_ERR_FILE, "case %zu", i);
        cr_assert_not_null(strstr(error.text, wrong[i].part), "case %zu: %s", i, error.text);
        cr_assert_not_null(strstr(error.text, path), "names the file: %s", error.text);
        cr_assert_null(strstr(error.text, "2323c3d9"), "no secret in a message");
    }
}

static void assert_unusable(const char *part)
{
    struct keyring *ring;
    struct error error = {""};
    cr_assert_eq(keyring_file_load(&ring, NULL, path, &error), NTS_ERR_FILE);
    cr_assert_not_null(strstr(error.text, part), "%s", error.text);
}

Test(keyring_file, refuses_what_is_not_a_private_regular_file, .init = make_directory,
     .fini = remove_directory)
{
    assert_unusable("cannot open");
    write_file(path, GOOD_FILE);
    chmod(path, 0640);
    assert_unusable("mode is 0640");
    chmod(path, 0604);
    assert_unusable("mode is 0604");
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    assert_unusable("not a regular file"); /* and does not wait for a writer */
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    assert_unusable("not a regular file");
    rmdir(path);
    write_file(path, GOOD_FILE);
    cr_assert_eq(truncate(path, KEYRING_FILE_MAX_LEN + 1), 0);
    assert_unusable("expected at most");
}

Test(keyring_file, create_writes_what_load_reads_and_never_overwrites, .init = make_directory,
     .fini = remove_directory)
{
    const struct master_key_spec specs[] = {
        spec_of(0x00000004, KEY_LAYOUT_CHRONY_GCMSIV, NOW_S, NOW_S + 10),
        spec_of(0xfffffffd, KEY_LAYOUT_NETNOD, NOW_S + 5, NOW_S + 20),
    };
    struct keyring *ring;
    struct error error;
    struct stat st;
    cr_assert_eq(keyring_file_create(path, 3, specs, 2, &error), NTS_OK);
    cr_assert_eq(keyring_file_load(&ring, &st, path, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(ring->generation, 3);
    cr_assert_eq(keyring_find(ring, 4)->layout, KEY_LAYOUT_CHRONY_GCMSIV);
    cr_assert_eq(keyring_find(ring, 0xfffffffd)->expire_at_s, NOW_S + 20);
    cr_assert_arr_eq(keyring_find(ring, 4)->secret, specs[0].secret, 16);
    snapshot_unref(&ring->snapshot);
    cr_assert_eq(keyring_file_create(path, 4, specs, 1, &error), NTS_ERR_FILE);
    cr_assert_not_null(strstr(error.text, "exists already"));
    cr_assert_eq(keyring_file_load(&ring, NULL, path, &error), NTS_OK);
    cr_assert_eq(ring->generation, 3, "the file is as it was");
    snapshot_unref(&ring->snapshot);
}

/* Waits for a notification, at most as long as a test may hang, and asks whether it matters. */
static bool is_changed(struct keyring_watch *watch)
{
    struct pollfd polled = {.fd = keyring_watch_fd(watch), .events = POLLIN};
    cr_assert_eq(poll(&polled, 1, 5000), 1, "nothing was notified");
    return keyring_watch_changed(watch);
}

Test(keyring_watch, sees_renames_and_keeps_to_the_generation, .init = make_directory,
     .fini = remove_directory)
{
    struct keyring_watch watch;
    struct keyring *ring = NULL;
    struct error error;
    char other[160];
    snprintf(other, sizeof(other), "%s/new", directory);
    write_file(path, GOOD_FILE);
    cr_assert_eq(keyring_watch_open(&watch, path, &error), NTS_OK);
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK);
    snapshot_unref(&ring->snapshot);
    cr_assert_not(keyring_watch_changed(&watch));

    write_file(other, RING("8", GOOD_KEY));
    rename(other, path);
    cr_assert(is_changed(&watch));
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK);
    cr_assert_eq(ring->generation, 8);
    snapshot_unref(&ring->snapshot);

    write_file(other, RING("7", GOOD_KEY));
    rename(other, path);
    cr_assert(is_changed(&watch));
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_ERR_STALE);
    cr_assert_not(keyring_watch_changed(&watch), "a refused file is refused once");

    unlink(path);
    cr_assert(is_changed(&watch), "gone is a change");
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_ERR_FILE);
    cr_assert_not(keyring_watch_changed(&watch));
    write_file(path, RING("9", GOOD_KEY));
    cr_assert(is_changed(&watch), "and so is back");
    keyring_watch_close(&watch);
}

/* ConfigMaps and Secrets of Kubernetes: file -> ..data/file, and ..data is swapped. */
Test(keyring_watch, sees_symlink_swaps, .init = make_directory, .fini = remove_directory)
{
    struct keyring_watch watch;
    struct keyring *ring = NULL;
    struct error error;
    char command[1024];
    snprintf(command, sizeof(command),
             "cd %s && mkdir one two && ln -s one ..data && ln -s ..data/keyring.json keyring.json",
             directory);
    cr_assert_eq(system(command), 0);
    char file[160];
    snprintf(file, sizeof(file), "%s/one/keyring.json", directory);
    write_file(file, GOOD_FILE);
    snprintf(file, sizeof(file), "%s/two/keyring.json", directory);
    write_file(file, RING("8", GOOD_KEY));

    cr_assert_eq(keyring_watch_open(&watch, path, &error), NTS_OK);
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK, "%s", error.text);
    snapshot_unref(&ring->snapshot);
    snprintf(command, sizeof(command), "cd %s && ln -s two ..tmp && mv -T ..tmp ..data", directory);
    cr_assert_eq(system(command), 0);
    cr_assert(is_changed(&watch));
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK);
    cr_assert_eq(ring->generation, 8);
    snapshot_unref(&ring->snapshot);

    snprintf(file, sizeof(file), "%s/two/keyring.json", directory);
    write_file(file, RING("9", GOOD_KEY));
    cr_assert(is_changed(&watch), "in place, behind the links");
    keyring_watch_close(&watch);
}

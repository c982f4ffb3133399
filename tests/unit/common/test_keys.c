#include "base/clock_time.h"
#include "base/cursor.h"
#include "keys/cookie.h"
#include "support/aead_paths.h"
#include "support/octets.h"

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

Test(keyring, refuses_more_keys_than_there_is_room_for)
{
    static struct master_key_spec specs[KEYRING_MAX_KEYS + 1];
    for (uint32_t i = 0; i <= KEYRING_MAX_KEYS; i++) {
        specs[i] = spec_of(i, KEY_LAYOUT_CHRONY_SIV, NOW_S, NOW_S + 1);
    }
    cr_assert_null(keyring_create(1, specs, KEYRING_MAX_KEYS + 1));
}

Test(keyring, tells_how_a_key_stands_to_the_active_one)
{
    const struct master_key_spec specs[] = {
        spec_of(1, KEY_LAYOUT_CHRONY_SIV, NOW_S - 300, NOW_S + 1000),
        spec_of(2, KEY_LAYOUT_CHRONY_SIV, NOW_S - 200, NOW_S + 1000),
        spec_of(3, KEY_LAYOUT_CHRONY_SIV, NOW_S - 100, NOW_S + 1000),
        spec_of(4, KEY_LAYOUT_CHRONY_SIV, NOW_S + 1, NOW_S + 1000),
    };
    static const enum key_age ages[] = {KEY_AGE_OLDER, KEY_AGE_PREVIOUS, KEY_AGE_ACTIVE,
                                        KEY_AGE_UPCOMING};
    struct keyring *ring = keyring_create(1, specs, 4);
    const struct master_key *active = keyring_active_key(ring, NOW_S);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(keyring_key_age(keyring_find(ring, i + 1), active, NOW_S), ages[i]);
    }
    cr_assert_eq(keyring_key_age(&ring->keys[3], NULL, NOW_S), KEY_AGE_UPCOMING);
    cr_assert_eq(keyring_key_age(&ring->keys[2], NULL, NOW_S), KEY_AGE_OLDER);
    snapshot_unref(&ring->snapshot);
}

Test(keyring, tells_where_it_is_in_its_life)
{
    const struct master_key_spec specs[] = {
        spec_of(1, KEY_LAYOUT_CHRONY_SIV, NOW_S, NOW_S + 1000),
        spec_of(2, KEY_LAYOUT_CHRONY_SIV, NOW_S + 100, NOW_S + 1100),
    };
    struct keyring *ring = keyring_create(1, specs, 2);
    struct keyring_state state;
    keyring_state_at(&state, ring, NOW_S - 1);
    cr_assert_null(state.active);
    cr_assert_eq(state.next->id, 1);
    keyring_state_at(&state, ring, NOW_S + 40);
    cr_assert_eq(state.active->id, 1);
    cr_assert_eq(state.next->id, 2);
    cr_assert_eq(state.next_activation_s, 60);
    cr_assert_eq(state.last_expiry_s, 1060);
    cr_assert_not(state.is_near_end);
    keyring_state_at(&state, ring, NOW_S + 100);
    cr_assert_eq(state.active->id, 2);
    cr_assert_null(state.next);
    keyring_state_at(&state, ring, NOW_S + 900);
    cr_assert_not(state.is_near_end, "a fifth of its life is left");
    keyring_state_at(&state, ring, NOW_S + 901);
    cr_assert(state.is_near_end);
    keyring_state_at(&state, ring, NOW_S + 1101);
    cr_assert_null(state.active);
    cr_assert_eq(state.last_expiry_s, -1);
    snapshot_unref(&ring->snapshot);
    ring = keyring_create(1, NULL, 0);
    keyring_state_at(&state, ring, NOW_S);
    cr_assert(state.active == NULL && state.next == NULL);
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

static void opens_what_it_sealed(void)
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
                {keyring_find(ring, 0xb01dface), &keys, cookie[0], NTS_OK},
                {keyring_find(ring, 0xb01dface), &keys, cookie[1], NTS_OK},
            };
            if (len == 0) {
                continue;
            }
            cr_assert_eq(cookie_seal_batch(jobs, 2, &random), NTS_OK);
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

Test(cookie, opens_what_it_sealed_in_every_layout)
{
    for_every_aead_path(opens_what_it_sealed);
}

/* A layout that has no room for an algorithm's keys makes no cookie of them. */
Test(cookie, is_not_sealed_for_an_algorithm_that_its_layout_cannot_hold)
{
    struct random_pool random = {0};
    struct master_key_spec spec = spec_of(1, KEY_LAYOUT_NETNOD, NOW_S, NOW_S + 10);
    struct keyring *ring = keyring_create(1, &spec, 1);
    struct session_keys fits = session_of(15);
    struct session_keys too_long = session_of(17);
    uint8_t cookies[3][COOKIE_MAX_LEN] = {{0}};
    const uint8_t untouched[COOKIE_MAX_LEN] = {0};
    struct session_keys opened;
    struct cookie_seal_job jobs[3] = {
        {keyring_find(ring, 1), &fits, cookies[0], NTS_OK},
        {keyring_find(ring, 1), &too_long, cookies[1], NTS_OK},
        {keyring_find(ring, 1), &fits, cookies[2], NTS_OK},
    };
    size_t len = key_layout_cookie_len(KEY_LAYOUT_NETNOD, fits.aead);
    cr_assert_eq(cookie_seal_batch(jobs, 3, &random), NTS_ERR_INTERNAL);
    cr_expect_eq(jobs[1].status, NTS_ERR_INTERNAL);
    cr_expect_arr_eq(cookies[1], untouched, sizeof(untouched));
    for (size_t i = 0; i < 3; i += 2) {
        cr_expect_eq(jobs[i].status, NTS_OK);
        cr_expect_eq(open_cookie(ring, &opened, cookies[i], len, NOW_S), NTS_OK);
    }
    snapshot_unref(&ring->snapshot);
}

static void cookie_rejects_bit_flips(void)
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
        struct cookie_seal_job job = {keyring_find(ring, 1), &keys, cookie, NTS_OK};
        cr_assert_eq(cookie_seal_batch(&job, 1, &random), NTS_OK);
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

Test(cookie, rejects_each_single_bit_flip)
{
    for_every_aead_path(cookie_rejects_bit_flips);
}

#define MASTER32 "2323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043"

/* Cookies that others have sealed, all under the id b01dface. */
static const struct {
    enum key_layout layout;
    const char *master;
    const char *cookie;
    const char *c2s;
    const char *s2c;
} foreign[] = {
    /* Netnod's hardware */
    {KEY_LAYOUT_NETNOD, MASTER32,
     "b01dfaced3e1533fb0396392ead43868d26db946a4c6cb9922193b42bfd7dd3ed22237d36bf89af4e594c71f5b65"
     "6efdd2626ec7c9952343de11b2f6e57bd428d9783852de133fe11436bc150f2fc5dafd5e7cdacc9e9fa29500aae2"
     "b48a298d3a679ba5",
     "0994b8dca55d6704818b30b384fd745f7e98c046b8162a66c1ef60a828fc7acb",
     "77cd4aa7fb4cb180e7e38a46aca2e7681d7a4e0af2836a97d6de2d62c02f2d08"},
    /* chronyd 4.3 */
    {KEY_LAYOUT_CHRONY_SIV, MASTER32,
     "b01dface66c58a28f5c244df6515d1743cf45da68bfd38721d1c3adcca0413803492c52e5ebe0d0e970e0aab4b0f"
     "da48ae553ab53f0a6363e75ba660a0886cf088a390cc041a6f7b477e1cfb7a56aa786719326ba73a73e99014c998"
     "34afd81e9b509203",
     "cd5f0ac8e14f236c716bd5eae2771fc8674a7503fdd16c0a35d3a536c28f834c",
     "cd0ecdac89f5598afe3750792e84ff9b1eaee077a2787fc47d066be66a860604"},
    /* chronyd 4.9 */
    {KEY_LAYOUT_CHRONY_GCMSIV, "2323c3d99ba5c11d7c7acc6e14b8c5da",
     "b01dfacefe03c624259726affab3da8665f0508fe9753759ea6b396602628a7876231a31cb8845edeb35ebe6d202"
     "bcfc56421b164241ab0473fe4aeafedd44c6077fbd71c1c1cd694ae1120fc3108631b3946015fb0d99b2ddf27256"
     "e0ba8076",
     "1a323c40771ee97a86a056909ce962463d2dc14092a52f6c742d37592484234e",
     "e1d7f71ced04a615ee39c2672d45069cc28d9cc68f162e7ae7f2a61f35c7524c"},
};

#define NUM_FOREIGN (sizeof(foreign) / sizeof(foreign[0]))

/* The key of a row, under an id of one's choice. */
static struct master_key_spec foreign_spec(size_t row, uint32_t id)
{
    struct master_key_spec spec = spec_of(id, foreign[row].layout, NOW_S, NOW_S + 10);
    struct octets secret = octets_of(foreign[row].master);
    memcpy(spec.secret, secret.data, secret.len);
    return spec;
}

static void assert_opens_foreign(const struct keyring *ring, size_t row, uint32_t id)
{
    struct session_keys keys;
    struct octets cookie = octets_of(foreign[row].cookie);
    store_u32(cookie.data, id); /* the id is not part of what is sealed */
    cr_assert_eq(open_cookie(ring, &keys, cookie.data, cookie.len, NOW_S), NTS_OK, "row %zu", row);
    cr_assert_eq(keys.aead->id, 15);
    assert_octets(keys.c2s, 32, foreign[row].c2s);
    assert_octets(keys.s2c, 32, foreign[row].s2c);
}

static void opens_what_others_sealed(void)
{
    for (size_t row = 0; row < NUM_FOREIGN; row++) {
        struct master_key_spec spec = foreign_spec(row, 0xb01dface);
        struct keyring *ring = keyring_create(1, &spec, 1);
        assert_opens_foreign(ring, row, 0xb01dface);
        snapshot_unref(&ring->snapshot);
    }
}

Test(cookie, opens_what_others_sealed_in_every_layout)
{
    for_every_aead_path(opens_what_others_sealed);
}

static void one_keyring_opens_them_all(void)
{
    struct master_key_spec specs[NUM_FOREIGN];
    for (size_t row = 0; row < NUM_FOREIGN; row++) {
        specs[row] = foreign_spec(row, 0xb01dface + (uint32_t)row);
    }
    struct keyring *ring = keyring_create(1, specs, NUM_FOREIGN);
    for (size_t row = 0; row < NUM_FOREIGN; row++) {
        assert_opens_foreign(ring, row, 0xb01dface + (uint32_t)row);
    }
    snapshot_unref(&ring->snapshot);
}

Test(cookie, one_keyring_opens_the_cookies_of_every_layout)
{
    for_every_aead_path(one_keyring_opens_them_all);
}

/* chrony's SIV layout and Netnod's differ by an empty string alone. */
static void other_siv_layout_does_not_open(void)
{
    for (size_t row = 0; row < NUM_FOREIGN; row++) {
        struct session_keys keys;
        struct octets cookie = octets_of(foreign[row].cookie);
        struct master_key_spec spec = foreign_spec(row, 0xb01dface);
        if (spec.layout == KEY_LAYOUT_CHRONY_GCMSIV) {
            continue;
        }
        spec.layout = spec.layout == KEY_LAYOUT_NETNOD ? KEY_LAYOUT_CHRONY_SIV : KEY_LAYOUT_NETNOD;
        struct keyring *ring = keyring_create(1, &spec, 1);
        cr_assert_eq(open_cookie(ring, &keys, cookie.data, cookie.len, NOW_S), NTS_ERR_FORGED);
        snapshot_unref(&ring->snapshot);
    }
}

Test(cookie, the_other_siv_layout_does_not_open_it)
{
    for_every_aead_path(other_siv_layout_does_not_open);
}

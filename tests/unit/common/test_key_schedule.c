#include "keys/key_schedule.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1795305600)
#define HOUR  3600
#define DAY   (24 * HOUR)
#define SIV   KEY_LAYOUT_CHRONY_SIV
#define GCM   KEY_LAYOUT_CHRONY_GCMSIV

static const struct key_policy daily = {DAY, DAY, DAY, 14 * DAY};

static struct keyring_document *document;
static struct key_change *change;

static void open_document(void)
{
    document = keyring_document_create();
    change = calloc(1, sizeof(*change));
    cr_assert(document != NULL && change != NULL);
}

static void close_document(void)
{
    keyring_document_free(document);
    free(change);
}

TestSuite(key_schedule, .init = open_document, .fini = close_document);

/* --- what every document of a schedule must be --- */

static void assert_in_order(void)
{
    for (size_t i = 0; i < document->num_keys; i++) {
        const struct master_key_spec *key = &document->keys[i];
        cr_assert_lt(key->activate_at_s, key->expire_at_s);
        for (size_t j = i + 1; j < document->num_keys; j++) {
            const struct master_key_spec *later = &document->keys[j];
            cr_assert_leq(key->activate_at_s, later->activate_at_s, "sorted");
            cr_assert_neq(key->id, later->id);
            cr_assert(key->layout != later->layout || key->activate_at_s != later->activate_at_s,
                      "no two keys of a layout activate at once");
        }
    }
    cr_assert_lt(document->num_keys, (size_t)KEYRING_MAX_KEYS + 1);
}

/* A document as it is after the first run of the timer: an active key and two that are to come. */
static void begin(const struct key_policy *policy)
{
    cr_assert_eq(key_schedule_init(document, change, SIV, policy, NOW_S), NTS_OK);
    cr_assert_eq(key_schedule_rotate(document, change, SIV, policy, NOW_S), NTS_OK);
    document->generation = 1;
    assert_in_order();
}

/* Rotates; tells whether that changed anything. */
static bool rotate(enum key_layout layout, const struct key_policy *policy, int64_t now_s)
{
    uint64_t generation = document->generation;
    cr_assert_eq(key_schedule_rotate(document, change, layout, policy, now_s), NTS_OK);
    assert_in_order();
    bool is_changed = !key_change_is_none(change);
    cr_assert_eq(document->generation, generation + is_changed);
    return is_changed;
}

static void revoke(size_t at, int64_t now_s)
{
    uint64_t generation = document->generation;
    uint32_t id = document->keys[at].id;
    cr_assert_eq(key_schedule_revoke(document, change, id, &daily, now_s), NTS_OK);
    assert_in_order();
    cr_assert_eq(document->generation, generation + 1);
    cr_assert_eq(keyring_document_find(document, id), document->num_keys, "it is gone");
    cr_assert_gt(change->num_removed, 0);
}

static void put_key(uint32_t id, enum key_layout layout, int64_t activate_at_s, int64_t expire_at_s)
{
    document->keys[document->num_keys++] =
        (struct master_key_spec){id, layout, activate_at_s, expire_at_s, {(uint8_t)id}};
    document->generation = document->generation == 0 ? 1 : document->generation;
    keyring_document_sort(document);
}

static void assert_times(size_t at, int64_t activate_after_s, int64_t expire_after_s)
{
    cr_assert_eq(document->keys[at].activate_at_s, NOW_S + activate_after_s, "key %zu activates",
                 at);
    cr_assert_eq(document->keys[at].expire_at_s, NOW_S + expire_after_s, "key %zu expires", at);
}

/* A failure must leave every octet as it was. */
static void assert_refuses_to_rotate(const struct key_policy *policy, int64_t now_s)
{
    struct keyring_document *before = keyring_document_create();
    *before = *document;
    cr_assert_eq(key_schedule_rotate(document, change, SIV, policy, now_s), NTS_ERR_NO_SPACE);
    cr_assert(key_change_is_none(change));
    cr_assert_eq(memcmp(before, document, sizeof(*before)), 0);
    keyring_document_free(before);
}

/* --- init and rotate --- */

Test(key_schedule, init_makes_a_key_that_seals_now_and_one_that_is_to_come)
{
    cr_assert_eq(key_schedule_init(document, change, SIV, &daily, NOW_S), NTS_OK);
    assert_in_order();
    cr_assert_eq(document->generation, 1);
    cr_assert_eq(document->num_keys, 2);
    assert_times(0, 0, 15 * DAY);
    assert_times(1, DAY, 16 * DAY);
    cr_assert_eq(change->num_added, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct master_key_spec *key = &document->keys[i];
        cr_assert_eq(change->added[i], key->id, "in the order of activation");
        cr_assert_eq((key->id - document->keys[0].id) % 4, i, "the low bits count up");
        cr_assert_neq(memcmp(key->secret, document->keys[1 - i].secret, 32), 0);
    }
}

Test(key_schedule, init_reaches_as_far_ahead_as_asked)
{
    const struct key_policy week = {DAY, DAY, 7 * DAY, 14 * DAY};
    cr_assert_eq(key_schedule_init(document, change, SIV, &week, NOW_S), NTS_OK);
    cr_assert_eq(document->num_keys, 8);
    assert_times(7, 7 * DAY, 22 * DAY);
}

Test(key_schedule, the_first_rotate_adds_one_key_and_the_next_none)
{
    cr_assert_eq(key_schedule_init(document, change, SIV, &daily, NOW_S), NTS_OK);
    cr_assert(rotate(SIV, &daily, NOW_S + 5));
    cr_assert_eq(change->num_added, 1);
    assert_times(2, 2 * DAY, 17 * DAY);
    cr_assert_not(rotate(SIV, &daily, NOW_S + 6));
    cr_assert_not(rotate(SIV, &daily, NOW_S + DAY - 1));
    cr_assert(rotate(SIV, &daily, NOW_S + DAY));
}

Test(key_schedule, init_is_refused_when_ahead_takes_too_many_keys)
{
    const struct key_policy all = {1, 1, KEYRING_MAX_KEYS - 1, 1};
    const struct key_policy one_more = {1, 1, KEYRING_MAX_KEYS, 1};
    cr_assert_eq(key_schedule_init(document, change, SIV, &one_more, NOW_S), NTS_ERR_NO_SPACE);
    cr_assert_eq(document->num_keys, 0);
    cr_assert_eq(document->generation, 0);
    cr_assert_eq(key_schedule_init(document, change, SIV, &all, NOW_S), NTS_OK);
    cr_assert_eq(document->num_keys, KEYRING_MAX_KEYS);
}

Test(key_schedule, a_secret_is_as_long_as_its_layout_asks)
{
    static const uint8_t zero[16];
    cr_assert_eq(key_schedule_init(document, change, GCM, &daily, NOW_S), NTS_OK);
    cr_assert_neq(memcmp(document->keys[0].secret, zero, 16), 0);
    cr_assert_eq(memcmp(document->keys[0].secret + 16, zero, 16), 0);
}

Test(key_schedule, rotate_does_one_step_an_interval_whoever_calls_it)
{
    begin(&daily);
    for (int64_t day = 1; day < 40; day++) {
        cr_assert_not(rotate(SIV, &daily, NOW_S + day * DAY - 1), "not due yet");
        cr_assert(rotate(SIV, &daily, NOW_S + day * DAY));
        cr_assert_eq(change->num_added, 1);
        cr_assert_eq(change->num_removed, day >= 15, "removed when it expires");
        cr_assert_eq(change->num_extended, 0, "a key that was on time was given its time");
        for (int64_t later = 0; later < DAY; later += HOUR) {
            cr_assert_not(rotate(SIV, &daily, NOW_S + day * DAY + later));
        }
        size_t last = document->num_keys - 1;
        assert_times(last, (day + 2) * DAY, (day + 17) * DAY);
        cr_assert_eq((document->keys[last].id - document->keys[last - 1].id) % 4, 1);
    }
    cr_assert_eq(document->num_keys, 2 + 15);
}

Test(key_schedule, rotate_takes_the_signature_away_only_with_a_change)
{
    begin(&daily);
    document->signature.is_present = true;
    cr_assert_not(rotate(SIV, &daily, NOW_S + 1));
    cr_assert(document->signature.is_present);
    cr_assert(rotate(SIV, &daily, NOW_S + DAY));
    cr_assert_not(document->signature.is_present);
}

Test(key_schedule, a_late_rotate_keeps_the_lead_and_extends_the_key_that_seals_on)
{
    begin(&daily);
    uint32_t sealing = document->keys[2].id;
    int64_t late_s = 5 * DAY + 7;
    cr_assert(rotate(SIV, &daily, NOW_S + late_s));
    cr_assert_eq(change->num_added, 2);
    assert_times(3, late_s + DAY, late_s + 16 * DAY);
    assert_times(4, late_s + 2 * DAY, late_s + 17 * DAY);
    assert_times(2, 2 * DAY, late_s + 15 * DAY);
    assert_times(1, DAY, 16 * DAY);
    cr_assert_eq(change->num_extended, 1);
    cr_assert_eq(change->extended[0], sealing);
    cr_assert_not(rotate(SIV, &daily, NOW_S + late_s + DAY - 1), "back to one step an interval");
}

Test(key_schedule, with_every_key_expired_rotate_starts_anew_at_once)
{
    begin(&daily);
    uint32_t last_id = document->keys[2].id;
    int64_t late_s = 17 * DAY;
    cr_assert(rotate(SIV, &daily, NOW_S + late_s));
    cr_assert_eq(change->num_removed, 3);
    cr_assert_eq(document->num_keys, 3);
    assert_times(0, late_s, late_s + 15 * DAY);
    assert_times(1, late_s + DAY, late_s + 16 * DAY);
    cr_assert_eq((document->keys[0].id - last_id) % 4, 1, "the low bits go on");
    cr_assert_neq(document->keys[0].id, last_id);
}

Test(key_schedule, with_one_key_left_rotate_does_not_start_anew)
{
    begin(&daily);
    cr_assert(rotate(SIV, &daily, NOW_S + 17 * DAY - 1));
    cr_assert_eq(change->num_removed, 2);
    assert_times(0, 2 * DAY, 17 * DAY - 1 + DAY + 14 * DAY);
    assert_times(1, 17 * DAY - 1 + DAY, 17 * DAY - 1 + 16 * DAY);
}

Test(key_schedule, an_expiry_is_raised_but_never_lowered)
{
    struct key_policy other = daily;
    begin(&daily);
    other.open_after_s = 7 * DAY;
    cr_assert_not(rotate(SIV, &other, NOW_S));
    other.open_after_s = 28 * DAY;
    cr_assert(rotate(SIV, &other, NOW_S));
    cr_assert_eq(change->num_extended, 3);
    cr_assert_eq(change->num_added + change->num_removed, 0);
    assert_times(0, 0, 29 * DAY);
    assert_times(2, 2 * DAY, 31 * DAY);
}

Test(key_schedule, a_longer_or_shorter_interval_counts_from_the_last_key)
{
    struct key_policy other = daily;
    begin(&daily);
    other.interval_s = 7 * DAY;
    cr_assert(rotate(SIV, &other, NOW_S + DAY));
    assert_times(3, 9 * DAY, 9 * DAY + 21 * DAY);
    assert_times(2, 2 * DAY, 9 * DAY + 14 * DAY);
    other.interval_s = HOUR;
    cr_assert(rotate(SIV, &other, NOW_S + 8 * DAY));
    cr_assert_eq(document->keys[document->num_keys - 1].activate_at_s, NOW_S + 9 * DAY + HOUR);
    cr_assert_not(rotate(SIV, &other, NOW_S + 8 * DAY));
}

Test(key_schedule, two_layouts_keep_two_schedules)
{
    begin(&daily);
    cr_assert(rotate(GCM, &daily, NOW_S + HOUR), "the first keys of another layout");
    cr_assert_eq(change->num_added, 2);
    cr_assert_eq(change->num_extended, 0);
    cr_assert_eq(document->keys[2].layout, GCM);
    assert_times(2, HOUR + DAY, HOUR + 16 * DAY);
    assert_times(4, HOUR + 2 * DAY, HOUR + 17 * DAY);
    cr_assert(rotate(SIV, &daily, NOW_S + DAY));
    assert_times(0, 0, 15 * DAY);
    cr_assert_eq((document->keys[5].id - document->keys[3].id) % 4, 1, "low bits of its layout");
    cr_assert_not(rotate(GCM, &daily, NOW_S + DAY));
    cr_assert(rotate(GCM, &daily, NOW_S + 30 * DAY));
    cr_assert_eq(change->num_removed, 6, "expired keys of any layout go");
}

Test(key_schedule, ids_of_a_new_layout_count_on_from_the_last_key)
{
    begin(&daily);
    uint32_t last_id = document->keys[2].id;
    cr_assert(rotate(GCM, &daily, NOW_S));
    size_t first = keyring_document_find(document, change->added[0]);
    cr_assert_eq(document->keys[first].layout, GCM);
    cr_assert_eq((document->keys[first].id - last_id) % 4, 1);
}

Test(key_schedule, the_limits_leave_the_document_as_it_was)
{
    begin(&daily);
    document->generation = KEYRING_MAX_GENERATION - 1;
    cr_assert(rotate(SIV, &daily, NOW_S + DAY));
    assert_refuses_to_rotate(&daily, NOW_S + 2 * DAY);
    cr_assert_not(rotate(SIV, &daily, NOW_S + DAY), "nothing to do is no error");
    document->generation = 7;
    for (uint32_t i = 0; document->num_keys < KEYRING_MAX_KEYS; i++) {
        put_key(i, GCM, NOW_S + i, NOW_S + 1000 * DAY);
    }
    assert_refuses_to_rotate(&daily, NOW_S + 2 * DAY);
    document->keys[500].expire_at_s = NOW_S + 2 * DAY;
    cr_assert(rotate(SIV, &daily, NOW_S + 2 * DAY), "what expires makes room");
    cr_assert_eq(document->num_keys, KEYRING_MAX_KEYS);
}

Test(key_schedule, times_stay_within_what_the_file_can_tell)
{
    put_key(1, SIV, INT64_C(253402300798), INT64_C(253402300799));
    cr_assert_not(rotate(SIV, &daily, NOW_S), "no key later than 9999-12-31T23:59:59Z");
    assert_refuses_to_rotate(&daily, INT64_C(253402300798));
}

Test(key_schedule, knows_a_valid_policy)
{
    static const struct key_policy invalid[] = {
        {0, 1, 1, 1},
        {-1, 1, 1, 1},
        {1, -1, 1, 1},
        {1, 2, 1, 1},
        {1, 1, 1, -1},
        {KEY_POLICY_MAX_S + 1, 1, 1, 1},
        {1, 1, KEY_POLICY_MAX_S + 1, 1},
        {1, 1, 1, KEY_POLICY_MAX_S + 1},
    };
    const struct key_policy longest = {KEY_POLICY_MAX_S, KEY_POLICY_MAX_S, KEY_POLICY_MAX_S,
                                       KEY_POLICY_MAX_S};
    const struct key_policy shortest = {1, 0, 0, 0};
    cr_assert(key_policy_is_valid(&daily));
    cr_assert(key_policy_is_valid(&longest));
    cr_assert(key_policy_is_valid(&shortest));
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        cr_assert_not(key_policy_is_valid(&invalid[i]), "case %zu", i);
    }
    begin(&shortest);
    cr_assert_eq(document->num_keys, 2);
    cr_assert_not(rotate(SIV, &shortest, NOW_S));
    cr_assert(rotate(SIV, &longest, NOW_S + 1));
}

/* --- revoke --- */

Test(key_schedule, revoking_the_active_key_promotes_the_next_in_its_place)
{
    begin(&daily);
    uint32_t next = document->keys[1].id;
    revoke(0, NOW_S + HOUR);
    cr_assert(change->has_promoted);
    cr_assert_eq(change->promoted, next);
    cr_assert_eq(document->keys[0].id, next);
    assert_times(0, 0, 16 * DAY);
    assert_times(1, 2 * DAY, 17 * DAY);
    cr_assert_eq(change->num_removed, 1);
    cr_assert_eq(change->num_added, 0, "later keys keep their times");
    cr_assert(rotate(SIV, &daily, NOW_S + DAY));
    assert_times(2, 3 * DAY, 18 * DAY);
}

Test(key_schedule, revoking_again_within_the_second_goes_on_to_the_next)
{
    begin(&daily);
    uint32_t last = document->keys[2].id;
    revoke(0, NOW_S);
    revoke(0, NOW_S);
    cr_assert_eq(change->promoted, last);
    assert_times(0, 0, 17 * DAY);
    cr_assert_eq(change->num_added, 2, "and the schedule is brought up to date");
    assert_times(1, DAY, 16 * DAY);
    assert_times(2, 2 * DAY, 17 * DAY);
}

Test(key_schedule, without_an_upcoming_key_the_one_before_seals_again)
{
    begin(&daily);
    int64_t late_s = 10 * DAY;
    uint32_t before = document->keys[1].id;
    revoke(2, NOW_S + late_s);
    cr_assert_not(change->has_promoted);
    cr_assert_eq(keyring_document_active(document, NOW_S + late_s), 1);
    cr_assert_eq(document->keys[1].id, before);
    assert_times(1, DAY, late_s + 15 * DAY);
    assert_times(2, late_s + DAY, late_s + 16 * DAY);
    cr_assert_eq(change->num_extended, 1);
    cr_assert_eq(change->extended[0], before);
}

Test(key_schedule, the_key_before_takes_over_only_while_it_has_not_expired)
{
    put_key(0x11, SIV, NOW_S - 2 * DAY, NOW_S);
    put_key(0x22, SIV, NOW_S - DAY, NOW_S + DAY);
    revoke(1, NOW_S);
    cr_assert_eq(change->num_removed, 2);
    size_t active = keyring_document_active(document, NOW_S);
    cr_assert_lt(active, document->num_keys);
    cr_assert_eq(document->keys[active].id % 4, 3, "the slot after that of the last key");
    assert_times(active, -DAY, 15 * DAY);
}

Test(key_schedule, revoking_the_only_key_makes_one_that_seals_on_every_node_at_once)
{
    put_key(0x22, SIV, NOW_S - DAY, NOW_S + DAY);
    revoke(0, NOW_S);
    cr_assert_eq(change->num_added, 3);
    cr_assert_eq(document->num_keys, 3);
    assert_times(0, -DAY, 15 * DAY);
    assert_times(1, DAY, 16 * DAY);
    assert_times(2, 2 * DAY, 17 * DAY);
}

Test(key_schedule, revoking_an_upcoming_key_lets_the_one_before_seal_longer)
{
    begin(&daily);
    revoke(1, NOW_S + HOUR);
    cr_assert_not(change->has_promoted);
    assert_times(0, 0, 16 * DAY);
    assert_times(1, 2 * DAY, 17 * DAY);
    cr_assert_eq(change->num_extended, 1);
    cr_assert_eq(change->num_added, 0);

    uint32_t slot = document->keys[1].id % 4;
    revoke(1, NOW_S + HOUR);
    cr_assert_eq(change->num_added, 2, "the last one is replaced");
    assert_times(1, HOUR + DAY, HOUR + 16 * DAY);
    cr_assert_eq((document->keys[1].id - document->keys[0].id) % 4, 1);
    cr_assert_eq((slot - document->keys[0].id) % 4, 2);
}

Test(key_schedule, revoking_an_old_key_leaves_the_others_alone)
{
    begin(&daily);
    cr_assert(rotate(SIV, &daily, NOW_S + DAY));
    revoke(0, NOW_S + DAY + HOUR);
    cr_assert_not(change->has_promoted);
    cr_assert_eq(change->num_added + change->num_extended, 0);
    cr_assert_eq(change->num_removed, 1);
    assert_times(0, DAY, 16 * DAY);
}

Test(key_schedule, revoking_an_expired_key_brings_the_schedule_up_to_date)
{
    put_key(0x11, SIV, NOW_S - 2 * DAY, NOW_S - DAY);
    revoke(0, NOW_S);
    assert_times(0, 0, 15 * DAY);
    cr_assert_eq(document->num_keys, 3);

    document->num_keys = 0;
    put_key(0x11, SIV, NOW_S - 3 * DAY, NOW_S - DAY);
    put_key(0x22, SIV, NOW_S - 2 * DAY, NOW_S + DAY);
    revoke(0, NOW_S);
    cr_assert_eq(document->keys[0].id, 0x22, "the active one stays");
    assert_times(0, -2 * DAY, 15 * DAY);
}

Test(key_schedule, an_unknown_id_cannot_be_revoked)
{
    begin(&daily);
    uint64_t generation = document->generation;
    uint32_t id = document->keys[0].id ^ 0x80;
    cr_assert_eq(key_schedule_revoke(document, change, id, &daily, NOW_S), NTS_ERR_KEY_UNKNOWN);
    cr_assert(key_change_is_none(change));
    cr_assert_eq(document->generation, generation);
}

Test(key_schedule, revoke_keeps_to_its_layout)
{
    begin(&daily);
    cr_assert(rotate(GCM, &daily, NOW_S));
    cr_assert(rotate(SIV, &daily, NOW_S + 3 * DAY));
    cr_assert(rotate(GCM, &daily, NOW_S + 3 * DAY));
    size_t active = keyring_document_active(document, NOW_S + 3 * DAY);
    enum key_layout layout = document->keys[active].layout;
    revoke(active, NOW_S + 3 * DAY);
    cr_assert(change->has_promoted);
    size_t promoted = keyring_document_find(document, change->promoted);
    cr_assert_eq(document->keys[promoted].layout, layout);
}

Test(key_schedule, a_layout_that_is_not_rotated_any_more_gets_no_new_key)
{
    put_key(0x11, SIV, NOW_S - 3 * DAY, NOW_S + 12 * DAY);
    put_key(0x20, GCM, NOW_S - 2 * DAY, NOW_S + 13 * DAY);
    put_key(0x21, GCM, NOW_S + DAY + HOUR, NOW_S + 16 * DAY);
    revoke(0, NOW_S);
    cr_assert_eq(change->num_added, 0);
    cr_assert_eq(document->num_keys, 2);
    cr_assert_eq(document->keys[0].id, 0x20);

    put_key(0x11, SIV, NOW_S - DAY, NOW_S + 12 * DAY);
    revoke(1, NOW_S);
    cr_assert_gt(change->num_added, 0, "near miss: it is the one that seals");
}

Test(key_schedule, the_first_keys_of_a_layout_do_not_lose_their_lead_to_a_revocation)
{
    begin(&daily);
    cr_assert(rotate(GCM, &daily, NOW_S));
    for (size_t i = document->num_keys; i-- > 0;) {
        if (document->keys[i].layout == GCM) {
            revoke(i, NOW_S + HOUR);
        }
    }
    for (size_t i = 0; i < document->num_keys; i++) {
        cr_assert(document->keys[i].layout != GCM ||
                  document->keys[i].activate_at_s >= NOW_S + HOUR + DAY);
    }
}

Test(key_schedule, revoke_at_the_limit_of_generations_is_refused)
{
    begin(&daily);
    document->generation = KEYRING_MAX_GENERATION;
    uint32_t id = document->keys[0].id;
    cr_assert_eq(key_schedule_revoke(document, change, id, &daily, NOW_S), NTS_ERR_NO_SPACE);
    cr_assert_eq(document->keys[0].id, id);
    cr_assert(key_change_is_none(change));
}

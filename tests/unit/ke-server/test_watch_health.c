/* What the watch makes of the answers of a time server. */
#include "ke-server/watch/watch_health.h"

#include <criterion/criterion.h>
#include <string.h>

#define S INT64_C(1000000000)

/* --- outcomes --- */

Test(watch_health, takes_time_that_is_fit)
{
    const struct watch_sample fit = {.stratum = 1, .offset_ns = 5, .delay_ns = 5};
    const struct watch_sample leap_second = {.leap = NTP_LEAP_INSERT, .stratum = 15};
    cr_expect_eq(watch_judge_sample(&fit, S), WATCH_ANSWERED);
    cr_expect_eq(watch_judge_sample(&leap_second, S), WATCH_ANSWERED);
}

Test(watch_health, refuses_time_that_says_it_is_not_fit)
{
    const struct watch_sample unfit[] = {
        {.leap = NTP_LEAP_UNSYNCHRONISED, .stratum = 1},
        {.stratum = 0},
        {.stratum = 16},
    };
    for (size_t i = 0; i < sizeof(unfit) / sizeof(unfit[0]); i++) {
        cr_expect_eq(watch_judge_sample(&unfit[i], 0), WATCH_UNSYNCHRONISED, "%zu", i);
    }
}

Test(watch_health, compares_clocks_as_far_as_the_delay_lets_it)
{
    static const struct {
        int64_t offset_ns;
        int64_t delay_ns;
        int64_t max_ns;
        enum watch_outcome outcome;
    } rows[] = {
        {S, 0, S, WATCH_ANSWERED},
        {S + 1, 0, S, WATCH_OFFSET},
        {-S, 0, S, WATCH_ANSWERED},
        {-S - 1, 0, S, WATCH_OFFSET},
        {S + 2, 2, S, WATCH_OFFSET},
        {S + 2, 4, S, WATCH_ANSWERED}, /* it may be within the limit */
        {S + 2, -4, S, WATCH_OFFSET},  /* two clocks of different speed */
        {1000 * S, 0, 0, WATCH_ANSWERED},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct watch_sample sample = {
            .stratum = 1, .offset_ns = rows[i].offset_ns, .delay_ns = rows[i].delay_ns};
        cr_expect_eq(watch_judge_sample(&sample, rows[i].max_ns), rows[i].outcome, "%zu", i);
    }
}

Test(watch_health, gives_each_refusal_its_name)
{
    static const struct {
        enum nts_status status;
        const char *label;
    } rows[] = {
        {NTS_ERR_TIMEOUT, "timeout"},
        {NTS_ERR_MISMATCH, "timeout"},
        {NTS_ERR_NAK, "nak"},
        {NTS_ERR_KISS, "kiss"},
        {NTS_ERR_FORGED, "forged"},
        {NTS_ERR_TOO_SHORT, "malformed"},
        {NTS_ERR_NTS_INCOMPLETE, "malformed"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_expect_str_eq(watch_outcome_label(watch_judge_status(rows[i].status)), rows[i].label);
    }
}

/* --- keys --- */

static struct keyring *make_ring(const struct master_key_spec *specs, size_t num)
{
    struct keyring *ring = keyring_create(1, specs, num);
    cr_assert_not_null(ring);
    return ring;
}

static struct master_key_spec spec_of(uint32_t id, enum key_layout layout, int64_t activate_at_s,
                                      int64_t expire_at_s)
{
    struct master_key_spec spec = {id, layout, activate_at_s, expire_at_s, {0}};
    memset(spec.secret, (int)id, sizeof(spec.secret));
    return spec;
}

static struct ke_policy policy_of(uint16_t first, uint16_t second)
{
    return (struct ke_policy){.aeads = {aead_find(first), aead_find(second)}, .num_aeads = 2};
}

static void expect_key(const struct watch_keys *keys, size_t i, uint32_t id, enum watch_role role)
{
    cr_assert_lt(i, keys->num, "%zu keys", keys->num);
    cr_expect_eq(keys->keys[i].id, id, "key %zu is %x", i, keys->keys[i].id);
    cr_expect_eq(keys->keys[i].role, role, "key %zu", i);
}

Test(watch_keys, are_those_that_seal_then_upcoming_then_previous_ones)
{
    const struct master_key_spec specs[] = {
        spec_of(1, KEY_LAYOUT_CHRONY_SIV, 100, 1000), /* has expired */
        spec_of(2, KEY_LAYOUT_CHRONY_SIV, 200, 2000),
        spec_of(3, KEY_LAYOUT_CHRONY_SIV, 300, 2000),
        spec_of(4, KEY_LAYOUT_CHRONY_SIV, 400, 2000), /* seals */
        spec_of(5, KEY_LAYOUT_CHRONY_SIV, 1001, 2000),
        spec_of(6, KEY_LAYOUT_CHRONY_SIV, 1500, 2000),
    };
    struct keyring *ring = make_ring(specs, 6);
    struct ke_policy policy = policy_of(AEAD_AES_SIV_CMAC_256, AEAD_AES_128_GCM_SIV);
    struct watch_keys keys = {0};
    watch_keys_choose(&keys, ring, &policy, 1000, 0);
    cr_expect_eq(keys.num, 5);
    expect_key(&keys, 0, 4, WATCH_ROLE_SEALS);
    expect_key(&keys, 1, 5, WATCH_ROLE_UPCOMING);
    expect_key(&keys, 2, 6, WATCH_ROLE_UPCOMING);
    expect_key(&keys, 3, 3, WATCH_ROLE_PREVIOUS);
    expect_key(&keys, 4, 2, WATCH_ROLE_PREVIOUS);

    watch_keys_choose(&keys, ring, &policy, 1001, 0); /* a second later the next one seals */
    expect_key(&keys, 0, 5, WATCH_ROLE_SEALS);
    expect_key(&keys, 2, 4, WATCH_ROLE_PREVIOUS);
    snapshot_unref(&ring->snapshot);
}

Test(watch_keys, each_that_seals_for_an_algorithm_on_offer_counts)
{
    const struct master_key_spec specs[] = {
        spec_of(1, KEY_LAYOUT_CHRONY_SIV, 100, 2000),
        spec_of(2, KEY_LAYOUT_NETNOD, 200, 2000), /* of AEAD 15 only */
    };
    struct keyring *ring = make_ring(specs, 2);
    struct ke_policy both = policy_of(AEAD_AES_SIV_CMAC_256, AEAD_AES_128_GCM_SIV);
    struct ke_policy one = policy_of(AEAD_AES_SIV_CMAC_256, AEAD_AES_SIV_CMAC_256);
    struct watch_keys keys = {0};
    watch_keys_choose(&keys, ring, &both, 1000, 0);
    expect_key(&keys, 0, 2, WATCH_ROLE_SEALS);
    expect_key(&keys, 1, 1, WATCH_ROLE_SEALS);
    watch_keys_choose(&keys, ring, &one, 1000, 0);
    expect_key(&keys, 0, 2, WATCH_ROLE_SEALS);
    expect_key(&keys, 1, 1, WATCH_ROLE_PREVIOUS);
    snapshot_unref(&ring->snapshot);
}

Test(watch_keys, are_bounded_and_the_oldest_fall_out)
{
    struct master_key_spec specs[100];
    for (uint32_t i = 0; i < 100; i++) {
        specs[i] = spec_of(i, KEY_LAYOUT_CHRONY_SIV, i, 1000);
    }
    struct keyring *ring = make_ring(specs, 100);
    struct ke_policy policy = policy_of(AEAD_AES_SIV_CMAC_256, AEAD_AES_128_GCM_SIV);
    struct watch_keys keys = {0};
    watch_keys_choose(&keys, ring, &policy, 500, 0);
    cr_expect_eq(keys.num, WATCH_MAX_KEYS);
    expect_key(&keys, 0, 99, WATCH_ROLE_SEALS);
    expect_key(&keys, WATCH_MAX_KEYS - 1, 99 - (WATCH_MAX_KEYS - 1), WATCH_ROLE_PREVIOUS);
    snapshot_unref(&ring->snapshot);
}

Test(watch_keys, have_their_time_to_get_around)
{
    const struct master_key_spec specs[] = {
        spec_of(1, KEY_LAYOUT_CHRONY_SIV, 100, 1001),
        spec_of(2, KEY_LAYOUT_CHRONY_SIV, 1500, 2000),
        spec_of(3, KEY_LAYOUT_CHRONY_SIV, 1600, 2000),
    };
    struct ke_policy policy = policy_of(AEAD_AES_SIV_CMAC_256, AEAD_AES_128_GCM_SIV);
    struct keyring *old = make_ring(specs, 2);
    struct keyring *ring = make_ring(specs, 3);
    struct watch_keys keys = {0};
    watch_keys_choose(&keys, old, &policy, 1000, 10 * S);
    snapshot_unref(&old->snapshot);
    watch_keys_choose(&keys, ring, &policy, 1000, 15 * S);
    cr_expect(watch_key_is_due(&keys.keys[0], 10, 1000, 15 * S), "it seals");
    cr_expect_not(watch_key_is_due(&keys.keys[1], 10, 1000, 20 * S - 1));
    cr_expect(watch_key_is_due(&keys.keys[1], 10, 1000, 20 * S), "known since 10 s");
    cr_expect_not(watch_key_is_due(&keys.keys[2], 10, 1000, 25 * S - 1));
    cr_expect(watch_key_is_due(&keys.keys[2], 10, 1000, 25 * S), "known since 15 s");
    snapshot_unref(&ring->snapshot);
}

Test(watch_keys, previous_ones_may_be_gone_before_they_expire)
{
    const struct master_key_spec specs[] = {
        spec_of(1, KEY_LAYOUT_CHRONY_SIV, 100, 1010),
        spec_of(2, KEY_LAYOUT_CHRONY_SIV, 200, 1010), /* seals to the end */
    };
    struct ke_policy policy = policy_of(AEAD_AES_SIV_CMAC_256, AEAD_AES_128_GCM_SIV);
    struct keyring *ring = make_ring(specs, 2);
    struct watch_keys keys = {0};
    watch_keys_choose(&keys, ring, &policy, 1000, 0);
    cr_expect(watch_key_is_due(&keys.keys[1], 10, 1000, 0));
    cr_expect_not(watch_key_is_due(&keys.keys[1], 10, 1001, 0));
    cr_expect(watch_key_is_due(&keys.keys[0], 10, 1001, 0));
    snapshot_unref(&ring->snapshot);
}

/* --- rounds --- */

#define SEALS(outcome)                                                                             \
    {                                                                                              \
        1, WATCH_ROLE_SEALS, outcome                                                               \
    }
#define SEALS_2(outcome)                                                                           \
    {                                                                                              \
        2, WATCH_ROLE_SEALS, outcome                                                               \
    }
#define UPCOMING(outcome)                                                                          \
    {                                                                                              \
        3, WATCH_ROLE_UPCOMING, outcome                                                            \
    }
#define PREVIOUS(outcome)                                                                          \
    {                                                                                              \
        4, WATCH_ROLE_PREVIOUS, outcome                                                            \
    }

Test(watch_round, is_judged_by_the_keys_that_seal)
{
    static const struct {
        struct watch_verdict verdicts[3];
        size_t num;
        enum watch_outcome outcome;
        uint32_t key_id;
    } rows[] = {
        {{SEALS(WATCH_ANSWERED), UPCOMING(WATCH_NAK), PREVIOUS(WATCH_TIMEOUT)},
         3,
         WATCH_ANSWERED,
         1},
        {{SEALS(WATCH_TIMEOUT), UPCOMING(WATCH_ANSWERED), PREVIOUS(WATCH_ANSWERED)},
         3,
         WATCH_TIMEOUT,
         1},
        {{PREVIOUS(WATCH_NAK), SEALS(WATCH_ANSWERED)}, 2, WATCH_ANSWERED, 1},
        {{SEALS(WATCH_ANSWERED), SEALS_2(WATCH_KISS)}, 2, WATCH_KISS, 2},
        {{SEALS(WATCH_TIMEOUT), SEALS_2(WATCH_KISS)}, 2, WATCH_TIMEOUT, 1},
        {{SEALS(WATCH_TIMEOUT), SEALS_2(WATCH_NAK)}, 2, WATCH_NAK, 2},
        {{UPCOMING(WATCH_TIMEOUT), PREVIOUS(WATCH_ANSWERED)}, 2, WATCH_ANSWERED, 4},
        {{UPCOMING(WATCH_TIMEOUT), PREVIOUS(WATCH_NAK)}, 2, WATCH_TIMEOUT, 3},
        {{SEALS(WATCH_NAK)}, 0, WATCH_NOT_ASKED, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct watch_verdict verdict = watch_round_verdict(rows[i].verdicts, rows[i].num);
        cr_expect_eq(verdict.outcome, rows[i].outcome, "%zu", i);
        cr_expect_eq(verdict.key_id, rows[i].key_id, "%zu", i);
    }
}

/* --- states --- */

/* Takes outcomes in, one letter each, and tells what the state is after each: u unknown, + up,
 * - down, with ! in front of a change. */
static const char *states_after(const char *outcomes)
{
    static char text[128];
    struct watch_health health = {0};
    char *at = text;
    for (; *outcomes != '\0'; outcomes++) {
        enum watch_outcome outcome = *outcomes == 'a'   ? WATCH_ANSWERED
                                     : *outcomes == 'n' ? WATCH_NAK
                                     : *outcomes == '.' ? WATCH_NOT_ASKED
                                                        : WATCH_TIMEOUT;
        if (watch_health_take(&health, outcome)) {
            *at++ = '!';
        }
        *at++ = "u+-"[health.state];
        cr_expect_eq(watch_health_is_up(&health), health.state != WATCH_STATE_DOWN);
    }
    *at = '\0';
    return text;
}

Test(watch_health, goes_down_after_three_failures_in_a_row)
{
    cr_expect_str_eq(states_after("attt"), "!+++!-");
    cr_expect_str_eq(states_after("attatttt"), "!+++++"
                                               "+!--");
    cr_expect_str_eq(states_after("ttt"), "uu!-");
}

Test(watch_health, comes_up_after_two_answers_in_a_row)
{
    cr_expect_str_eq(states_after("tttatatt"), "uu!------");
    cr_expect_str_eq(states_after("tttaa"), "uu!--!+");
    cr_expect_str_eq(states_after("a"), "!+");
    cr_expect_str_eq(states_after("ta"), "u!+");
}

Test(watch_health, goes_down_at_once_with_a_nak)
{
    cr_expect_str_eq(states_after("n"), "!-");
    cr_expect_str_eq(states_after("an"), "!+!-");
    cr_expect_str_eq(states_after("anan"), "!+!---");
    cr_expect_str_eq(states_after("anaa"), "!+!--!+");
}

Test(watch_health, is_not_changed_by_what_was_not_asked)
{
    cr_expect_str_eq(states_after("....."), "uuuuu");
    cr_expect_str_eq(states_after("att.t"), "!++++!-");
    cr_expect_str_eq(states_after("ttta.a"), "uu!---!+");
}

Test(watch_health, keeps_why_it_failed_last)
{
    struct watch_health health = {0};
    (void)watch_health_take(&health, WATCH_KISS);
    (void)watch_health_take(&health, WATCH_ANSWERED);
    cr_expect_eq(health.last_failure, WATCH_KISS);
}

/* --- missing keys --- */

Test(watch_missing, tells_each_key_once)
{
    struct watch_missing missing = {0};
    const struct watch_verdict nak = UPCOMING(WATCH_NAK);
    const struct watch_verdict other = PREVIOUS(WATCH_NAK);
    const struct watch_verdict silence = UPCOMING(WATCH_TIMEOUT);
    const struct watch_verdict answer = UPCOMING(WATCH_ANSWERED);
    cr_expect_not(watch_missing_take(&missing, &answer));
    cr_expect(watch_missing_take(&missing, &nak));
    cr_expect_not(watch_missing_take(&missing, &nak));
    cr_expect(watch_missing_take(&missing, &other));
    cr_expect_not(watch_missing_take(&missing, &silence));
    cr_expect(watch_missing_take(&missing, &answer));
    cr_expect_not(watch_missing_take(&missing, &answer));
    cr_expect_eq(missing.num, 1);
}

Test(watch_missing, ends_with_any_authentic_answer)
{
    static const enum watch_outcome outcomes[] = {WATCH_UNSYNCHRONISED, WATCH_OFFSET};
    for (size_t i = 0; i < 2; i++) {
        struct watch_missing missing = {.num = 1, .ids = {3}};
        const struct watch_verdict verdict = UPCOMING(outcomes[i]);
        cr_expect(watch_missing_take(&missing, &verdict));
    }
    struct watch_missing missing = {.num = 1, .ids = {3}};
    const struct watch_verdict forged = UPCOMING(WATCH_FORGED);
    cr_expect_not(watch_missing_take(&missing, &forged));
}

Test(watch_missing, forgets_keys_that_are_gone)
{
    struct watch_missing missing = {.num = 3, .ids = {7, 8, 9}};
    const struct watch_keys keys = {.num = 1, .keys = {{.id = 8}}};
    watch_missing_forget(&missing, &keys);
    cr_expect_eq(missing.num, 1);
    cr_expect_eq(missing.ids[0], 8);
}

/* --- when --- */

Test(watch_health, asks_again_after_an_interval_give_or_take_a_tenth)
{
    static const int64_t intervals_s[] = {1, 5, 3600};
    for (size_t i = 0; i < 3; i++) {
        int64_t interval_ns = intervals_s[i] * S;
        cr_expect_eq(watch_next_ns(7, interval_ns, 0), 7 + interval_ns * 9 / 10);
        int64_t last_ns = watch_next_ns(7, interval_ns, UINT32_MAX);
        cr_expect_lt(last_ns, 7 + interval_ns * 11 / 10);
        cr_expect_gt(last_ns, 7 + interval_ns * 109 / 100);
    }
}

/* The messages of the ke-server, octet by octet. */
#include "base/hex.h"
#include "ke-server/protocol/ke_answer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define NOW_S INT64_C(1800000000)

static struct random_pool pool;
static uint8_t message[KE_ANSWER_CAPACITY];

static struct keyring *ring_of(enum key_layout layout)
{
    struct master_key_spec spec = {.id = 0xb01dface,
                                   .layout = layout,
                                   .activate_at_s = NOW_S - 1000,
                                   .expire_at_s = NOW_S + 1000};
    memset(spec.secret, 0x23, sizeof(spec.secret));
    struct keyring *ring = keyring_create(1, &spec, 1);
    cr_assert_not_null(ring);
    return ring;
}

static struct session_keys keys_of(uint16_t id)
{
    struct session_keys keys = {.aead = aead_find(id)};
    memset(keys.c2s, 0xc2, keys.aead->key_len);
    memset(keys.s2c, 0x52, keys.aead->key_len);
    return keys;
}

static struct ke_policy everything(void)
{
    struct ke_policy policy = {.num_aeads = 4, .order = KE_AEAD_ORDER_SERVER};
    static const uint16_t ids[] = {30, 15, 16, 17};
    for (size_t i = 0; i < 4; i++) {
        policy.aeads[i] = aead_find(ids[i]);
    }
    return policy;
}

/* Writes a response with cookies to `message` and returns its length. */
static size_t write_for(const struct keyring *ring, uint16_t id, bool compliant,
                        const struct time_server *server)
{
    struct session_keys keys = keys_of(id);
    struct negotiation negotiation = {
        .protocol = &next_protocol_ntpv4, .aead = keys.aead, .compliant_gcm_siv = compliant};
    struct ke_answer response = {
        .negotiation = &negotiation,
        .keys = &keys,
        .sealing_key = keyring_sealing_key(ring, keys.aead, NOW_S),
        .time_server = server,
    };
    return ke_answer_write(message, &response, &pool);
}

/* The types of all records with their critical bits, as hexadecimal text. */
static const char *types_of(size_t len)
{
    static char text[512];
    struct reader r = reader_over(message, len);
    struct ke_record record;
    text[0] = '\0';
    while (reader_more(&r) && ke_record_next(&r, &record)) {
        size_t at = strlen(text);
        snprintf(text + at, sizeof(text) - at, "%04x ",
                 record.type | (record.critical ? KE_CRITICAL : 0));
    }
    cr_assert_eq(reader_status(&r), NTS_OK);
    return text;
}

static void expect_message(size_t len, const char *hex)
{
    char text[2 * KE_ANSWER_CAPACITY + 1];
    hex_encode(text, message, len);
    cr_expect_str_eq(text, hex);
}

#define COOKIES "0005 0005 0005 0005 0005 0005 0005 0005 "

Test(ke_answer, has_its_records_in_order)
{
    struct keyring *ring = ring_of(KEY_LAYOUT_CHRONY_SIV);
    struct time_server server = {"ntp.example.net", 123, 1, AF_UNSPEC};
    struct time_server other_port = {"ntp.example.net", 124, 1, AF_UNSPEC};
    cr_expect_str_eq(types_of(write_for(ring, 15, false, NULL)), "8001 8004 " COOKIES "8000 ");
    cr_expect_str_eq(types_of(write_for(ring, 15, false, &server)),
                     "8001 8004 8006 " COOKIES "8000 ");
    cr_expect_str_eq(types_of(write_for(ring, 30, true, &other_port)),
                     "8001 8004 0400 8006 8007 " COOKIES "8000 ");
    snapshot_unref(&ring->snapshot);
}

Test(ke_answer, begins_as_the_vectors_do)
{
    struct keyring *ring = ring_of(KEY_LAYOUT_CHRONY_SIV);
    struct time_server server = {"127.0.0.2", 11123, 1, AF_INET};
    cr_assert_gt(write_for(ring, 30, true, &server), 0);
    expect_message(39, "8001000200008004"
                       "0002001e"
                       "04000000"
                       "80060009"
                       "3132372e302e302e32"
                       "800700022b73"
                       "00050044");
    snapshot_unref(&ring->snapshot);
}

Test(ke_answer, has_the_lengths_that_peers_measured)
{
    struct keyring *ring = ring_of(KEY_LAYOUT_CHRONY_SIV);
    struct keyring *gcm_siv = ring_of(KEY_LAYOUT_CHRONY_GCMSIV);
    cr_expect_eq(write_for(ring, 15, false, NULL), 848);
    cr_expect_eq(write_for(ring, 16, false, NULL), 848 + 8 * 32);
    cr_expect_eq(write_for(ring, 17, false, NULL), 848 + 8 * 64);
    cr_expect_eq(write_for(ring, 30, false, NULL), 848 - 8 * 32);
    cr_expect_eq(write_for(gcm_siv, 30, false, NULL), 848 - 8 * 36);
    snapshot_unref(&ring->snapshot);
    snapshot_unref(&gcm_siv->snapshot);
}

Test(ke_answer, holds_eight_distinct_cookies_of_the_session)
{
    static const uint16_t ids[] = {15, 16, 17, 30};
    struct keyring *ring = ring_of(KEY_LAYOUT_CHRONY_SIV);
    for (size_t i = 0; i < 4; i++) {
        struct session_keys keys = keys_of(ids[i]);
        struct cookie_open_job jobs[KE_NUM_COOKIES];
        size_t num = 0;
        struct reader r = reader_over(message, write_for(ring, ids[i], false, NULL));
        struct ke_record record;
        while (reader_more(&r) && ke_record_next(&r, &record)) {
            if (record.type == KE_NEW_COOKIE) {
                cr_assert_lt(num, KE_NUM_COOKIES);
                jobs[num++] =
                    (struct cookie_open_job){.cookie = record.body, .cookie_len = record.body_len};
            }
        }
        cr_assert_eq(num, KE_NUM_COOKIES);
        cookie_open_batch(ring, jobs, num, NOW_S);
        for (size_t j = 0; j < num; j++) {
            cr_expect_eq(jobs[j].status, NTS_OK);
            cr_expect_eq(jobs[j].keys.aead, keys.aead);
            cr_expect_arr_eq(jobs[j].keys.c2s, keys.c2s, keys.aead->key_len);
            cr_expect_arr_eq(jobs[j].keys.s2c, keys.s2c, keys.aead->key_len);
            for (size_t k = 0; k < j; k++) {
                cr_expect_arr_neq(jobs[j].cookie, jobs[k].cookie, jobs[j].cookie_len);
            }
        }
    }
    snapshot_unref(&ring->snapshot);
}

Test(ke_answer, fits_its_capacity_at_its_longest)
{
    char name[TIME_SERVER_NAME_MAX_LEN + 1];
    memset(name, 'a', TIME_SERVER_NAME_MAX_LEN);
    name[TIME_SERVER_NAME_MAX_LEN] = '\0';
    struct keyring *ring = ring_of(KEY_LAYOUT_CHRONY_SIV);
    struct time_server server = {name, 4123, 1, AF_UNSPEC};
    size_t len = write_for(ring, 17, true, &server);
    cr_expect_leq(len, KE_ANSWER_CAPACITY);
    cr_expect_geq(len + 2 * KE_RECORD_HEADER_LEN, KE_ANSWER_CAPACITY, "the bound is close");
    snapshot_unref(&ring->snapshot);
}

Test(ke_answer, is_empty_without_a_common_protocol_or_algorithm)
{
    struct negotiation no_protocol = {.protocol = NULL};
    struct negotiation no_aead = {.protocol = &next_protocol_ntpv4};
    struct ke_answer response = {.negotiation = &no_protocol};
    expect_message(ke_answer_write(message, &response, &pool), "8001000080000000");
    response.negotiation = &no_aead;
    expect_message(ke_answer_write(message, &response, &pool), "8001000200008004000080000000");
}

Test(ke_answer, writes_each_error)
{
    ke_answer_write_error(message, KE_ERROR_UNRECOGNISED_CRITICAL);
    expect_message(KE_ANSWER_ERROR_LEN, "80020002000080000000");
    ke_answer_write_error(message, KE_ERROR_BAD_REQUEST);
    expect_message(KE_ANSWER_ERROR_LEN, "80020002000180000000");
    ke_answer_write_error(message, KE_ERROR_INTERNAL);
    expect_message(KE_ANSWER_ERROR_LEN, "80020002000280000000");
}

/* GCM-SIV takes no nonce of 13 octets: nothing is to be sent then. */
Test(ke_answer, is_not_written_when_its_cookies_cannot_be_sealed)
{
    struct keyring *ring = ring_of(KEY_LAYOUT_CHRONY_GCMSIV);
    struct aead_algorithm broken = *ring->keys[0].expanded.aead;
    cr_expect_gt(write_for(ring, 30, true, NULL), 0);
    broken.nonce_len = 13;
    ring->keys[0].expanded.aead = &broken;
    cr_expect_eq(write_for(ring, 30, true, NULL), 0);
    snapshot_unref(&ring->snapshot);
    ring = ring_of(KEY_LAYOUT_NETNOD);
    struct session_keys keys = keys_of(17);
    struct negotiation negotiation = {.protocol = &next_protocol_ntpv4, .aead = keys.aead};
    struct ke_answer answer = {
        .negotiation = &negotiation, .keys = &keys, .sealing_key = &ring->keys[0]};
    cr_expect_eq(ke_answer_write(message, &answer, &pool), 0, "a key that holds no such keys");
    snapshot_unref(&ring->snapshot);
}

Test(ke_answer, offers_only_what_a_key_can_seal)
{
    struct ke_policy allowed = everything();
    struct ke_policy now;
    struct keyring *siv = ring_of(KEY_LAYOUT_CHRONY_SIV);
    struct keyring *gcm_siv = ring_of(KEY_LAYOUT_CHRONY_GCMSIV);
    struct keyring *netnod = ring_of(KEY_LAYOUT_NETNOD);

    ke_answer_offer(&now, &allowed, siv, NOW_S);
    cr_expect_eq(now.num_aeads, 4);
    cr_expect_eq(now.order, KE_AEAD_ORDER_SERVER);

    ke_answer_offer(&now, &allowed, gcm_siv, NOW_S);
    cr_assert_eq(now.num_aeads, 2);
    cr_expect_eq(now.aeads[0]->id, 30);
    cr_expect_eq(now.aeads[1]->id, 15);

    ke_answer_offer(&now, &allowed, netnod, NOW_S);
    cr_assert_eq(now.num_aeads, 1);
    cr_expect_eq(now.aeads[0]->id, 15);

    ke_answer_offer(&now, &allowed, siv, NOW_S + 1000);
    cr_expect_eq(now.num_aeads, 0, "expired");
    ke_answer_offer(&now, &allowed, siv, NOW_S - 1001);
    cr_expect_eq(now.num_aeads, 0, "not yet active");

    snapshot_unref(&siv->snapshot);
    snapshot_unref(&gcm_siv->snapshot);
    snapshot_unref(&netnod->snapshot);
}

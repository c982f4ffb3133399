/* Section 6 of the conformance matrix: the authenticator field, cookies in replies, and NTS NAK
 * (N-21 to N-36, NAK-01 to NAK-05). */
#include "ntp_support.h"

#include <openssl/rand.h>

/* Q(0) up to the authenticator. */
static struct packet start(const struct session_keys *keys)
{
    struct packet p = {0};
    put_header(&p);
    put_unique_id(&p, 32);
    put_cookie(&p, keys);
    return p;
}

static struct packet query_with_nonce(const struct session_keys *keys, size_t nonce_len,
                                      size_t padding_len)
{
    struct packet p = start(keys);
    put_authenticator_with(&p, keys, nonce_len, padding_len, NULL);
    return p;
}

NTP_TEST(N_21_inner_lengths_past_the_field_are_dropped)
{
    struct session_keys keys = session_keys_of(15);
    static const struct {
        size_t offset; /* from the field's body */
        uint16_t value;
    } rows[] = {{0, 200}, {2, 200}, {2, 8}, {0, 0xffff}, {2, 0xffff}, {2, 17}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct packet p = start(&keys);
        size_t body_at = p.len + EF_HEADER_LEN;
        put_authenticator(&p, &keys);
        store_u16(p.data + body_at + rows[i].offset, rows[i].value);
        assert_silence(&p);
    }
}

NTP_TEST(N_22_siv_nonces_of_other_lengths)
{
    const uint16_t aead_ids[] = {15, 16, 17};
    const size_t lens[] = {17, 20, 32, 64};
    for (size_t a = 0; a < 3; a++) {
        struct session_keys keys = session_keys_of(aead_ids[a]);
        for (size_t i = 0; i < 4; i++) {
            struct packet p = query_with_nonce(&keys, lens[i], 0);
            assert_nts(&p, &keys, 1);
        }
    }
}

NTP_TEST(N_23_short_nonces_need_additional_padding)
{
    struct session_keys keys = session_keys_of(15);
    const size_t dropped[][2] = {{12, 0}, {8, 0}, {1, 0}, {8, 4}, {1, 8}};
    const size_t answered[][2] = {{12, 4}, {8, 8}, {4, 12}, {1, 12}, {13, 0}};
    for (size_t i = 0; i < 5; i++) {
        struct packet p = query_with_nonce(&keys, dropped[i][0], dropped[i][1]);
        assert_silence(&p);
        p = query_with_nonce(&keys, answered[i][0], answered[i][1]);
        assert_nts(&p, &keys, 1);
    }
}

NTP_TEST(N_24_gcm_siv_needs_12_octets_of_nonce_and_no_padding)
{
    struct session_keys keys = session_keys_of(30);
    struct packet p = query_with_nonce(&keys, 12, 0);
    cr_assert_eq(load_u16(p.data + p.len - 34), 36, "the length of the field");
    assert_nts(&p, &keys, 1);
}

NTP_TEST(N_25_empty_nonce_is_dropped)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query_with_nonce(&keys, 0, 16);
    assert_silence(&p);
}

NTP_TEST(N_26_surplus_padding_is_accepted)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query_with_nonce(&keys, 16, 64);
    struct nts_reply reply = assert_nts(&p, &keys, 1);
    cr_assert_eq(reply.len, 228);
    keys = session_keys_of(30);
    p = query_with_nonce(&keys, 12, 64);
    assert_nts(&p, &keys, 1);
}

NTP_TEST(N_27_reply_nonces_are_never_the_same)
{
    enum { NUM = 1000 };
    static uint8_t nonces[NUM][16];
    struct session_keys keys = session_keys_of(15);
    for (int i = 0; i < NUM; i++) {
        struct packet p = query(&keys, 0);
        struct nts_reply reply = assert_nts(&p, &keys, 1);
        cr_assert_eq(reply.nonce_len, 16);
        memcpy(nonces[i], reply.nonce, 16);
        for (int j = 0; j < i; j++) {
            cr_assert_neq(memcmp(nonces[i], nonces[j], 16), 0);
        }
    }
    keys = session_keys_of(30);
    struct packet p = query(&keys, 0);
    cr_assert_eq(assert_nts(&p, &keys, 1).nonce_len, 12);
}

/* open_reply checks both for every reply of every test; here they have their names. */
NTP_TEST(N_28_reply_ends_with_the_authenticator_without_padding)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query_with_nonce(&keys, 20, 64); /* room to pad, as chrony does */
    put_field(&p, 0x4444, 60, 0);
    assert_nts(&p, &keys, 1);
}

NTP_TEST(N_29_reply_has_no_cookie_or_placeholder_in_clear)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 3);
    struct packet reply = ask(&p);
    struct reader r = reader_over(reply.data + NTP_HEADER_LEN, reply.len - NTP_HEADER_LEN);
    struct ext_field field;
    size_t num = 0;
    while (reader_more(&r) && ext_field_next(&r, &field, reply.data)) {
        cr_assert(field.type == EF_UNIQUE_IDENTIFIER || field.type == EF_NTS_AUTHENTICATOR);
        num++;
    }
    cr_assert_eq(num, 2);
}

NTP_TEST(N_30_reply_is_never_longer_than_the_request)
{
    /* ask() fails for any reply that is; these are the shortest requests that get cookies. */
    const uint16_t aead_ids[] = {15, 16, 17, 30};
    for (size_t a = 0; a < 4; a++) {
        struct session_keys keys = session_keys_of(aead_ids[a]);
        struct packet p =
            query_with_nonce(&keys, aead_ids[a] == 30 ? 12 : 1, aead_ids[a] == 30 ? 0 : 12);
        assert_nts(&p, &keys, 1);
    }
}

static void open_with_longer_new_cookies(void)
{
    /* Cookies of AEAD 30 had 64 octets and now have 68. */
    const struct master_key_spec specs[] = {
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_GCMSIV, -2000, 10000),
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000),
    };
    fixture_open();
    fixture_write_keyring(1, specs, 2);
    time_server_up_with(FIXED_CLOCK, "");
}

Test(conformance, N_31_longer_new_cookies_mean_fewer_of_them, .init = open_with_longer_new_cookies,
     .fini = time_server_down, .timeout = TEST_TIMEOUT_S)
{
    struct session_keys keys = session_keys_of(30);
    struct master_key_spec spec = fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_GCMSIV, 0, 1);
    for (size_t n = 0; n < 8; n++) {
        struct packet p = {0};
        put_header(&p);
        put_unique_id(&p, 32);
        put_cookie_of(&p, &keys, &spec);
        for (size_t i = 0; i < n; i++) {
            put_field(&p, EF_NTS_COOKIE_PLACEHOLDER, 64, 0);
        }
        put_authenticator(&p, &keys);
        struct nts_reply reply = assert_nts(&p, &keys, n);
        cr_assert(n == 0 || reply.cookie_len == 68);
    }
}

NTP_TEST(N_32_replay_gets_another_reply_with_other_cookies)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    struct nts_reply first = assert_nts(&p, &keys, 1);
    struct nts_reply second = assert_nts(&p, &keys, 1);
    cr_assert_neq(memcmp(first.cookies[0], second.cookies[0], first.cookie_len), 0);
}

NTP_TEST(N_33_nts_is_for_mode_3_only)
{
    struct session_keys keys = session_keys_of(15);
    const uint8_t first[] = {0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27};
    for (size_t i = 0; i < sizeof(first); i++) {
        struct packet p = {0};
        put_header(&p);
        p.data[0] = first[i]; /* authentic, but for its mode */
        put_unique_id(&p, 32);
        put_cookie(&p, &keys);
        put_authenticator(&p, &keys);
        assert_silence(&p);
    }
}

NTP_TEST(N_34_requests_are_sealed_with_c2s)
{
    struct session_keys keys = session_keys_of(15);
    struct session_keys swapped = keys;
    memcpy(swapped.c2s, keys.s2c, sizeof(keys.s2c));
    struct packet p = start(&keys);
    put_authenticator(&p, &swapped);
    assert_nak(&p);
    p = start(&keys);
    put_authenticator(&p, &keys);
    assert_nts(&p, &keys, 1); /* opened with S2C */
}

NTP_TEST(N_35_algorithms_are_mixed_on_one_socket)
{
    const uint16_t aead_ids[] = {15, 30, 17, 16};
    for (size_t i = 0; i < 40; i++) {
        struct session_keys keys = session_keys_of(aead_ids[i % 4]);
        struct packet p = query(&keys, i % 3);
        assert_nts(&p, &keys, i % 3 + 1);
    }
}

NTP_TEST(N_36_transmit_time_is_inside_what_is_authenticated)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    struct nts_reply reply = assert_nts(&p, &keys, 1); /* the tag is over the final header */
    cr_assert_neq(reply.header.transmit_time, 0);
    cr_assert_gt(reply.header.transmit_time, reply.header.receive_time);
}

/* Fresh cookies of a reply work, and give cookies in turn. */
NTP_TEST(N_36_cookies_of_a_reply_are_good_for_the_next_request)
{
    struct session_keys keys = session_keys_of(30);
    struct packet p = query(&keys, 7);
    struct nts_reply reply = assert_nts(&p, &keys, 8);
    for (size_t i = 0; i < 8; i++) {
        p = (struct packet){0};
        put_header(&p);
        put_unique_id(&p, 32);
        size_t at = p.len + EF_HEADER_LEN;
        put_field(&p, EF_NTS_COOKIE, reply.cookie_len, 0);
        memcpy(p.data + at, reply.cookies[i], reply.cookie_len);
        put_authenticator(&p, &keys);
        assert_nts(&p, &keys, 1);
    }
}

#define COOKIE_AT (NTP_HEADER_LEN + 36 + EF_HEADER_LEN)

NTP_TEST(NAK_01_unknown_key_id)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    p.data[COOKIE_AT] ^= 1;
    assert_nak(&p);
}

NTP_TEST(NAK_02_cookie_that_does_not_open)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    p.data[COOKIE_AT + 99] ^= 1;
    assert_nak(&p);
    RAND_bytes(p.data + COOKIE_AT, 100);
    assert_nak(&p);

    const size_t lens[] = {12, 16, 96, 104, 200}; /* of no cookie of ours */
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        p = (struct packet){0};
        put_header(&p);
        put_unique_id(&p, 32);
        put_field(&p, EF_NTS_COOKIE, lens[i], 0x5a);
        store_u32(p.data + COOKIE_AT, FIXTURE_NEW_KEY);
        put_authenticator(&p, &keys);
        assert_nak(&p);
    }
}

NTP_TEST(NAK_03_request_tag_that_is_wrong)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    p.data[p.len - 1] ^= 1;
    assert_nak(&p);
    p.data[p.len - 1] ^= 1;
    p.data[20] ^= 1; /* the header */
    assert_nak(&p);
    p.data[20] ^= 1;
    assert_nts(&p, &keys, 1);
}

NTP_TEST(NAK_04_form)
{
    /* The vector of section 8.6: its cookie is under no key of ours. */
    struct packet p = packet_of(
        "230006200000000000000000000000000000000000000000000000000000000000000000000000000123456789"
        "abcdef01040024202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f020400680001"
        "02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e"
        "2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b"
        "5c5d5e5f606162630404002800100010a0a1a2a3a4a5a6a7a8a9aaabacadaeafe2912f3d0ee268b247d44db011"
        "873253");
    struct packet expected = packet_of(
        "e40006e700000000000000004e54534e00000000000000000123456789abcdef00000000000000000000000000"
        "00000001040024202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f");
    struct packet reply = ask(&p);
    cr_assert_eq(reply.len, expected.len);
    reply.data[3] = expected.data[3]; /* precision is free */
    cr_assert_arr_eq(reply.data, expected.data, expected.len);
}

NTP_TEST(NAK_05_no_nak_for_what_is_not_a_whole_request)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    p.data[COOKIE_AT] ^= 1; /* an unknown key throughout */
    assert_nak(&p);
    struct packet no_authenticator = p;
    no_authenticator.len -= 40;
    assert_silence(&no_authenticator);
    struct packet short_tag = p;
    store_u16(short_tag.data + p.len - 34 - 0, 8);
    assert_silence(&short_tag);
    struct packet no_unique_id = p;
    memmove(no_unique_id.data + 48, p.data + 84, p.len - 84);
    no_unique_id.len -= 36;
    assert_silence(&no_unique_id);
}

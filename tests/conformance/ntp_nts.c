/* Section 6 of the conformance matrix: NTS requests and their replies (N-01 to N-20). */
#include "ntp_support.h"

/* H and a unique identifier: how most requests here begin. */
static struct packet start(void)
{
    struct packet p = {0};
    put_header(&p);
    put_unique_id(&p, 32);
    return p;
}

NTP_TEST(N_01_valid_request_is_answered)
{
    static const struct {
        uint16_t aead_id;
        size_t len; /* of Q(0): 228 for a cookie of 100 octets */
    } rows[] = {{15, 228}, {16, 260}, {17, 292}, {30, 192}};
    for (size_t i = 0; i < 4; i++) {
        struct session_keys keys = session_keys_of(rows[i].aead_id);
        struct packet p = query(&keys, 0);
        struct nts_reply reply = assert_nts(&p, &keys, 1);
        cr_assert_eq(p.len, rows[i].len);
        cr_assert_eq(reply.len, rows[i].len);
    }
}

NTP_TEST(N_02_unique_id_is_echoed_whatever_its_length)
{
    struct session_keys keys = session_keys_of(15);
    const size_t lens[] = {32, 36, 64, 128};
    for (size_t i = 0; i < 4; i++) {
        struct packet p = {0};
        put_header(&p);
        put_unique_id(&p, lens[i]);
        put_cookie(&p, &keys);
        put_authenticator(&p, &keys);
        assert_nts(&p, &keys, 1); /* compares the body */
    }
}

NTP_TEST(N_03_unique_id_below_32_octets_is_dropped)
{
    struct session_keys keys = session_keys_of(15);
    const size_t lens[] = {16, 28};
    for (size_t i = 0; i < 2; i++) {
        struct packet p = {0};
        put_header(&p);
        put_unique_id(&p, lens[i]);
        put_cookie(&p, &keys);
        put_authenticator(&p, &keys);
        assert_silence(&p);
    }
}

NTP_TEST(N_04_no_unique_id_is_dropped)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = {0};
    put_header(&p);
    put_cookie(&p, &keys);
    put_authenticator(&p, &keys);
    assert_silence(&p);
}

NTP_TEST(N_05_two_unique_ids_are_dropped)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = start();
    put_unique_id(&p, 32);
    put_cookie(&p, &keys);
    put_authenticator(&p, &keys);
    assert_silence(&p);
}

NTP_TEST(N_06_two_cookies_are_dropped)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = start();
    put_cookie(&p, &keys);
    put_cookie(&p, &keys);
    put_authenticator(&p, &keys);
    assert_silence(&p);
}

NTP_TEST(N_07_authenticator_without_cookie_is_dropped)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = start();
    put_authenticator(&p, &keys);
    assert_silence(&p);
}

NTP_TEST(N_08_cookie_without_authenticator_is_dropped)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = start();
    put_cookie(&p, &keys);
    assert_silence(&p);
    p = start();
    put_placeholders(&p, &keys, 1);
    assert_silence(&p);
}

NTP_TEST(N_09_second_authenticator_is_ignored)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    put_authenticator(&p, &keys);
    assert_nts(&p, &keys, 1);
}

NTP_TEST(N_10_order_before_the_authenticator_is_free)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = {0};
    put_header(&p);
    put_cookie(&p, &keys);
    put_unique_id(&p, 32);
    put_authenticator(&p, &keys);
    assert_nts(&p, &keys, 1);

    p = (struct packet){0};
    put_header(&p);
    put_placeholders(&p, &keys, 1);
    put_unique_id(&p, 32);
    put_cookie(&p, &keys);
    put_authenticator(&p, &keys);
    assert_nts(&p, &keys, 2);
}

NTP_TEST(N_11_cookies_are_one_and_one_for_each_placeholder)
{
    const uint16_t aead_ids[] = {15, 16, 17, 30};
    for (size_t a = 0; a < 4; a++) {
        struct session_keys keys = session_keys_of(aead_ids[a]);
        for (size_t n = 0; n <= 7; n++) {
            struct packet p = query(&keys, n);
            struct nts_reply reply = assert_nts(&p, &keys, n + 1);
            cr_assert_eq(reply.len, p.len);
        }
    }
    struct session_keys keys = session_keys_of(15);
    cr_assert_eq(query(&keys, 7).len, 956);
}

NTP_TEST(N_12_more_than_7_placeholders_give_8_cookies)
{
    struct session_keys keys = session_keys_of(15);
    for (size_t n = 8; n < 12; n++) {
        struct packet p = query(&keys, n);
        assert_nts(&p, &keys, 8);
    }
}

NTP_TEST(N_13_placeholder_of_another_length_is_dropped)
{
    struct session_keys keys = session_keys_of(15);
    const size_t lens[] = {96, 104, 12};
    for (size_t i = 0; i < 3; i++) {
        struct packet p = start();
        put_cookie(&p, &keys);
        put_field(&p, EF_NTS_COOKIE_PLACEHOLDER, lens[i], 0);
        put_authenticator(&p, &keys);
        assert_silence(&p);
        p = start();
        put_field(&p, EF_NTS_COOKIE_PLACEHOLDER, lens[i], 0);
        put_placeholders(&p, &keys, 1); /* the last one is right, the first is not */
        put_cookie(&p, &keys);
        put_authenticator(&p, &keys);
        assert_silence(&p);
    }
}

NTP_TEST(N_14_placeholder_content_is_ignored)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = start();
    put_cookie(&p, &keys);
    put_field(&p, EF_NTS_COOKIE_PLACEHOLDER, 100, 0xff);
    put_authenticator(&p, &keys);
    assert_nts(&p, &keys, 2);
}

/* Q(0) with encrypted fields. */
static struct packet query_encrypting(const struct session_keys *keys,
                                      const struct packet *plaintext)
{
    struct packet p = start();
    put_cookie(&p, keys);
    put_authenticator_with(&p, keys, keys->aead->nonce_len, 0, plaintext);
    return p;
}

NTP_TEST(N_15_encrypted_placeholders_count)
{
    struct session_keys keys = session_keys_of(15);
    struct packet plaintext = {0};
    put_placeholders(&plaintext, &keys, 1);
    struct packet p = query_encrypting(&keys, &plaintext);
    struct nts_reply reply = assert_nts(&p, &keys, 2);
    cr_assert_eq(reply.len, p.len);

    plaintext.len = 0;
    put_field(&plaintext, EF_NTS_COOKIE_PLACEHOLDER, 96, 0);
    p = query_encrypting(&keys, &plaintext);
    assert_silence(&p);
}

NTP_TEST(N_16_short_and_unknown_encrypted_fields_are_fine)
{
    struct session_keys keys = session_keys_of(15);
    struct packet plaintext = packet_of("4444000800000000"
                                        "44450004");
    struct packet p = query_encrypting(&keys, &plaintext);
    assert_nts(&p, &keys, 1);
}

NTP_TEST(N_17_malformed_encrypted_field_is_dropped)
{
    struct session_keys keys = session_keys_of(15);
    const char *const fields[] = {"44440040", "44440000", "444400", "4444000600000000"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct packet plaintext = packet_of(fields[i]);
        struct packet p = query_encrypting(&keys, &plaintext);
        assert_silence(&p);
    }
}

NTP_TEST(N_18_encrypted_cookie_is_no_request_for_more)
{
    struct session_keys keys = session_keys_of(15);
    struct packet plaintext = {0};
    put_cookie(&plaintext, &keys);
    struct packet p = query_encrypting(&keys, &plaintext);
    assert_nts(&p, &keys, 1);
}

NTP_TEST(N_19_everything_in_front_of_the_authenticator_is_authenticated)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = start();
    put_cookie(&p, &keys);
    size_t unknown_at = p.len;
    put_field(&p, 0x4444, 24, 0);
    put_authenticator(&p, &keys);
    assert_nts(&p, &keys, 1);
    p.data[unknown_at + 10] ^= 1;
    assert_nak(&p);
    p.data[unknown_at + 10] ^= 1;
    p.data[60] ^= 1; /* the unique identifier */
    assert_nak(&p);
}

NTP_TEST(N_20_fields_behind_the_authenticator_are_discarded)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    put_field(&p, 0x4444, 24, 0);
    struct nts_reply reply = assert_nts(&p, &keys, 1);
    cr_assert_eq(reply.len, 228);
    p = query(&keys, 0);
    put_placeholders(&p, &keys, 1);
    assert_nts(&p, &keys, 1);
}

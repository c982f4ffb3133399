/* Section 4 of the conformance matrix: cookies, errors, warnings, pool records. */
#include "ke_support.h"

#include "base/cursor.h"
#include "client/ke_client.h"
#include "client/ke_tls.h"
#include "client/ntp_client.h"
#include "support/octets.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

KE_TEST(CK_01_eight_cookies_not_critical)
{
    /* ke_dialog_agree fails unless there are eight records of type 0005. */
    struct ke_agreement agreement = ke_agree(NP AE EOM, OK15);
    cr_assert_eq(agreement.jar.num, 8);
}

static int compare_cookies(const void *a, const void *b)
{
    return memcmp(a, b, 100);
}

KE_TEST(CK_02_all_cookies_of_1000_sessions_are_distinct)
{
    enum { NUM_SESSIONS = 1000, COOKIE_LEN = 100 };
    static uint8_t cookies[NUM_SESSIONS * KE_NUM_COOKIES][COOKIE_LEN];
    struct ke_connection_options options = ke_options();
    struct error error;
    size_t num = 0;
    cr_assert_eq(ke_tls_context_create(&options.context, &options, &error), NTS_OK, "%s",
                 error.text);
    for (int i = 0; i < NUM_SESSIONS; i++) {
        struct ke_dialog dialog;
        struct client_cookie cookie;
        ke_dialog_open(&dialog, &options);
        ke_dialog_send(&dialog, NP AE EOM);
        struct ke_agreement agreement = ke_dialog_agree(&dialog, OK15);
        while (cookie_jar_take(&agreement.jar, &cookie)) {
            cr_assert_eq(cookie.len, COOKIE_LEN);
            memcpy(cookies[num++], cookie.octets, COOKIE_LEN);
        }
    }
    SSL_CTX_free(options.context);
    cr_assert_eq(num, NUM_SESSIONS * KE_NUM_COOKIES);
    qsort(cookies, num, COOKIE_LEN, compare_cookies);
    for (size_t i = 1; i < num; i++) {
        cr_assert_neq(compare_cookies(cookies[i - 1], cookies[i]), 0);
    }
}

static void assert_cookie_len(const char *aead_hex, size_t len)
{
    char request[64];
    char head[64];
    struct client_cookie cookie;
    snprintf(request, sizeof(request), NP "80040002%s04000000" EOM, aead_hex);
    snprintf(head, sizeof(head), NP "80040002%s%s", aead_hex,
             strcmp(aead_hex, "001e") == 0 ? R1024 : "");
    /* ke_agree fails unless all are of one length, a multiple of 4, 12 to 192. */
    struct ke_agreement agreement = ke_agree(request, head);
    cr_assert(cookie_jar_take(&agreement.jar, &cookie));
    cr_assert_eq(cookie.len, len, "AEAD %s: %zu octets", aead_hex, cookie.len);
}

KE_TEST(CK_03_one_cookie_length_per_aead)
{
    assert_cookie_len("001e", 4 + 16 + 16 + 2 * 16);
    assert_cookie_len("000f", 4 + 16 + 16 + 2 * 32);
    assert_cookie_len("0010", 4 + 16 + 16 + 2 * 48);
    assert_cookie_len("0011", 4 + 16 + 16 + 2 * 64);
}

KE_FILES_TEST(CK_03_one_cookie_length_per_aead_under_other_layouts)
{
    struct master_key_spec spec =
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_GCMSIV, -7200, 86400);
    ke_write_keyring(1, &spec, 1);
    ke_start("");
    assert_cookie_len("001e", 4 + 12 + 16 + 2 * 16);
    assert_cookie_len("000f", 4 + 12 + 16 + 2 * 32);
    ke_expect(NP "800400020011" EOM, NO_AEAD); /* does not fit that layout */

    spec = fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_NETNOD, -7200, 86400);
    ke_rotate(2, &spec, 1);
    assert_cookie_len("000f", 4 + 16 + 16 + 2 * 32);
}

KE_TEST(CK_04_no_cookies_without_an_agreement)
{
    /* ke_expect compares every octet: there is no room for a record of type 5. */
    ke_expect(NP AE "c0010000" EOM, ERR0);
    ke_expect(NP NP AE EOM, ERR1);
    ke_expect("800100028001" AE EOM, NO_PROTOCOL);
    ke_expect(NP "800400020001" EOM, NO_AEAD);
}

/* The whole way of a client: NTS-KE, then the time server that it names, with every cookie. */
KE_FILES_TEST(CK_05_cookies_are_usable_at_once_at_the_advertised_server)
{
    static struct ke_session session;
    char more[128];
    struct error error;
    union net_address address;
    struct ke_connection_options options = ke_options();
    struct ke_client_options client = {
        .host = fixture_ip, .port = FIXTURE_KE_PORT, .ca_file = options.ca_file};
    ke_start_time_server();
    snprintf(more, sizeof(more), ", \"time_servers\": [{\"name\": \"%s\", \"port\": %d}]",
             fixture_ip, FIXTURE_NTP_PORT);
    ke_start(more);
    cr_assert_eq(ke_client_run(&session, &client, &error), NTS_OK, "%s", error.text);
    cr_assert_str_eq(session.ntp_host, fixture_ip);
    cr_assert_eq(session.ntp_port, FIXTURE_NTP_PORT);
    cr_assert_eq(ke_session_time_server(&address, &session, AF_UNSPEC, &error), NTS_OK, "%s",
                 error.text);
    for (int i = 0; i < 2 * KE_NUM_COOKIES; i++) {
        struct ntp_exchange_options exchange = {.server = &address,
                                                .keys = &session.keys,
                                                .jar = &session.response.jar,
                                                .timeout_ms = PATIENCE_MS};
        struct ntp_reply reply;
        struct ntp_sample sample;
        cr_assert_eq(ntp_exchange(&reply, &sample, &exchange, &error), NTS_OK, "%s", error.text);
        cr_assert(reply.authenticated);
        cr_assert_eq(session.response.jar.num, KE_NUM_COOKIES);
    }
    ke_session_wipe(&session);
}

/* All cookies of the jar are under the key with that id. */
static void assert_all_under(const struct cookie_jar *jar, uint32_t id)
{
    struct cookie_jar copy = *jar;
    struct client_cookie cookie;
    cr_assert_eq(jar->num, KE_NUM_COOKIES);
    while (cookie_jar_take(&copy, &cookie)) {
        cr_assert_eq(load_u32(cookie.octets), id, "%08x", load_u32(cookie.octets));
    }
}

KE_TEST(CK_06_old_keys_open_new_keys_seal_dropped_keys_are_naked)
{
    struct master_key_spec specs[] = {
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -7200, 86400),
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -3600, 86400)};
    ke_start_time_server();
    struct ke_agreement old = ke_agree(NP AE EOM, OK15);
    assert_all_under(&old.jar, FIXTURE_OLD_KEY);

    ke_rotate(2, specs, 2);
    struct ke_agreement new = ke_agree(NP AE EOM, OK15);
    assert_all_under(&new.jar, FIXTURE_NEW_KEY);
    cr_assert_eq(ke_ask_time(&old), NTS_OK);
    cr_assert_eq(ke_ask_time(&new), NTS_OK);

    ke_rotate(3, &specs[1], 1);
    cr_assert_eq(ke_ask_time(&old), NTS_ERR_NAK);
    cr_assert_eq(ke_ask_time(&new), NTS_OK);
    struct ke_agreement newest = ke_agree(NP AE EOM, OK15);
    assert_all_under(&newest.jar, FIXTURE_NEW_KEY);
}

KE_TEST(CK_07_aead_31_is_not_offered_so_key_lengths_tell_algorithms_apart)
{
    ke_start_time_server();
    ke_expect(NP "80040002001f" EOM, NO_AEAD);
    struct ke_agreement agreement = ke_agree(NP "80040004001f000f" EOM, OK15);
    cr_assert_eq(ke_ask_time(&agreement), NTS_OK);
}

KE_TEST(ERR_01_records_of_a_server_get_error_1)
{
    ke_expect(NP AE "800200020001" EOM, ERR1);
    ke_expect(NP AE "800300020001" EOM, ERR1);
    ke_expect(NP AE "0005000401020304" EOM, ERR1);
    ke_expect(NP AE "000200020001" EOM, ERR1);
    ke_expect(NP AE "8005000401020304" EOM, ERR1);
}

KE_TEST(ERR_02_error_is_ten_octets)
{
    ke_expect("c0010000" EOM, "80020002000080000000");
    ke_expect(EOM, "80020002000180000000");
}

KE_FILES_TEST(ERR_03_no_master_key_gets_error_2)
{
    /* A server does not start without an active key: this one loses it while it runs. */
    ke_start("");
    struct master_key_spec spec = fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -7200, 3);
    ke_rotate(2, &spec, 1);
    AWAIT(real_time_ns() >= spec.expire_at_s * NS_PER_S, "the clock stands still");
    ke_expect(NP AE EOM, "80020002000280000000");
    ke_expect("800100028001" EOM, NO_PROTOCOL); /* needs no key */
    ke_expect(NP EOM, ERR1);                    /* the client's fault goes first */

    spec = fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -7200, 86400);
    ke_rotate(3, &spec, 1);
    ke_expect_ok15(NP AE EOM);
}

/* Requests that cover every kind of answer. */
static const char *const all_kinds[] = {
    NP AE EOM,
    NP AE R1024 EOM,
    NP AE "000e0000000d0003612e6200080000" EOM,
    NP "80040004001e000f" R1024 EOM,
    NP "8004000400110010" EOM,
    NP AE "000600093132372e302e302e3100070002007b" EOM,
    "800100028001" EOM,
    NP "800400020001" EOM,
    NP AE "c0010000" EOM,
    NP AE "800300020001" EOM,
    AE EOM,
};

/* The types in the answer to a request, as a set of bits; bit 8 stands for 1024. */
static unsigned types_in_answer(const char *request)
{
    struct ke_dialog dialog;
    unsigned types = 0;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, request);
    ke_dialog_finish(&dialog);
    struct reader r = reader_over(dialog.answer, dialog.len);
    while (reader_more(&r)) {
        unsigned type = read_u16(&r) & 0x7fff;
        read_bytes(&r, read_u16(&r));
        cr_assert(type <= 7 || type == 1024, "type %u in the answer to %s", type, request);
        types |= 1u << (type == 1024 ? 8 : type);
    }
    cr_assert_eq(reader_status(&r), NTS_OK);
    ke_connection_close(&dialog.connection);
    return types;
}

#define WITH_TIME_SERVER ", \"time_servers\": [{\"name\": \"192.0.2.7\", \"port\": 11123}]"

KE_FILES_TEST(ERR_04_no_warning_is_ever_sent)
{
    ke_start(WITH_TIME_SERVER);
    for (size_t i = 0; i < sizeof(all_kinds) / sizeof(all_kinds[0]); i++) {
        cr_assert_eq(types_in_answer(all_kinds[i]) & 1u << 3, 0, "%s", all_kinds[i]);
    }
}

KE_FILES_TEST(ERR_05_only_expected_types_are_sent)
{
    const unsigned end = 1u << 0;
    const unsigned success = 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7 | end;
    ke_start(WITH_TIME_SERVER);
    for (size_t i = 0; i < sizeof(all_kinds) / sizeof(all_kinds[0]); i++) {
        unsigned types = types_in_answer(all_kinds[i]);
        unsigned asked_for = i == 3 ? 1u << 8 : 0;
        cr_assert(types == (success | asked_for) || types == (1u << 2 | end) ||
                      types == (1u << 1 | end) || types == (1u << 1 | 1u << 4 | end),
                  "types %#x in the answer to %s", types, all_kinds[i]);
    }
}

KE_TEST(POOL_01_critical_pool_records_get_error_0)
{
    ke_expect("80090000" EOM, ERR0);
    ke_expect("800a0000" EOM, ERR0);
    ke_expect("800c00020000" EOM, ERR0);
    ke_expect(NP AE "80090000" EOM, ERR0);
}

KE_TEST(POOL_02_other_pool_records_are_ignored)
{
    ke_expect_ok15(NP AE "000d0003612e62" EOM);
    ke_expect_ok15(NP AE "00080000" EOM);
    ke_expect_ok15(NP AE "000e0004deadbeef" EOM);
    ke_expect(NP AE "800d0003612e62" EOM, ERR0);
}

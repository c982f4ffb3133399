/* Section 3 of the conformance matrix: what server and client agree on. */
#include "ke_support.h"

#include "base/cursor.h"
#include "support/octets.h"

#include <stdio.h>

KE_TEST(NEG_01_missing_next_protocol_gets_error_1)
{
    ke_expect(AE EOM, ERR1);
    ke_expect(EOM, ERR1);
}

KE_TEST(NEG_02_second_next_protocol_gets_error_1)
{
    ke_expect(NP NP AE EOM, ERR1);
    ke_expect("800100028001" NP AE EOM, ERR1);
}

KE_TEST(NEG_03_next_protocol_must_be_critical)
{
    ke_expect("000100020000" AE EOM, ERR1);
}

KE_TEST(NEG_04_empty_next_protocol_gets_error_1)
{
    ke_expect("80010000" AE EOM, ERR1);
}

KE_TEST(NEG_05_odd_next_protocol_gets_error_1)
{
    ke_expect("8001000300000f" AE EOM, ERR1);
    ke_expect("8001000100" AE EOM, ERR1);
}

KE_TEST(NEG_06_no_common_protocol_gets_an_empty_list)
{
    ke_expect("800100028001" EOM, NO_PROTOCOL);
    ke_expect("800100028001" AE EOM, NO_PROTOCOL);
    ke_expect("8001000480018002" AE EOM, NO_PROTOCOL);
}

KE_TEST(NEG_07_unknown_protocols_are_skipped)
{
    ke_expect_ok15("8001000480010000" AE EOM);
    ke_expect_ok15("8001000400008001" AE EOM);
}

KE_TEST(NEG_10_missing_aead_gets_error_1)
{
    ke_expect(NP EOM, ERR1);
}

KE_TEST(NEG_11_second_aead_gets_error_1)
{
    ke_expect(NP AE AE EOM, ERR1);
    ke_expect(NP AE "00040002000f" EOM, ERR1);
}

KE_TEST(NEG_12_empty_aead_gets_error_1)
{
    ke_expect(NP "80040000" EOM, ERR1);
}

KE_TEST(NEG_13_odd_aead_gets_error_1)
{
    ke_expect(NP "80040003000f00" EOM, ERR1);
}

KE_TEST(NEG_14_no_common_aead_gets_an_empty_list_and_no_cookies)
{
    ke_expect(NP "800400020001" EOM, "80010002000080040000" EOM);
    ke_expect(NP "800400047fff0001" EOM, NO_AEAD);
}

KE_TEST(NEG_15_aead_record_need_not_be_critical)
{
    ke_expect_ok15(NP "00040002000f" EOM);
}

KE_TEST(NEG_16_aead_15_is_always_available)
{
    ke_expect_ok15(NP "80040002000f" EOM);
    ke_expect_ok15(NP "800400060001000f0002" EOM);
    ke_expect_ok15(NP "800400067fffffff000f" EOM);
}

KE_FILES_TEST(NEG_16_aead_15_is_available_when_it_is_the_only_one)
{
    ke_start(", \"aead\": [15]");
    ke_expect_ok15(NP "80040008001e00110010000f" R1024 EOM);
    ke_expect(NP "80040006001e00110010" R1024 EOM, NO_AEAD);
}

KE_TEST(NEG_17_unknown_aeads_are_skipped)
{
    ke_expect_ok15(NP "800400047fff000f" EOM);
    ke_expect_ok15(NP "80040004000f7fff" EOM);
}

KE_TEST(NEG_18_first_supported_aead_of_the_client_is_taken)
{
    ke_agree(NP "8004000600110010000f" EOM, OK_AEAD("0011"));
    ke_agree(NP "8004000600100011000f" EOM, OK_AEAD("0010"));
    ke_agree(NP "80040006000f00110010" EOM, OK_AEAD("000f"));
    ke_agree(NP "8004000400010010" EOM, OK_AEAD("0010"));
}

KE_FILES_TEST(NEG_18_first_supported_aead_is_not_one_that_is_switched_off)
{
    ke_start(", \"aead\": [15, 16]");
    ke_agree(NP "8004000600110010000f" EOM, OK_AEAD("0010"));
}

KE_FILES_TEST(NEG_18_order_of_the_server_decides_if_configured)
{
    ke_start(", \"aead\": [16, 15, 17], \"aead_order\": \"server\"");
    ke_agree(NP "8004000600110010000f" EOM, OK_AEAD("0010"));
    ke_agree(NP "800400040011000f" EOM, OK_AEAD("000f"));
}

KE_TEST(NEG_19_answer_has_one_aead_that_the_client_offered)
{
    /* Every pair of those that the server has: the head has one number, the first of the two. */
    static const uint16_t ids[] = {15, 16, 17};
    for (size_t i = 0; i < 9; i++) {
        char request[64];
        char head[64];
        snprintf(request, sizeof(request), NP "80040004%04x%04x" EOM, ids[i / 3], ids[i % 3]);
        snprintf(head, sizeof(head), NP "80040002%04x", ids[i / 3]);
        ke_agree(request, head);
    }
}

/* An agreement on `aead_id_hex` alone serves an NTP query with keys of `key_len` octets. */
static void assert_serves(const char *request, const char *head, size_t key_len)
{
    struct ke_agreement agreement = ke_agree(request, head);
    cr_assert_eq(agreement.keys.aead->key_len, key_len);
    cr_assert_eq(ke_ask_time(&agreement), NTS_OK);
}

KE_TEST(NEG_20_keys_have_the_length_of_the_algorithm)
{
    ke_start_time_server();
    assert_serves(NP "80040002000f" EOM, OK_AEAD("000f"), 32);
    assert_serves(NP "800400020010" EOM, OK_AEAD("0010"), 48);
    assert_serves(NP "800400020011" EOM, OK_AEAD("0011"), 64);
    assert_serves(NP "80040002001e" R1024 EOM, OK_AEAD("001e") R1024, 16);
    ke_expect(NP "80040002001f" EOM, NO_AEAD); /* 31 is not offered: CK-07 */
}

/* What is in the cookies, against the exporter with a context as it stands in the matrix. */
static void assert_contexts(const char *request, const char *head, const char *c2s_context,
                            const char *s2c_context)
{
    static const char label[] = "EXPORTER-network-time-security";
    const char *const contexts[2] = {c2s_context, s2c_context};
    uint8_t keys[2][AEAD_MAX_KEY_LEN];
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, request);
    for (int i = 0; i < 2; i++) {
        struct octets context = octets_of(contexts[i]);
        size_t key_len = load_u16(context.data + 2) == 30 ? 16 : 32;
        cr_assert_eq(SSL_export_keying_material(dialog.connection.ssl, keys[i], key_len, label,
                                                sizeof(label) - 1, context.data, context.len, 1),
                     1);
    }
    /* ke_dialog_agree has opened the cookies and compared them with these. */
    struct ke_agreement agreement = ke_dialog_agree(&dialog, head);
    cr_assert_arr_eq(agreement.keys.c2s, keys[0], agreement.keys.aead->key_len);
    cr_assert_arr_eq(agreement.keys.s2c, keys[1], agreement.keys.aead->key_len);
    cr_assert_neq(memcmp(keys[0], keys[1], agreement.keys.aead->key_len), 0);
}

KE_TEST(NEG_21_exporter_label_and_contexts)
{
    assert_contexts(NP AE EOM, OK15, "0000000f00", "0000000f01");
}

KE_TEST(NEG_22_record_1024_is_echoed_with_aead_30)
{
    ke_start_time_server();
    assert_contexts(NP "80040004001e000f" R1024 EOM, NP "80040002001e" R1024, "0000001e00",
                    "0000001e01");
    assert_serves(NP "80040004001e000f" R1024 EOM, OK_AEAD("001e") R1024, 16);
    assert_serves(R1024 NP "80040004001e000f" EOM, OK_AEAD("001e") R1024, 16);
    assert_serves(NP "80040004001e000f84000000" EOM, OK_AEAD("001e") R1024, 16);
}

KE_TEST(NEG_23_record_1024_is_not_echoed_without_aead_30)
{
    ke_expect_ok15(NP AE R1024 EOM);
    ke_expect_ok15(NP "80040004000f001e" R1024 EOM);
}

KE_TEST(NEG_24_record_1024_with_a_body_gets_error_1)
{
    ke_expect(NP AE "040000020000" EOM, ERR1);
    ke_expect(NP "80040002001e0400000100" EOM, ERR1);
}

KE_TEST(NEG_25_aead_30_without_record_1024_yields_to_15)
{
    ke_expect_ok15(NP "80040004001e000f" EOM);
    ke_expect_ok15(NP "80040004000f001e" EOM);
}

KE_TEST(NEG_26_aead_30_alone_without_record_1024_has_the_context_of_the_rfc)
{
    ke_start_time_server();
    assert_contexts(NP "80040002001e" EOM, NP "80040002001e", "0000001e00", "0000001e01");
    assert_serves(NP "80040002001e" EOM, OK_AEAD("001e"), 16);
}

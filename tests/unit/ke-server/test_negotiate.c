/* The negotiation of the ke-server, record by record, without a socket. */
#include "base/hex.h"
#include "ke-server/protocol/negotiate.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NP  "800100020000"
#define AE  "80040002000f"
#define EOM "80000000"

static struct ke_policy policy_of(enum ke_aead_order order, size_t num, const uint16_t *ids)
{
    struct ke_policy policy = {.order = order};
    for (size_t i = 0; i < num; i++) {
        policy.aeads[policy.num_aeads++] = aead_find(ids[i]);
    }
    return policy;
}

static struct ke_policy default_policy(void)
{
    static const uint16_t ids[] = {30, 15, 16, 17};
    return policy_of(KE_AEAD_ORDER_CLIENT, 4, ids);
}

static uint8_t request[KE_REQUEST_MAX_LEN + 1];

static enum nts_status run(struct negotiation *out, const struct ke_policy *policy, const char *hex)
{
    size_t len = strlen(hex) / 2;
    cr_assert_leq(len, sizeof(request));
    cr_assert(hex_decode(request, len, hex), "%s", hex);
    return negotiate(out, &next_protocols, policy, request, len);
}

static enum nts_status status_of(const char *hex)
{
    struct ke_policy policy = default_policy();
    struct negotiation out;
    return run(&out, &policy, hex);
}

/* The AEAD that is agreed on; 0: none. */
static unsigned aead_of_policy(const struct ke_policy *policy, const char *hex)
{
    struct negotiation out;
    cr_assert_eq(run(&out, policy, hex), NTS_OK, "%s", hex);
    cr_assert_eq(out.protocol, &next_protocol_ntpv4, "%s", hex);
    return out.aead != NULL ? out.aead->id : 0;
}

static unsigned aead_of(const char *hex)
{
    struct ke_policy policy = default_policy();
    return aead_of_policy(&policy, hex);
}

static void expect_all(enum nts_status expected, size_t num, const char *const *hex)
{
    for (size_t i = 0; i < num; i++) {
        cr_expect_eq(status_of(hex[i]), expected, "%s gives %s", hex[i],
                     status_label(status_of(hex[i])));
    }
}

#define EXPECT_ALL(expected, ...)                                                                  \
    expect_all(expected, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                   \
               (const char *[]){__VA_ARGS__})

Test(negotiate, agrees_on_the_minimal_request)
{
    struct ke_policy policy = default_policy();
    struct negotiation out;
    cr_assert_eq(run(&out, &policy, NP AE EOM), NTS_OK);
    cr_assert_eq(out.protocol, &next_protocol_ntpv4);
    cr_assert_eq(out.aead->id, 15);
    cr_assert_not(out.compliant_gcm_siv);
    cr_assert_null(out.wish.name);
    cr_assert_not(out.wish.has_port);
}

Test(negotiate, takes_records_in_any_order)
{
    cr_assert_eq(aead_of(AE NP EOM), 15);
    cr_assert_eq(aead_of("04000000" AE NP EOM), 15);
}

Test(negotiate, ignores_unknown_records_unless_critical)
{
    EXPECT_ALL(NTS_OK, NP AE "40010004deadbeef" EOM, NP AE "000d0003612e62" EOM);
    EXPECT_ALL(NTS_ERR_UNKNOWN_CRITICAL, NP AE "c0010004deadbeef" EOM, "80090000" EOM,
               "800a0000" EOM, "800c0000" EOM);
}

Test(negotiate, lets_the_first_error_in_record_order_win)
{
    EXPECT_ALL(NTS_ERR_UNKNOWN_CRITICAL, "c0010000" EOM, "c0010000" NP NP EOM,
               "c0010000" NP AE EOM "00");
    EXPECT_ALL(NTS_ERR_BAD_REQUEST, NP NP "c0010000" EOM, "80010000c0010000" EOM);
}

Test(negotiate, wants_a_critical_and_empty_end_of_message)
{
    EXPECT_ALL(NTS_ERR_BAD_REQUEST, NP AE "00000000", NP AE "800000020000");
}

Test(negotiate, wants_nothing_behind_the_end)
{
    EXPECT_ALL(NTS_ERR_BAD_REQUEST, NP AE EOM EOM, NP AE EOM "40010000", NP AE EOM "ffff",
               NP AE EOM NP AE EOM, NP AE EOM "00");
}

Test(negotiate, wants_a_whole_request)
{
    static const char whole[] = NP AE "04000000" EOM;
    char part[sizeof(whole)];
    for (size_t len = 0; len + 2 < sizeof(whole); len += 2) {
        snprintf(part, sizeof(part), "%.*s", (int)len, whole);
        cr_expect_eq(status_of(part), NTS_ERR_INCOMPLETE, "%s", part);
    }
    cr_expect_eq(status_of(whole), NTS_OK);
    cr_expect_eq(status_of("80010006000080000000"), NTS_ERR_INCOMPLETE);
}

Test(negotiate, wants_one_next_protocol_record)
{
    EXPECT_ALL(NTS_ERR_BAD_REQUEST, AE EOM, EOM, NP NP AE EOM, "000100020000" AE EOM,
               "80010000" AE EOM, "8001000300000f" AE EOM);
}

Test(negotiate, finds_ntpv4_among_other_protocols)
{
    cr_assert_eq(aead_of("8001000480010000" AE EOM), 15);
    cr_assert_eq(aead_of("8001000400008001" AE EOM), 15);
}

Test(negotiate, answers_no_common_protocol_without_error)
{
    struct ke_policy policy = default_policy();
    struct negotiation out;
    cr_assert_eq(run(&out, &policy, "800100028001" EOM), NTS_OK);
    cr_assert_null(out.protocol);
    cr_assert_null(out.aead);
    cr_assert_eq(run(&out, &policy, "800100028001" AE EOM), NTS_OK);
    cr_assert_null(out.protocol);
    cr_assert_null(out.aead);
}

Test(negotiate, wants_one_aead_record)
{
    EXPECT_ALL(NTS_ERR_BAD_REQUEST, NP EOM, NP AE AE EOM, NP "80040000" EOM,
               NP "80040003000f00" EOM);
    EXPECT_ALL(NTS_OK, NP "00040002000f" EOM);
}

Test(negotiate, answers_no_common_aead_without_error)
{
    cr_assert_eq(aead_of(NP "800400020001" EOM), 0);
    cr_assert_eq(aead_of(NP "80040002001f" EOM), 0);
}

Test(negotiate, takes_the_first_of_the_client_that_is_supported)
{
    cr_expect_eq(aead_of(NP "800400047fff000f" EOM), 15);
    cr_expect_eq(aead_of(NP "8004000600110010000f" EOM), 17);
    cr_expect_eq(aead_of(NP "8004000600100011000f" EOM), 16);
    cr_expect_eq(aead_of(NP "8004000600100010000f" EOM), 16);
}

Test(negotiate, takes_the_first_of_the_server_if_configured)
{
    static const uint16_t ids[] = {15, 17};
    struct ke_policy policy = policy_of(KE_AEAD_ORDER_SERVER, 2, ids);
    cr_expect_eq(aead_of_policy(&policy, NP "8004000600110010000f" EOM), 15);
    cr_expect_eq(aead_of_policy(&policy, NP "80040004001e0011" EOM), 17);
    cr_expect_eq(aead_of_policy(&policy, NP "80040004001e0010" EOM), 0);
}

Test(negotiate, echoes_record_1024_with_aead_30_only)
{
    struct ke_policy policy = default_policy();
    struct negotiation out;
    cr_assert_eq(run(&out, &policy, NP "80040004001e000f04000000" EOM), NTS_OK);
    cr_expect_eq(out.aead->id, 30);
    cr_expect(out.compliant_gcm_siv);
    cr_assert_eq(run(&out, &policy, NP "0400000080040004001e000f" EOM), NTS_OK);
    cr_expect(out.compliant_gcm_siv, "in front of the AEAD record as well");
    cr_assert_eq(run(&out, &policy, NP AE "04000000" EOM), NTS_OK);
    cr_expect_not(out.compliant_gcm_siv);
    cr_assert_eq(run(&out, &policy,
                     NP "800400020001"
                        "04000000" EOM),
                 NTS_OK);
    cr_expect_not(out.compliant_gcm_siv);
    cr_expect_eq(status_of(NP AE "040000020000" EOM), NTS_ERR_BAD_REQUEST);
}

Test(negotiate, avoids_aead_30_without_record_1024)
{
    static const uint16_t ids[] = {30, 15};
    struct ke_policy server = policy_of(KE_AEAD_ORDER_SERVER, 2, ids);
    cr_expect_eq(aead_of(NP "80040004001e000f" EOM), 15);
    cr_expect_eq(aead_of(NP "80040004001e0011" EOM), 17);
    cr_expect_eq(aead_of(NP "80040002001e" EOM), 30);
    cr_expect_eq(aead_of_policy(&server, NP "80040004001e000f" EOM), 15);
    cr_expect_eq(aead_of_policy(&server, NP "80040004000f001e04000000" EOM), 30);
}

Test(negotiate, is_an_internal_error_without_a_key_that_seals)
{
    struct ke_policy nothing = {.num_aeads = 0};
    struct negotiation out;
    cr_expect_eq(run(&out, &nothing, NP AE EOM), NTS_ERR_NO_SEALING_KEY);
    cr_expect_eq(run(&out, &nothing, NP EOM), NTS_ERR_BAD_REQUEST);
    cr_expect_eq(run(&out, &nothing, "800100028001" EOM), NTS_OK);
}

Test(negotiate, reads_the_wish_for_a_server)
{
    struct ke_policy policy = default_policy();
    struct negotiation out;
    /* The Critical Bit makes no difference to a known record. */
    static const char *const requests[] = {NP AE "000600093132372e302e302e31"
                                                 "00070002101b" EOM,
                                           NP AE "800600093132372e302e302e31"
                                                 "80070002101b" EOM};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(run(&out, &policy, requests[i]), NTS_OK);
        cr_assert_eq(out.wish.name_len, 9);
        cr_assert_arr_eq(out.wish.name, "127.0.0.1", 9);
        cr_assert(out.wish.has_port);
        cr_assert_eq(out.wish.port, 4123);
    }
}

Test(negotiate, refuses_a_wish_of_wrong_length_or_number)
{
    EXPECT_ALL(NTS_ERR_BAD_REQUEST, NP AE "0007000100" EOM, NP AE "00070003000000" EOM,
               NP AE "00060000" EOM,
               NP AE "0006000141"
                     "0006000141" EOM,
               NP AE "00070002007b"
                     "00070002007b" EOM);

    char longest[2048] = NP AE "000600ff";
    for (int i = 0; i < 255; i++) {
        strcat(longest, "41");
    }
    cr_expect_eq(status_of(strcat(longest, EOM)), NTS_OK);
    char too_long[2048] = NP AE "00060100";
    for (int i = 0; i < 256; i++) {
        strcat(too_long, "41");
    }
    cr_expect_eq(status_of(strcat(too_long, EOM)), NTS_ERR_BAD_REQUEST);
}

Test(negotiate, passes_over_a_name_that_cannot_be_one)
{
    static const char *const requests[] = {NP AE "000600024100" EOM, NP AE "00060002c3a4" EOM,
                                           NP AE "000600024120" EOM, NP AE "000600020a41" EOM};
    struct ke_policy policy = default_policy();
    struct negotiation out;
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(run(&out, &policy, requests[i]), NTS_OK, "%s", requests[i]);
        cr_expect_null(out.wish.name, "%s", requests[i]);
    }
}

Test(negotiate, refuses_records_that_only_a_server_sends)
{
    EXPECT_ALL(NTS_ERR_BAD_REQUEST, NP AE "800200020001" EOM, NP AE "800300020001" EOM,
               NP AE "0005000401020304" EOM, NP AE "000200020001" EOM);
}

Test(negotiate, survives_each_single_bit_flip)
{
    static const char whole[] = NP "80040004001e000f"
                                   "04000000"
                                   "000600093132372e302e302e31"
                                   "00070002101b" EOM;
    size_t len = (sizeof(whole) - 1) / 2;
    struct ke_policy policy = default_policy();
    struct negotiation out;
    for (size_t at = 0; at < len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            /* A buffer of exact size, so that AddressSanitizer sees a step too far. */
            uint8_t *copy = malloc(len);
            cr_assert(hex_decode(copy, len, whole));
            copy[at] ^= (uint8_t)(1u << bit);
            enum nts_status status = negotiate(&out, &next_protocols, &policy, copy, len);
            cr_expect(status == NTS_OK || status == NTS_ERR_BAD_REQUEST ||
                      status == NTS_ERR_UNKNOWN_CRITICAL || status == NTS_ERR_INCOMPLETE);
            free(copy);
        }
    }
}

Test(negotiate, blames_the_client_only_for_what_it_did)
{
    cr_expect_eq(negotiate_error_code(NTS_ERR_UNKNOWN_CRITICAL), KE_ERROR_UNRECOGNISED_CRITICAL);
    cr_expect_eq(negotiate_error_code(NTS_ERR_BAD_REQUEST), KE_ERROR_BAD_REQUEST);
    cr_expect_eq(negotiate_error_code(NTS_ERR_INCOMPLETE), KE_ERROR_BAD_REQUEST);
    cr_expect_eq(negotiate_error_code(NTS_ERR_TOO_LONG), KE_ERROR_BAD_REQUEST);
    cr_expect_eq(negotiate_error_code(NTS_ERR_TIMEOUT), KE_ERROR_BAD_REQUEST);
    cr_expect_eq(negotiate_error_code(NTS_ERR_NO_SEALING_KEY), KE_ERROR_INTERNAL);
    cr_expect_eq(negotiate_error_code(NTS_ERR_INTERNAL), KE_ERROR_INTERNAL);
    cr_expect_eq(negotiate_error_code(NTS_ERR_NO_MEMORY), KE_ERROR_INTERNAL);
}

#include "base/clock_time.h"
#include "support/octets.h"
#include "wire/ext_field.h"
#include "wire/ke_record.h"
#include "wire/ntp_packet.h"

Test(ntp_packet, header_round_trips)
{
    struct octets packet =
        octets_of("240106e7000000100000002047505300ee000000000000000123456789abcdefee00000180000001"
                  "ee00000180010000");
    struct ntp_header header;
    uint8_t again[NTP_HEADER_LEN];
    ntp_header_read(&header, packet.data);
    cr_assert_eq(header.leap, 0);
    cr_assert_eq(header.version, 4);
    cr_assert_eq(header.mode, NTP_MODE_SERVER);
    cr_assert_eq(header.stratum, 1);
    cr_assert_eq(header.precision, -25);
    cr_assert_eq(header.reference_id, 0x47505300);
    cr_assert_eq(header.origin_time, UINT64_C(0x0123456789abcdef));
    ntp_header_write(again, &header);
    cr_assert_arr_eq(again, packet.data, NTP_HEADER_LEN);
}

Test(ntp_packet, time_converts_across_the_eras)
{
    /* RFC 5905, figure 4: 1970-01-01 is 2208988800, era 1 starts at 2036-02-07T06:28:16Z. */
    cr_assert_eq(ntp_time_from_unix_ns(0), UINT64_C(2208988800) << 32);
    cr_assert_eq(ntp_time_from_unix_ns(NS_PER_S / 2), UINT64_C(2208988800) << 32 | 0x80000000);
    cr_assert_eq(ntp_time_from_unix_ns(INT64_C(2085978496) * NS_PER_S), 0);
    int64_t late_ns = INT64_C(2085978500) * NS_PER_S + 123456789;
    cr_assert_eq(ntp_time_to_unix_ns(ntp_time_from_unix_ns(late_ns), late_ns - NS_PER_S * 3600),
                 late_ns, "a pivot in the era before");
    int64_t now_ns = real_time_ns();
    cr_assert_eq(ntp_time_to_unix_ns(ntp_time_from_unix_ns(now_ns), now_ns + 5 * NS_PER_S), now_ns);
}

Test(ntp_packet, short_format_rounds_up_and_saturates)
{
    cr_assert_eq(ntp_short_from_ns(-1), 0);
    cr_assert_eq(ntp_short_from_ns(1), 1, "never less than it is");
    cr_assert_eq(ntp_short_from_ns(NS_PER_S), 0x10000);
    cr_assert_eq(ntp_short_from_ns(INT64_C(70000) * NS_PER_S), UINT32_MAX);
    cr_assert_eq(ntp_short_to_ns(0x8000), NS_PER_S / 2);
}

static enum nts_status walk(const char *hex, size_t *num_fields)
{
    struct octets octets = octets_of(hex);
    struct reader r = reader_over(octets.data, octets.len);
    struct ext_field field;
    *num_fields = 0;
    while (reader_more(&r) && ext_field_next(&r, &field, octets.data)) {
        (*num_fields)++;
    }
    return reader_status(&r);
}

#define ZEROS12 "000000000000000000000000"
#define ZEROS24 ZEROS12 ZEROS12

Test(ext_field, takes_a_short_field_before_a_long_one)
{
    size_t num;
    cr_assert_eq(walk("44440010" ZEROS12 "4445001c" ZEROS24, &num), NTS_OK);
    cr_assert_eq(num, 2);
}

/* As a version does whose lengths leave out the padding, and which has no legacy MAC. */
Test(ext_field, padding_is_not_counted_in_the_forms_that_have_it)
{
    static const struct ext_field_form padded = {EF_HEADER_LEN, 0, true};
    struct octets octets = octets_of("44440007aabbcc0044450004"
                                     "444600050a000000");
    struct reader r = reader_over(octets.data, octets.len);
    struct ext_field field;
    cr_assert(ext_field_next_as(&r, &field, octets.data, &padded));
    cr_assert_eq(field.body_len, 3);
    cr_assert(ext_field_next_as(&r, &field, octets.data, &padded));
    cr_assert_eq(field.offset, 8);
    cr_assert_eq(field.body_len, 0);
    cr_assert(ext_field_next_as(&r, &field, octets.data, &padded));
    cr_assert_eq(field.body_len, 1);
    cr_assert_not(reader_more(&r));
    r = reader_over(octets.data + 12, 7); /* the padding passes the end */
    cr_assert_not(ext_field_next_as(&r, &field, octets.data, &padded));
    cr_assert_eq(reader_status(&r), NTS_ERR_EF_LENGTH);
    r = reader_over(octets.data + 12, 3); /* not even a header */
    cr_assert_not(ext_field_next_as(&r, &field, octets.data, &padded));
    cr_assert_eq(reader_status(&r), NTS_ERR_EF_LENGTH);
    r = reader_over(octets.data, 8);
    cr_assert_not(ext_field_next_encrypted(&r, &field), "NTPv4 has no padding");
    cr_assert_eq(reader_status(&r), NTS_ERR_ENCRYPTED_FORM);
    r = reader_over(octets.data, 8);
    cr_assert(ext_field_next_encrypted_as(&r, &field, &padded));
    uint8_t out[8];
    struct writer w = writer_over(out, sizeof(out));
    ext_field_write(&w, 0x4444, octets.data + 4, 3);
    assert_octets(out, writer_len(&w), "44440007aabbcc00");
}

Test(ext_field, refuses_lengths_that_cannot_be)
{
    size_t num;
    cr_assert_eq(walk("4444000c0000000000000000"
                      "4445001c" ZEROS24,
                      &num),
                 NTS_ERR_EF_LENGTH);
    cr_assert_eq(walk("44440000" ZEROS24, &num), NTS_ERR_EF_LENGTH, "length 0 must not loop");
    cr_assert_eq(walk("4444001e" ZEROS24 "00000000", &num), NTS_ERR_EF_LENGTH, "not by four");
    cr_assert_eq(walk("44440040" ZEROS24, &num), NTS_ERR_EF_LENGTH, "past the end");
    cr_assert_eq(num, 0);
}

Test(ext_field, what_is_as_short_as_a_mac_is_one)
{
    size_t num;
    cr_assert_eq(walk("44440010" ZEROS12, &num), NTS_ERR_LEGACY_MAC);
    cr_assert_eq(walk("4444001c" ZEROS24 "00000001" ZEROS12 "00000000", &num), NTS_ERR_LEGACY_MAC);
    cr_assert_eq(walk("4444001c" ZEROS24, &num), NTS_OK, "28 octets are a field");
}

Test(ext_field, encrypted_fields_may_be_as_short_as_their_header)
{
    struct octets octets = octets_of("44440004"
                                     "4445000800000000");
    struct reader r = reader_over(octets.data, octets.len);
    struct ext_field field;
    cr_assert(ext_field_next_encrypted(&r, &field));
    cr_assert_eq(field.body_len, 0);
    cr_assert(ext_field_next_encrypted(&r, &field));
    cr_assert_eq(field.body_len, 4);
    cr_assert_eq(reader_status(&r), NTS_OK);
    cr_assert_not(reader_more(&r));

    const char *const wrong[] = {"44440040", "44440003", "444400", "4444000600000000"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        octets = octets_of(wrong[i]);
        r = reader_over(octets.data, octets.len);
        cr_assert_not(ext_field_next_encrypted(&r, &field));
        cr_assert_eq(reader_status(&r), NTS_ERR_ENCRYPTED_FORM, "%s", wrong[i]);
    }
}

Test(ext_field, authenticator_counts_padding_after_the_ciphertext)
{
    struct authenticator a;
    struct octets body = octets_of("000c0010"
                                   "a0a1a2a3a4a5a6a7a8a9aaab"
                                   "d64df7541ce66e1fd19360531671a48b"
                                   "00000000");
    cr_assert_eq(authenticator_parse(&a, body.data, body.len), NTS_OK);
    cr_assert_eq(a.nonce_len, 12);
    cr_assert_eq(a.ciphertext_len, 16);
    cr_assert_eq(a.nonce_room, 16);
    cr_assert_eq(a.ciphertext, body.data + 16);
}

Test(ext_field, authenticator_lengths_must_fit)
{
    struct authenticator a;
    const char *const wrong[] = {"00c80010" ZEROS24, "001000c8" ZEROS24, "00", "0010",
                                 "ffffffff" ZEROS24};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct octets body = octets_of(wrong[i]);
        cr_assert_eq(authenticator_parse(&a, body.data, body.len), NTS_ERR_AUTHENTICATOR_FORM, "%s",
                     wrong[i]);
    }
}

static enum ke_framing framing(const char *hex)
{
    struct octets octets = octets_of(hex);
    return ke_message_framing(octets.data, octets.len, 64);
}

Test(ke_record, framing_waits_for_the_end_of_message)
{
    cr_assert_eq(framing(""), KE_FRAMING_INCOMPLETE);
    cr_assert_eq(framing("800100020000"
                         "80040002000f"),
                 KE_FRAMING_INCOMPLETE);
    cr_assert_eq(framing("800100020000"
                         "80040002000f"
                         "8000"),
                 KE_FRAMING_INCOMPLETE);
    cr_assert_eq(framing("800100020000"
                         "80040002000f"
                         "80000000"),
                 KE_FRAMING_COMPLETE);
    cr_assert_eq(framing("00000000"), KE_FRAMING_COMPLETE, "the critical bit is judged later");
    cr_assert_eq(framing("8000000200"), KE_FRAMING_INCOMPLETE, "with its body");
}

Test(ke_record, framing_tells_early_what_cannot_fit)
{
    cr_assert_eq(framing("40019c40"), KE_FRAMING_TOO_LONG);
    cr_assert_eq(framing("4001003c"), KE_FRAMING_INCOMPLETE, "64 octets are allowed");
    cr_assert_eq(framing("4001003d"), KE_FRAMING_TOO_LONG);
}

Test(ke_record, walks_records_and_splits_off_the_critical_bit)
{
    struct octets octets = octets_of("80040004001e000f"
                                     "04000000"
                                     "8000000000");
    struct reader r = reader_over(octets.data, octets.len);
    struct ke_record record;
    cr_assert(ke_record_next(&r, &record));
    cr_assert_eq(record.type, KE_AEAD_ALGORITHM);
    cr_assert(record.critical);
    cr_assert_eq(record.body_len, 4);
    cr_assert(ke_record_next(&r, &record));
    cr_assert_eq(record.type, KE_COMPLIANT_AES_128_GCM_SIV);
    cr_assert_not(record.critical);
    cr_assert(ke_record_next(&r, &record));
    cr_assert_not(ke_record_next(&r, &record), "one octet is no record");
    cr_assert_eq(reader_status(&r), NTS_ERR_TRUNCATED);
}

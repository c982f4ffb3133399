#include "base/address.h"
#include "base/clock_time.h"
#include "base/cursor.h"
#include "base/snapshot.h"
#include "support/octets.h"

Test(status, every_status_has_a_label_and_a_text)
{
    for (int i = 0; i < NTS_NUM_STATUS; i++) {
        cr_assert_str_neq(status_label((enum nts_status)i), "?");
        cr_assert_gt(strlen(status_text((enum nts_status)i)), 5);
    }
    cr_assert_str_eq(status_label(NTS_NUM_STATUS), "?");
}

Test(status, prefix_keeps_the_text_and_cuts_what_does_not_fit)
{
    struct error error;
    cr_assert_eq(error_set(&error, NTS_ERR_FILE, "%s", "broken"), NTS_ERR_FILE);
    error_prefix(&error, "ke.json");
    cr_assert_str_eq(error.text, "ke.json: broken");
    char longest[600];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    error_prefix(&error, longest);
    cr_assert_lt(strlen(error.text), sizeof(error.text));
}

Test(cursor, reads_in_network_order_and_fails_for_good)
{
    const uint8_t data[] = {0x12, 0x34, 0x56};
    struct reader r = reader_over(data, sizeof(data));
    cr_assert_eq(read_u16(&r), 0x1234);
    cr_assert(reader_more(&r));
    cr_assert_eq(read_u16(&r), 0);
    cr_assert_eq(reader_status(&r), NTS_ERR_TRUNCATED);
    cr_assert_null(read_bytes(&r, 1), "nothing is read after an error");
    cr_assert_not(reader_more(&r));
}

Test(cursor, writes_what_fits_and_nothing_more)
{
    uint8_t data[6] = {0};
    struct writer w = writer_over(data, 5);
    write_u16(&w, 0xabcd);
    write_zeros(&w, 2);
    cr_assert_eq(writer_status(&w), NTS_OK);
    write_u16(&w, 0xffff);
    cr_assert_eq(writer_status(&w), NTS_ERR_NO_SPACE);
    cr_assert_eq(writer_len(&w), 4);
    write_bytes(&w, "x", 1);
    cr_assert_eq(data[4], 0, "an error is sticky");
    cr_assert_eq(data[5], 0);
}

Test(cursor, pads_to_four)
{
    cr_assert_eq(pad4(0), 0);
    cr_assert_eq(pad4(1), 4);
    cr_assert_eq(pad4(4), 4);
    cr_assert_eq(pad4(17), 20);
}

Test(hex, round_trips_and_takes_either_case)
{
    uint8_t data[4];
    char text[9];
    cr_assert(hex_decode(data, 4, "b01DFAce"));
    hex_encode(text, data, 4);
    cr_assert_str_eq(text, "b01dface");
}

Test(hex, refuses_other_lengths_and_other_characters)
{
    uint8_t data[2];
    cr_assert_not(hex_decode(data, 2, "123"));
    cr_assert_not(hex_decode(data, 2, "12345"));
    const char *const wrong[] = {"12g4", "12 4", "1:34", "@234", "/234", "123`", "+123"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(hex_decode(data, 2, wrong[i]), "%s", wrong[i]);
    }
}

Test(clock_time, rfc3339_round_trips)
{
    int64_t time_s;
    char text[RFC3339_LEN + 1];
    cr_assert(rfc3339_parse(&time_s, "2026-11-22T00:00:00Z"));
    cr_assert_eq(time_s, 1795305600);
    rfc3339_format(text, time_s + 3661);
    cr_assert_str_eq(text, "2026-11-22T01:01:01Z");
    cr_assert(rfc3339_parse(&time_s, "2024-02-29T23:59:59Z"), "a leap day");
}

Test(clock_time, rfc3339_refuses_what_is_no_date)
{
    const char *const wrong[] = {
        "",
        "2026-11-22",
        "2026-11-22 00:00:00Z",
        "2026-11-22T00:00:00",
        "2026-11-22T00:00:00z",
        "2026-11-22T00:00:00+00:00",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "1969-12-31T23:59:59Z",
        "20x6-01-01T00:00:00Z",
        "2026-01-01T00:00:00ZZ",
    };
    int64_t time_s;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(rfc3339_parse(&time_s, wrong[i]), "%s", wrong[i]);
    }
}

Test(address, parses_and_formats_both_families)
{
    static const char *const texts[][2] = {{"127.0.0.2:4123", "127.0.0.2:4123"},
                                           {"192.0.2.1", "192.0.2.1:123"},
                                           {"[::1]:4460", "[::1]:4460"},
                                           {"::1", "[::1]:123"},
                                           {"[2001:db8::1]", "[2001:db8::1]:123"}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        union net_address address;
        char text[ADDRESS_TEXT_LEN];
        cr_assert(address_parse(&address, texts[i][0], 123), "%s", texts[i][0]);
        address_format(text, &address);
        cr_assert_str_eq(text, texts[i][1]);
    }
}

Test(address, refuses_names_bad_ports_and_half_brackets)
{
    const char *const wrong[] = {"",
                                 "localhost:123",
                                 "127.0.0.1:0",
                                 "127.0.0.1:65536",
                                 "127.0.0.1:",
                                 "127.0.0.1:1x",
                                 "[::1:123",
                                 "[::1]123",
                                 "127.0.0.1.1",
                                 "[]:123",
                                 "[::1]:-1",
                                 "::1%nosuchif"};
    union net_address address;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_not(address_parse(&address, wrong[i], 123), "%s", wrong[i]);
    }
}

Test(address, knows_wildcards)
{
    union net_address address;
    cr_assert(address_parse(&address, "0.0.0.0:1", 1) && address_is_wildcard(&address));
    cr_assert(address_parse(&address, "[::]:1", 1) && address_is_wildcard(&address));
    cr_assert(address_parse(&address, "128.0.0.1:1", 1) && !address_is_wildcard(&address));
}

static int num_destroyed;

static void count_destroyed(struct snapshot *snapshot)
{
    (void)snapshot;
    num_destroyed++;
}

Test(snapshot, worker_takes_the_newest_and_the_others_are_destroyed)
{
    struct snapshot first;
    struct snapshot second;
    struct snapshot third;
    struct snapshot_slot slot = {.current = NULL};
    snapshot_init(&first, count_destroyed);
    snapshot_init(&second, count_destroyed);
    snapshot_init(&third, count_destroyed);

    snapshot_publish(&slot, &first);
    snapshot_unref(&first);
    cr_assert_eq(snapshot_take(&slot), &first);
    cr_assert_eq(snapshot_take(&slot), &first, "taking again gives the same");
    snapshot_publish(&slot, &second);
    snapshot_unref(&second);
    snapshot_publish(&slot, &third);
    snapshot_unref(&third);
    cr_assert_eq(num_destroyed, 1, "the second was never taken");
    cr_assert_eq(snapshot_take(&slot), &third);
    cr_assert_eq(num_destroyed, 2);
    snapshot_slot_clear(&slot);
    cr_assert_eq(num_destroyed, 3);
}

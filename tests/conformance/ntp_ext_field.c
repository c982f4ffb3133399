/* Section 6 of the conformance matrix: extension fields (EF) and amplification (AMP). */
#include "ntp_support.h"

#include <openssl/rand.h>

static struct packet plain(void)
{
    struct packet p = {0};
    put_header(&p);
    return p;
}

/* H, then octets as they are. */
static struct packet plain_and(const char *hex)
{
    struct packet p = plain();
    struct packet more = packet_of(hex);
    memcpy(p.data + p.len, more.data, more.len);
    p.len += more.len;
    return p;
}

#define ZEROS8  "0000000000000000"
#define ZEROS12 ZEROS8 "00000000"
#define ZEROS24 ZEROS12 ZEROS12

NTP_TEST(EF_01_field_below_16_octets_is_dropped)
{
    struct packet p = plain_and("4444000c" ZEROS8 "4445001c" ZEROS24);
    assert_silence(&p);
}

NTP_TEST(EF_02_last_field_below_28_octets_is_dropped)
{
    struct packet p = plain_and("44440010" ZEROS12);
    assert_silence(&p);
    p = plain_and("4444001c" ZEROS24);
    assert_plain(&p);
}

NTP_TEST(EF_03_short_field_before_a_long_one_is_fine)
{
    struct packet p = plain_and("44440010" ZEROS12 "4445001c" ZEROS24);
    assert_plain(&p);
}

NTP_TEST(EF_04_impossible_lengths_are_dropped)
{
    const char *const fields[] = {"44440040" ZEROS24, "44440000" ZEROS24, "4444001e" ZEROS24,
                                  "4444ffff" ZEROS24, "4444001c" ZEROS24 "44440020" ZEROS24};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct packet p = plain_and(fields[i]);
        assert_silence(&p);
    }
}

NTP_TEST(EF_05_unknown_field_is_ignored_and_not_echoed)
{
    struct packet p = plain_and("4444001c" ZEROS24);
    assert_plain(&p);
}

NTP_TEST(EF_06_unique_id_without_nts_is_echoed)
{
    struct packet p = plain();
    put_unique_id(&p, 32);
    struct packet reply = ask(&p);
    cr_assert_eq(reply.len, 84);
    cr_assert_arr_eq(reply.data + 48, p.data + 48, 36);
}

NTP_TEST(EF_07_version_3_has_no_extension_fields)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    p.data[0] = 0x1b;
    assert_silence(&p);
}

/* Any datagram at all: at most one reply, never longer, never to another mode. ask() checks the
 * first two. Starts from packets that are good, so that most of the code is reached. */
NTP_TEST(AMP_01_no_datagram_gets_more_than_it_brought)
{
    struct session_keys keys[] = {session_keys_of(15), session_keys_of(30)};
    struct packet good[4] = {plain(), query(&keys[0], 0), query(&keys[1], 7), query(&keys[0], 3)};
    size_t num_answered = 0;
    for (int round = 0; round < 6000; round++) {
        uint8_t random[16];
        RAND_bytes(random, sizeof(random));
        struct packet p = good[round % 4];
        for (int i = 0; i < random[0] % 4; i++) {
            p.data[(random[1 + 2 * i] << 8 | random[2 + 2 * i]) % p.len] ^= random[9 + i];
        }
        if (random[13] % 4 == 0) {
            p.len = 1 + (size_t)(random[14] << 8 | random[15]) % p.len;
        }
        struct packet reply = ask(&p);
        num_answered += reply.len > 0;
        unsigned version = p.data[0] >> 3 & 7;
        unsigned mode = p.data[0] & 7;
        cr_assert(reply.len == 0 || mode == 3 || (mode == 0 && version == 1));
    }
    cr_assert_gt(num_answered, 1000, "the test must reach more than the first check");
}

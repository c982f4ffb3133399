/* Parsing alone; the rows of the matrix are proven against the running server elsewhere. */
#include "support/octets.h"
#include "time-server/protocol/request.h"

#define H                                                                                          \
    "2300062000000000000000000000000000000000000000000000000000000000000000000000000001234567"     \
    "89abcdef"
#define UID "01040024202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
#define COOKIE                                                                                     \
    "0204001c"                                                                                     \
    "000102030405060708090a0b0c0d0e0f1011121314151617"
#define HOLDER                                                                                     \
    "0304001c"                                                                                     \
    "000000000000000000000000000000000000000000000000"
#define AEEF "0404002800100010a0a1a2a3a4a5a6a7a8a9aaabacadaeafe2912f3d0ee268b247d44db011873253"
#define UNKNOWN                                                                                    \
    "4444001c"                                                                                     \
    "000000000000000000000000000000000000000000000000"

static enum nts_status parse(struct request *request, const char *hex)
{
    static struct octets packet;
    packet = octets_of(hex);
    return request_parse(request, &ntp_versions, packet.data, packet.len);
}

Test(request, plain)
{
    struct request r;
    cr_assert_eq(parse(&r, H), NTS_OK);
    cr_assert_not(r.is_nts);
    cr_assert_eq(r.version, 4);
    cr_assert_eq(r.poll, 6);
    cr_assert_eq(r.transmit_time, UINT64_C(0x0123456789abcdef));
    cr_assert_null(r.unique_id);
}

Test(request, whole_nts)
{
    struct request r;
    cr_assert_eq(parse(&r, H UID COOKIE HOLDER HOLDER AEEF), NTS_OK);
    cr_assert(r.is_nts);
    cr_assert_eq(r.unique_id_len, 32);
    cr_assert_eq(r.cookie_len, 24);
    cr_assert_eq(r.num_placeholders, 2);
    cr_assert_eq(r.ad_len, 48 + 36 + 3 * 28);
    cr_assert_eq(r.authenticator.nonce_len, 16);
}

Test(request, order_in_front_of_the_authenticator_is_free)
{
    struct request r;
    cr_assert_eq(parse(&r, H HOLDER COOKIE UNKNOWN UID AEEF), NTS_OK);
    cr_assert_eq(r.num_placeholders, 1);
}

Test(request, what_follows_the_authenticator_does_not_count)
{
    struct request r;
    cr_assert_eq(parse(&r, H UID COOKIE AEEF HOLDER UNKNOWN AEEF UID COOKIE), NTS_OK);
    cr_assert_eq(r.num_placeholders, 0);
    cr_assert_eq(r.ad_len, 48 + 36 + 28);
}

Test(request, causes_of_silence)
{
    static const struct {
        const char *hex;
        enum nts_status status;
    } rows[] = {
        {"", NTS_ERR_TOO_SHORT},
        {"23", NTS_ERR_TOO_SHORT},
        {H "0000", NTS_ERR_NOT_ALIGNED},
        {H "00000000", NTS_ERR_LEGACY_MAC},
        {H UNKNOWN "00000001"
                   "00000000000000000000000000000000",
         NTS_ERR_LEGACY_MAC},
        {H "4444000c0000000000000000" UNKNOWN, NTS_ERR_EF_LENGTH},
        {H UID UID COOKIE AEEF, NTS_ERR_NTS_DUPLICATE},
        {H UID COOKIE COOKIE AEEF, NTS_ERR_NTS_DUPLICATE},
        {H UID AEEF, NTS_ERR_NTS_INCOMPLETE},
        {H COOKIE AEEF, NTS_ERR_NTS_INCOMPLETE},
        {H UID COOKIE, NTS_ERR_NTS_INCOMPLETE},
        {H UID HOLDER, NTS_ERR_NTS_INCOMPLETE},
        {H AEEF UID COOKIE, NTS_ERR_NTS_INCOMPLETE},
        {H "0104001c202122232425262728292a2b2c2d2e2f3031323334353637" COOKIE AEEF,
         NTS_ERR_UNIQUE_ID_SHORT},
        {H UID COOKIE "03040020"
                      "00000000000000000000000000000000000000000000000000000000" AEEF,
         NTS_ERR_PLACEHOLDER_LENGTH},
        {H UID COOKIE HOLDER "03040018"
                             "0000000000000000000000000000000000000000" AEEF,
         NTS_ERR_PLACEHOLDER_LENGTH},
        {H UID COOKIE "0404002800c80010a0a1a2a3a4a5a6a7a8a9aaabacadaeafe2912f3d0ee268b247d44db01187"
                      "3253",
         NTS_ERR_AUTHENTICATOR_FORM},
        {H UID COOKIE "0404002800100008a0a1a2a3a4a5a6a7a8a9aaabacadaeafe2912f3d0ee268b247d44db01187"
                      "3253",
         NTS_ERR_AUTHENTICATOR_FORM},
        {H UID COOKIE "0404002800000010a0a1a2a3a4a5a6a7a8a9aaabacadaeafe2912f3d0ee268b247d44db01187"
                      "3253",
         NTS_ERR_NONCE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct request r;
        enum nts_status status = parse(&r, rows[i].hex);
        cr_assert_eq(status, rows[i].status, "case %zu: %s", i, status_label(status));
    }
}

Test(request, versions_and_modes)
{
    struct octets packet = octets_of(H);
    for (unsigned first = 0; first < 256; first++) {
        struct request r;
        unsigned version = first >> 3 & 7;
        unsigned mode = first & 7;
        packet.data[0] = (uint8_t)first;
        enum nts_status status = request_parse(&r, &ntp_versions, packet.data, packet.len);
        if (version < 1 || version > 4) {
            cr_assert_eq(status, NTS_ERR_VERSION);
        } else if (mode == 3 || (mode == 0 && version == 1)) {
            cr_assert_eq(status, NTS_OK);
        } else {
            cr_assert_eq(status, NTS_ERR_MODE);
        }
    }
    packet = octets_of(H UID);
    packet.data[0] = 0x1b;
    struct request r;
    cr_assert_eq(request_parse(&r, &ntp_versions, packet.data, packet.len), NTS_ERR_LEGACY_MAC,
                 "version 3 has no extension fields");
}

Test(request, encrypted_placeholders_count_and_cookies_do_not)
{
    struct request r;
    cr_assert_eq(parse(&r, H UID COOKIE AEEF), NTS_OK);
    struct octets fields = octets_of(HOLDER COOKIE "44440008"
                                                   "00000000");
    cr_assert_eq(request_parse_encrypted(&r, fields.data, fields.len), NTS_OK);
    cr_assert_eq(r.num_placeholders, 1);
    fields = octets_of("03040018"
                       "0000000000000000000000000000000000000000");
    cr_assert_eq(request_parse_encrypted(&r, fields.data, fields.len), NTS_ERR_PLACEHOLDER_LENGTH);
    fields = octets_of("44440040");
    cr_assert_eq(request_parse_encrypted(&r, fields.data, fields.len), NTS_ERR_ENCRYPTED_FORM);
}

/* Any octets at all: the parser neither reads out of bounds (ASan) nor loops, and what it accepts
 * points into the packet. */
Test(request, survives_anything)
{
    struct octets good = octets_of(H UID COOKIE HOLDER UNKNOWN AEEF);
    uint32_t state = 12345;
    for (int round = 0; round < 200000; round++) {
        uint8_t packet[512];
        size_t len = good.len;
        memcpy(packet, good.data, good.len);
        for (int flips = 0; flips < 4; flips++) {
            state = state * 1664525 + 1013904223;
            packet[48 + (state >> 8) % (good.len - 48)] = (uint8_t)(state >> 24);
        }
        state = state * 1664525 + 1013904223;
        len -= (state >> 16) % 3 == 0 ? (state >> 8) % len : 0;
        uint8_t *exact = malloc(len);
        memcpy(exact, packet, len);
        struct request r;
        if (request_parse(&r, &ntp_versions, exact, len) == NTS_OK && r.is_nts) {
            cr_assert(r.cookie >= exact && r.cookie + r.cookie_len <= exact + len);
            cr_assert(r.unique_id >= exact && r.unique_id + r.unique_id_len <= exact + len);
            cr_assert_lt(r.ad_len, len);
        }
        free(exact);
    }
}

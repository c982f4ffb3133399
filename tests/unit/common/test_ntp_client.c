#include "client/ntp_request.h"

#include "base/hex.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Vectors of the conformance matrix, sections 8.4 to 8.6. */

static const char c2s_15[] = "7ace59b64c903eae1cfc53ba4c438af62e5857ce9443b8c5a4f2bedec4be8c7d";
static const char s2c_15[] = "e887fc4be1493ac9c7b64771d260007b2fd53b5b47eda991cf4073f9fa363ca5";
static const char c2s_30[] = "3081916323676ebf2f7d0f1dd7c4dd11";
static const char s2c_30[] = "50fafa49ad2f35af1b51785f9b183001";
static const char request_15[] =
    "230006200000000000000000000000000000000000000000000000000000000000000000000000000123"
    "456789abcdef01040024202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
    "02040068000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425"
    "262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f"
    "505152535455565758595a5b5c5d5e5f606162630404002800100010a0a1a2a3a4a5a6a7a8a9aaabacad"
    "aeafe2912f3d0ee268b247d44db011873253";
static const char reply_15[] =
    "240106e7000000100000002047505300ee000000000000000123456789abcdefee00000180000001ee00"
    "00018001000001040024202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
    "0404009000100078b0b1b2b3b4b5b6b7b8b9babbbcbdbebf8290d367e7ad26df10f7d02be44fc23ab594"
    "35362739c28b96737b7cebfd92c69fe6958b4ff679130c668e7f0d9ff79bdd8d694597d70aac3a87fd1b"
    "23b05286683016f06c61a7a830f6bf05f24a8c628f9faa9e748f6de7dd68f2adc8b74332a8d605d5b368"
    "1052188af5dceadd401115d9ba0773065966";
static const char authenticator_with_placeholder_tag[] = "47299d06caa65a656ee28f5125f69941";
static const char authenticator_short_nonce[] =
    "04040028000c0010a0a1a2a3a4a5a6a7a8a9aaabd64df7541ce66e1fd19360531671a48b00000000";
static const char authenticator_30[] =
    "04040024000c0010a0a1a2a3a4a5a6a7a8a9aaabc4f630f64f17d049a04a90d20ac31ffc";
static const char reply_authenticator_30[] =
    "0404006c000c0058b0b1b2b3b4b5b6b7b8b9babb63bfe2f1eb1d557e889104b621fc445fe6b904c49982"
    "5a32f7f3ab75ec58374c21f34e7b53144e903955e08cb2c42fa4324a3f76a127419c22ecf5d5ad84dc92"
    "73da29c336ce049c5e9cf763a1622a39be2bb876e57943f1";
static const char nak[] =
    "e40006e700000000000000004e54534e00000000000000000123456789abcdef00000000000000000000"
    "00000000000001040024202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";

#define UNIQUE_ID_END 84 /* header and unique identifier */

static size_t from_hex(uint8_t *data, const char *text)
{
    size_t len = strlen(text) / 2;
    cr_assert(hex_decode(data, len, text));
    return len;
}

static void count_up(uint8_t *data, size_t len, uint8_t first)
{
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(first + i);
    }
}

/* The request of the vectors, not yet built. */
struct vector {
    struct session_keys keys;
    uint8_t cookie[COOKIE_MAX_LEN];
    struct ntp_request request;
    uint8_t packet[NTP_CLIENT_MAX_PACKET];
    size_t len;
};

static void vector_init(struct vector *v, uint16_t aead_id)
{
    memset(v, 0, sizeof(*v));
    bool is_siv = aead_id == AEAD_AES_SIV_CMAC_256;
    v->keys.aead = aead_find(aead_id);
    from_hex(v->keys.c2s, is_siv ? c2s_15 : c2s_30);
    from_hex(v->keys.s2c, is_siv ? s2c_15 : s2c_30);
    count_up(v->cookie, sizeof(v->cookie), 0);
    v->request.keys = &v->keys;
    v->request.cookie = v->cookie;
    v->request.cookie_len = is_siv ? 100 : 68;
    v->request.transmit_time = UINT64_C(0x0123456789abcdef);
    count_up(v->request.unique_id, sizeof(v->request.unique_id), 0x20);
    count_up(v->request.nonce, sizeof(v->request.nonce), 0xa0);
}

static void build(struct vector *v)
{
    cr_assert_eq(ntp_request_build(&v->request), NTS_OK);
}

/* Sets the reply of the vectors. */
static void reply_init(struct vector *v, uint16_t aead_id)
{
    vector_init(v, aead_id);
    build(v);
    v->len = from_hex(v->packet, reply_15);
    if (aead_id == AEAD_AES_128_GCM_SIV) {
        v->len = UNIQUE_ID_END + from_hex(v->packet + UNIQUE_ID_END, reply_authenticator_30);
    }
}

/* Checks a copy that ends where the packet ends, for the address sanitizer. */
static enum nts_status check(struct ntp_reply *reply, struct cookie_jar *jar,
                             const struct vector *v)
{
    uint8_t *copy = malloc(v->len + 1);
    memcpy(copy + 1, v->packet, v->len);
    enum nts_status status = ntp_reply_check(reply, jar, &v->request, copy + 1, v->len);
    free(copy);
    cr_assert_eq(status == NTS_OK, reply->fault == NULL, "every failure has a text");
    return status;
}

Test(ntp_request, builds_the_request_of_the_vector)
{
    struct vector v;
    uint8_t expected[256];
    vector_init(&v, 15);
    build(&v);
    cr_assert_eq(v.request.len, from_hex(expected, request_15));
    cr_assert_arr_eq(v.request.packet, expected, v.request.len);
}

Test(ntp_request, seals_placeholders_too)
{
    struct vector v;
    uint8_t tag[16];
    vector_init(&v, 15);
    v.request.num_placeholders = 1;
    build(&v);
    cr_assert_eq(v.request.len, 332);
    from_hex(tag, authenticator_with_placeholder_tag);
    cr_assert_arr_eq(v.request.packet + v.request.len - sizeof(tag), tag, sizeof(tag));
}

Test(ntp_request, pads_a_short_nonce_to_what_the_server_requires)
{
    struct vector v;
    uint8_t expected[64];
    vector_init(&v, 15);
    v.request.nonce_len = 12;
    build(&v);
    size_t len = from_hex(expected, authenticator_short_nonce);
    cr_assert_arr_eq(v.request.packet + v.request.len - len, expected, len);
}

Test(ntp_request, takes_no_nonce_that_is_longer_than_its_room)
{
    struct vector v;
    vector_init(&v, 15);
    v.request.nonce_len = NTP_CLIENT_MAX_NONCE;
    cr_assert_eq(ntp_request_build(&v.request), NTS_OK);
    v.request.nonce_len = NTP_CLIENT_MAX_NONCE + 4;
    cr_assert_eq(ntp_request_build(&v.request), NTS_ERR_NO_SPACE);
}

Test(ntp_request, builds_the_request_of_the_vector_for_aead_30)
{
    struct vector v;
    uint8_t expected[64];
    vector_init(&v, 30);
    build(&v);
    size_t len = from_hex(expected, authenticator_30);
    cr_assert_eq(v.request.len, 192);
    cr_assert_arr_eq(v.request.packet + v.request.len - len, expected, len);
}

Test(ntp_request, is_a_bare_header_without_keys)
{
    struct vector v;
    uint8_t expected[256];
    vector_init(&v, 15);
    v.request.keys = NULL;
    build(&v);
    from_hex(expected, request_15);
    cr_assert_eq(v.request.len, NTP_HEADER_LEN);
    cr_assert_arr_eq(v.request.packet, expected, NTP_HEADER_LEN);
}

Test(ntp_request, asks_for_what_the_jar_lacks_within_a_safe_packet)
{
    static const uint8_t cookie[CLIENT_MAX_COOKIE_LEN];
    struct cookie_jar jar = {0};
    cr_assert_eq(ntp_placeholders_wanted(&jar, 100), 7);
    cr_assert_lt(ntp_placeholders_wanted(&jar, 164), 7, "1452 octets would not be safe");
    cr_assert_eq(ntp_placeholders_wanted(&jar, 1024), 0);
    for (size_t i = 0; i < 7; i++) {
        cr_assert(cookie_jar_put(&jar, cookie, 100));
    }
    cr_assert_eq(ntp_placeholders_wanted(&jar, 100), 0);
}

Test(ntp_reply, accepts_the_replies_of_the_vectors)
{
    static const struct {
        uint16_t aead_id;
        size_t cookie_len;
    } rows[] = {{15, 100}, {30, 68}};
    for (size_t i = 0; i < 2; i++) {
        struct vector v;
        struct ntp_reply reply;
        struct cookie_jar jar = {0};
        struct client_cookie cookie;
        uint8_t expected[100];
        reply_init(&v, rows[i].aead_id);
        count_up(expected, sizeof(expected), 0x80);
        cr_assert_eq(check(&reply, &jar, &v), NTS_OK, "%s", reply.fault);
        cr_assert(reply.authenticated);
        cr_assert_eq(reply.num_cookies, 1);
        cr_assert_eq(reply.len, v.len);
        cr_assert_eq(reply.nonce[0], 0xb0);
        cr_assert_eq(reply.nonce_len, v.keys.aead->nonce_len);
        cr_assert_eq(reply.padding_len + reply.trailing_len, 0);
        cr_assert_eq(reply.header.stratum, 1);
        cr_assert(cookie_jar_take(&jar, &cookie));
        cr_assert_eq(cookie.len, rows[i].cookie_len);
        cr_assert_arr_eq(cookie.octets, expected, cookie.len);
    }
}

Test(ntp_reply, rejects_each_single_bit_flip)
{
    struct vector v;
    struct ntp_reply reply;
    reply_init(&v, 15);
    for (size_t bit = 0; bit < 8 * v.len; bit++) {
        struct cookie_jar jar = {0};
        v.packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        cr_assert_neq(check(&reply, &jar, &v), NTS_OK, "bit %zu", bit);
        cr_assert_not(reply.authenticated);
        cr_assert_eq(jar.num, 0);
        v.packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

Test(ntp_reply, rejects_each_truncation)
{
    struct vector v;
    struct ntp_reply reply;
    reply_init(&v, 15);
    for (v.len--; v.len > 0; v.len--) {
        cr_assert_neq(check(&reply, NULL, &v), NTS_OK, "%zu octets", v.len);
    }
}

Test(ntp_reply, belongs_to_one_request_only)
{
    struct vector v;
    struct ntp_reply reply;
    reply_init(&v, 15);
    v.request.transmit_time++;
    cr_assert_eq(check(&reply, NULL, &v), NTS_ERR_MISMATCH);
    v.request.transmit_time--;
    v.request.unique_id[31] ^= 1;
    cr_assert_eq(check(&reply, NULL, &v), NTS_ERR_MISMATCH);
    v.request.unique_id[31] ^= 1;
    cr_assert_eq(check(&reply, NULL, &v), NTS_OK);
}

Test(ntp_reply, does_not_accept_the_key_of_the_other_direction)
{
    struct vector v;
    struct ntp_reply reply;
    reply_init(&v, 15);
    memcpy(v.keys.s2c, v.keys.c2s, sizeof(v.keys.s2c));
    cr_assert_eq(check(&reply, NULL, &v), NTS_ERR_FORGED);
}

Test(ntp_reply, knows_a_nak_but_not_one_for_another_request)
{
    struct vector v;
    struct ntp_reply reply;
    reply_init(&v, 15);
    v.len = from_hex(v.packet, nak);
    cr_assert_eq(check(&reply, NULL, &v), NTS_ERR_NAK);
    cr_assert_not(reply.authenticated);
    v.packet[UNIQUE_ID_END - 1] ^= 1;
    cr_assert_eq(check(&reply, NULL, &v), NTS_ERR_MISMATCH);
    v.len = NTP_HEADER_LEN;
    cr_assert_eq(check(&reply, NULL, &v), NTS_ERR_MISMATCH, "without a unique identifier");
}

/* Answers v->request with the fields written so far and an authenticator. */
static void seal_reply(struct vector *v, struct writer *w, const uint8_t *plaintext,
                       size_t plaintext_len, size_t padding_len)
{
    static const uint8_t nonce[AEAD_MAX_NONCE_LEN] = {1};
    struct session_keys server_keys = v->keys;
    memcpy(server_keys.c2s, v->keys.s2c, sizeof(server_keys.c2s));
    const struct ntp_sealing sealing = {nonce, v->keys.aead->nonce_len, plaintext, plaintext_len,
                                        padding_len};
    ntp_authenticator_write(w, &server_keys, &sealing);
    cr_assert_eq(writer_status(w), NTS_OK);
    v->len = writer_len(w);
}

static struct writer start_reply(struct vector *v)
{
    struct writer w = writer_over(v->packet, sizeof(v->packet));
    reply_init(v, 15);
    (void)write_space(&w, UNIQUE_ID_END); /* keeps those of the vector */
    return w;
}

Test(ntp_reply, rejects_a_cookie_in_clear)
{
    struct vector v;
    struct ntp_reply reply;
    struct writer w = start_reply(&v);
    ext_field_write(&w, EF_NTS_COOKIE, v.cookie, 100);
    seal_reply(&v, &w, NULL, 0, 0);
    cr_assert_eq(check(&reply, NULL, &v), NTS_ERR_ENCRYPTED_FORM);
}

Test(ntp_reply, reports_padding_and_what_follows_the_authenticator)
{
    struct vector v;
    struct ntp_reply reply;
    struct cookie_jar jar = {0};
    struct writer w = start_reply(&v);
    seal_reply(&v, &w, NULL, 0, 8);
    ext_field_write(&w, EF_NTS_COOKIE, v.cookie, 100);
    v.len = writer_len(&w);
    cr_assert_eq(check(&reply, &jar, &v), NTS_OK, "%s", reply.fault);
    cr_assert_eq(reply.padding_len, 8);
    cr_assert_eq(reply.trailing_len, 104);
    cr_assert_eq(reply.num_cookies + jar.num, 0, "that cookie is nobody's");
}

Test(ntp_reply, takes_no_cookie_from_a_malformed_plaintext)
{
    static const uint8_t bad_tail[] = {0x44, 0x44, 0x00, 0x40};
    struct vector v;
    struct ntp_reply reply;
    struct cookie_jar jar = {0};
    struct writer w = start_reply(&v);
    uint8_t plaintext[256];
    struct writer fields = writer_over(plaintext, sizeof(plaintext));
    ext_field_write(&fields, EF_NTS_COOKIE, v.cookie, 100);
    write_bytes(&fields, bad_tail, sizeof(bad_tail));
    seal_reply(&v, &w, plaintext, writer_len(&fields), 0);
    cr_assert_eq(check(&reply, &jar, &v), NTS_ERR_ENCRYPTED_FORM);
    cr_assert(reply.authenticated);
    cr_assert_eq(jar.num, 0);
}

Test(ntp_reply, tells_a_kiss_and_whether_to_trust_it)
{
    struct vector v;
    struct ntp_reply reply;
    struct writer w = start_reply(&v);
    v.packet[1] = 0;
    memcpy(v.packet + 12, "RATE", 4);
    v.len = UNIQUE_ID_END;
    cr_assert_eq(check(&reply, NULL, &v), NTS_ERR_KISS);
    cr_assert_not(reply.authenticated);
    seal_reply(&v, &w, NULL, 0, 0);
    cr_assert_eq(check(&reply, NULL, &v), NTS_ERR_KISS);
    cr_assert(reply.authenticated);
    memcpy(v.packet + 12, "INIT", 4);
    w.at = v.packet + UNIQUE_ID_END;
    seal_reply(&v, &w, NULL, 0, 0);
    cr_assert_eq(check(&reply, NULL, &v), NTS_OK, "an explanation, not a kiss");
}

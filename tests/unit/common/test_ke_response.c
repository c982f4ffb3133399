#include "client/ke_response.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define OK15_HEAD "\x80\x01\x00\x02\x00\x00\x80\x04\x00\x02\x00\x0f"
#define OK30_HEAD "\x80\x01\x00\x02\x00\x00\x80\x04\x00\x02\x00\x1e"
#define COOKIE                                                                                     \
    "\x00\x05\x00\x0c"                                                                             \
    "cookiecookie"
#define END "\x80\x00\x00\x00"

static const struct ke_request both = {
    .aeads = {30, 15}, .num_aeads = 2, .compliant_gcm_siv = true};

static enum nts_status parse(struct ke_response *response, const char *octets, size_t len)
{
    /* A copy that ends where the message ends, for the address sanitizer. */
    uint8_t *copy = malloc(len + 1);
    struct error error = {""};
    memcpy(copy + 1, octets, len);
    enum nts_status status = ke_response_parse(response, copy + 1, len, &both, &error);
    free(copy);
    cr_assert_eq(status != NTS_OK, error.text[0] != '\0', "every failure has a text");
    return status;
}

#define PARSE(response, octets) parse(response, octets, sizeof(octets) - 1)

static void expect(const char *octets, size_t len, enum nts_status expected)
{
    struct ke_response response;
    enum nts_status status = parse(&response, octets, len);
    cr_expect_eq(status, expected, "%s, not %s", status_label(status), status_label(expected));
}

#define EXPECT(octets, status) expect(octets, sizeof(octets) - 1, status)

Test(ke_response, writes_the_request_that_chrony_writes)
{
    static const char chrony[] = "\x80\x01\x00\x02\x00\x00\x80\x04\x00\x04\x00\x1e\x00\x0f"
                                 "\x04\x00\x00\x00\x80\x00\x00\x00";
    uint8_t data[KE_REQUEST_MAX_LEN];
    struct writer w = writer_over(data, sizeof(data));
    ke_request_write(&w, &both);
    cr_assert_eq(writer_len(&w), sizeof(chrony) - 1);
    cr_assert_arr_eq(data, chrony, sizeof(chrony) - 1);
}

Test(ke_response, writes_wishes)
{
    static const char wished[] = "\x80\x01\x00\x02\x00\x00\x80\x04\x00\x02\x00\x0f"
                                 "\x00\x06\x00\x03"
                                 "a.b"
                                 "\x00\x07\x00\x02\x10\x1b" END;
    struct ke_request request = {
        .aeads = {15}, .num_aeads = 1, .wish_server = "a.b", .wish_port = 4123};
    uint8_t data[KE_REQUEST_MAX_LEN];
    struct writer w = writer_over(data, sizeof(data));
    ke_request_write(&w, &request);
    cr_assert_eq(writer_len(&w), sizeof(wished) - 1);
    cr_assert_arr_eq(data, wished, sizeof(wished) - 1);
}

Test(ke_response, accepts_a_whole_response)
{
    struct ke_response response;
    cr_assert_eq(PARSE(&response, OK15_HEAD "\x00\x06\x00\x03"
                                            "a.b"
                                            "\x00\x07\x00\x02\x10\x1b"
                                            "\x40\x01\x00\x01x" COOKIE COOKIE END),
                 NTS_OK);
    cr_assert_eq(response.aead->id, 15);
    cr_assert_eq(response.num_cookies, 2);
    cr_assert_eq(response.jar.num, 2);
    cr_assert_eq(response.num_records, 8);
    cr_assert_eq(response.records[1].type, KE_AEAD_ALGORITHM);
    cr_assert(response.records[1].critical);
    cr_assert_str_eq(response.server, "a.b");
    cr_assert_eq(response.port, 4123);
    cr_assert_eq(response.error_code, -1);
}

Test(ke_response, defaults_to_the_host_asked_and_port_123)
{
    struct ke_response response;
    cr_assert_eq(PARSE(&response, OK15_HEAD COOKIE END), NTS_OK);
    cr_assert_str_empty(response.server);
    cr_assert_eq(response.port, 123);
}

Test(ke_response, believes_record_1024_for_aead_30_only)
{
    struct ke_response response;
    cr_assert_eq(PARSE(&response, OK30_HEAD "\x04\x00\x00\x00" COOKIE END), NTS_OK);
    cr_assert(response.compliant_gcm_siv);
    cr_assert_eq(PARSE(&response, OK30_HEAD COOKIE END), NTS_OK);
    cr_assert_not(response.compliant_gcm_siv);
    cr_assert_eq(PARSE(&response, OK15_HEAD "\x04\x00\x00\x00" COOKIE END), NTS_OK);
    cr_assert_not(response.compliant_gcm_siv);
    EXPECT(OK30_HEAD "\x04\x00\x00\x02\x00\x00" COOKIE END, NTS_ERR_BAD_REQUEST);
}

Test(ke_response, reports_the_servers_error_and_warning)
{
    struct ke_response response;
    cr_assert_eq(PARSE(&response, "\x80\x02\x00\x02\x00\x01" END), NTS_ERR_PEER_ERROR);
    cr_assert_eq(response.error_code, 1);
    cr_assert_eq(response.num_records, 2);
    cr_assert_eq(PARSE(&response, OK15_HEAD COOKIE "\x80\x03\x00\x02\x00\x07" END),
                 NTS_ERR_PEER_ERROR);
    cr_assert_eq(response.warning_code, 7);
    EXPECT("\x80\x02\x00\x01\x01" END, NTS_ERR_BAD_REQUEST);
}

Test(ke_response, tells_refusal_from_rule_breaking)
{
    EXPECT("\x80\x01\x00\x00" END, NTS_ERR_NO_AGREEMENT);
    EXPECT("\x80\x01\x00\x02\x00\x00\x80\x04\x00\x00" END, NTS_ERR_NO_AGREEMENT);
    EXPECT("\x80\x01\x00\x02\x80\x01" END, NTS_ERR_BAD_REQUEST);          /* not offered */
    EXPECT("\x80\x01\x00\x02\x00\x00\x80\x04\x00\x02\x00\x11" COOKIE END, /* not offered */
           NTS_ERR_BAD_REQUEST);
    EXPECT("\x80\x01\x00\x02\x00\x00\x80\x04\x00\x04\x00\x0f\x00\x1e" COOKIE END,
           NTS_ERR_BAD_REQUEST);
}

Test(ke_response, rejects_each_broken_rule)
{
    EXPECT("", NTS_ERR_INCOMPLETE);
    EXPECT(END, NTS_ERR_BAD_REQUEST);
    EXPECT(OK15_HEAD COOKIE, NTS_ERR_INCOMPLETE);
    EXPECT(OK15_HEAD COOKIE "\x80\x00\x00", NTS_ERR_TRUNCATED);
    EXPECT(OK15_HEAD COOKIE "\x80\x00\x00\x01", NTS_ERR_TRUNCATED);
    EXPECT(OK15_HEAD COOKIE "\x00\x00\x00\x00", NTS_ERR_BAD_REQUEST);  /* not critical */
    EXPECT(OK15_HEAD COOKIE "\x80\x00\x00\x01x", NTS_ERR_BAD_REQUEST); /* with a body */
    EXPECT(OK15_HEAD COOKIE END COOKIE, NTS_ERR_BAD_REQUEST);
    EXPECT(OK15_HEAD END, NTS_ERR_BAD_REQUEST);                      /* no cookie */
    EXPECT(OK15_HEAD "\x00\x05\x00\x02xy" END, NTS_ERR_BAD_REQUEST); /* none to use */
    EXPECT(OK15_HEAD OK15_HEAD COOKIE END, NTS_ERR_BAD_REQUEST);
    EXPECT("\x80\x01\x00\x02\x00\x00" COOKIE END, NTS_ERR_BAD_REQUEST); /* no AEAD */
    EXPECT("\x80\x04\x00\x02\x00\x0f" COOKIE END, NTS_ERR_BAD_REQUEST); /* no protocol */
    EXPECT("\x00\x01\x00\x02\x00\x00" COOKIE END, NTS_ERR_BAD_REQUEST); /* not critical */
    EXPECT(OK15_HEAD "\x00\x06\x00\x00" COOKIE END, NTS_ERR_BAD_REQUEST);
    EXPECT(OK15_HEAD "\x00\x06\x00\x03"
                     "a\nb" COOKIE END,
           NTS_ERR_BAD_REQUEST);
    EXPECT(OK15_HEAD "\x00\x07\x00\x01\x7b" COOKIE END, NTS_ERR_BAD_REQUEST);
    EXPECT(OK15_HEAD "\x00\x07\x00\x02\x00\x00" COOKIE END, NTS_ERR_BAD_REQUEST);
    EXPECT(OK15_HEAD "\xc0\x01\x00\x00" COOKIE END, NTS_ERR_UNKNOWN_CRITICAL);
}

Test(ke_response, keeps_eight_cookies_and_counts_all)
{
    struct ke_response response;
    cr_assert_eq(
        PARSE(&response,
              OK15_HEAD COOKIE COOKIE COOKIE COOKIE COOKIE COOKIE COOKIE COOKIE COOKIE COOKIE END),
        NTS_OK);
    cr_assert_eq(response.num_cookies, 10);
    cr_assert_eq(response.jar.num, 8);
}

Test(cookie_jar, gives_out_in_the_order_it_took_and_never_twice)
{
    struct cookie_jar jar = {0};
    struct client_cookie cookie;
    for (uint8_t i = 0; i < 20; i++) {
        uint8_t octets[16] = {i};
        cr_assert(cookie_jar_put(&jar, octets, sizeof(octets)));
        if (i >= 3) {
            cr_assert(cookie_jar_take(&jar, &cookie));
            cr_assert_eq(cookie.octets[0], i - 3);
        }
    }
    cr_assert_eq(jar.num, 3);
    cr_assert(cookie_jar_take(&jar, &cookie) && cookie_jar_take(&jar, &cookie) &&
              cookie_jar_take(&jar, &cookie));
    cr_assert_not(cookie_jar_take(&jar, &cookie));
}

Test(cookie_jar, refuses_what_cannot_be_sent)
{
    static const uint8_t octets[CLIENT_MAX_COOKIE_LEN + 4];
    struct cookie_jar jar = {0};
    cr_assert_not(cookie_jar_put(&jar, octets, 8));
    cr_assert_not(cookie_jar_put(&jar, octets, 14));
    cr_assert_not(cookie_jar_put(&jar, octets, sizeof(octets)));
    cr_assert(cookie_jar_put(&jar, octets, 12));
}

/* Section 4 of the conformance matrix: Server and Port records. */
#include "ke_support.h"

#include "base/hex.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Server and Port records of the server (critical), and of a client that has a wish. */
#define LIKELY         "800600093139322e302e322e37" /* 192.0.2.7 */
#define RARE           "800600093132372e302e302e31" /* 127.0.0.1 */
#define PORT_4123      "80070002101b"
#define WISH_RARE      "000600093132372e302e302e31"
#define WISH_UNKNOWN   "000600093132372e302e302e32" /* 127.0.0.2 */
#define WISH_PORT_4123 "00070002101b"

/* There is no time at these addresses, and nobody is to find out. */
#define UNWATCHED ", \"watch_interval_s\": 0"

/* One exchange with a server that has this time server only, on port 123. */
static void assert_announced(const char *name)
{
    char text[512];
    char head[640];
    snprintf(text, sizeof(text), ", \"time_servers\": [{\"name\": \"%s\"}]", name);
    ke_configure(text);
    ke_reload("config.reloaded");
    int len = snprintf(head, sizeof(head), OK15 "8006%04zx", strlen(name));
    cr_assert_leq((size_t)len + 2 * strlen(name), sizeof(head) - 1);
    hex_encode(head + len, (const uint8_t *)name, strlen(name));
    ke_agree(NP AE EOM, head);
}

KE_TEST(SP_01_one_server_record_as_bare_text)
{
    assert_announced("ntp.example.org");
    assert_announced("xn--bcher-kva.example");
    assert_announced("192.0.2.7");
    assert_announced("2001:db8::7");
    ke_expect("800100028001" AE EOM, NO_PROTOCOL); /* only with NTPv4 */
    ke_expect(NP "800400020001" EOM, NO_AEAD);
}

KE_TEST(SP_02_no_server_record_if_none_is_configured)
{
    ke_expect_ok15(NP AE EOM);
}

KE_FILES_TEST(SP_03_port_record_unless_123)
{
    ke_start(", \"time_servers\": [{\"name\": \"192.0.2.7\", \"port\": 11123}]");
    ke_agree(NP AE EOM, OK15 LIKELY "800700022b73");
    ke_configure(", \"time_servers\": [{\"name\": \"192.0.2.7\", \"port\": 123}]");
    ke_reload("config.reloaded");
    ke_agree(NP AE EOM, OK15 LIKELY);
}

KE_FILES_TEST(SP_04_server_of_the_family_of_the_connection)
{
    char listen[128];
    unsigned port = fixture_port;
    snprintf(listen, sizeof(listen), "\"%s:%d\", \"[::1]:%u\"", fixture_ip, FIXTURE_KE_PORT, port);
    ke_start_on(listen, ", \"time_servers\": [{\"name\": \"192.0.2.7\"},"
                        " {\"name\": \"2001:db8::7\"}]" UNWATCHED);
    struct ke_connection_options v6 = ke_options();
    v6.host = "::1";
    v6.port = (uint16_t)port;
    v6.family = AF_INET6;
    for (int i = 0; i < 20; i++) { /* a coin would not fall on one side so often */
        struct ke_dialog dialog;
        ke_agree(NP AE EOM, OK15 LIKELY);
        ke_dialog_open(&dialog, &v6);
        ke_dialog_send(&dialog, NP AE EOM);
        ke_dialog_agree(&dialog, OK15 "8006000b323030313a6462383a3a37");
    }
}

/* Two servers, of which one is next to never chosen by chance. */
#define LIKELY_AND_RARE                                                                            \
    ", \"time_servers\": [{\"name\": \"192.0.2.7\", \"weight\": 1000000},"                         \
    " {\"name\": \"127.0.0.1\"}, {\"name\": \"127.0.0.1\", \"port\": 4123}]" UNWATCHED

KE_FILES_TEST(SP_05_wish_is_honoured_if_it_names_one_of_ours)
{
    ke_start(LIKELY_AND_RARE);
    ke_agree(NP AE EOM, OK15 LIKELY);
    ke_agree(NP AE WISH_RARE EOM, OK15 RARE);
    ke_agree(NP AE WISH_RARE WISH_PORT_4123 EOM, OK15 RARE PORT_4123);
    ke_agree(NP AE WISH_PORT_4123 EOM, OK15 RARE PORT_4123);
    ke_agree(NP AE WISH_UNKNOWN EOM, OK15 LIKELY);
    ke_agree(NP AE WISH_RARE "00070002ffff" EOM, OK15 LIKELY);
}

KE_TEST(SP_05_wish_is_ignored_if_we_have_no_servers)
{
    ke_expect_ok15(NP AE WISH_RARE EOM);
    ke_expect_ok15(NP AE WISH_PORT_4123 EOM);
}

KE_FILES_TEST(SP_06_critical_wish_is_a_known_type)
{
    ke_start(LIKELY_AND_RARE);
    ke_agree(NP AE RARE EOM, OK15 RARE);
    ke_agree(NP AE "80070002007b" EOM, OK15 LIKELY);
    ke_agree(NP AE RARE "80070002007b" EOM, OK15 RARE);
}

KE_TEST(SP_07_two_server_records_get_error_1)
{
    ke_expect(NP AE WISH_RARE WISH_UNKNOWN EOM, ERR1);
}

KE_TEST(SP_08_wish_of_a_wrong_length_gets_error_1)
{
    ke_expect(NP AE "0007000100" EOM, ERR1);
    ke_expect(NP AE "00070003007b00" EOM, ERR1);
    ke_expect(NP AE "00070000" EOM, ERR1);
    ke_expect(NP AE "00060000" EOM, ERR1);
    ke_expect(ke_zeros(NP AE "00060100", 256, EOM), ERR1);
    ke_expect_ok15(NP AE "00070002007b" EOM);
    ke_expect_ok15(ke_zeros(NP AE "000600ff", 255, EOM));
}

KE_FILES_TEST(SP_08_wish_that_is_no_name_is_ignored)
{
    ke_start(LIKELY_AND_RARE);
    ke_agree(NP AE "0006000a3132372e302e302e3100" EOM, OK15 LIKELY); /* NUL behind 127.0.0.1 */
    ke_agree(NP AE "0006000100" EOM, OK15 LIKELY);
    ke_agree(NP AE "00060004c3bc2e65" EOM, OK15 LIKELY); /* not ASCII */
}

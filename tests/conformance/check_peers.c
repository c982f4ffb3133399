/* --check of both servers: who has to answer. */
#include "check_support.h"

#include <stdio.h>
#include <unistd.h>

/* --- the clock source --- */

static const char *upstream(void)
{
    static char text[128];
    snprintf(text, sizeof(text), "{\"source\":\"upstream\",\"server\":\"%s:5123\"}", fixture_ip);
    return text;
}

CHECK_TEST(clock_source_that_is_silent_is_an_error)
{
    char text[256];
    int fd = check_take_port(SOCK_DGRAM, 5123); /* hears, and says nothing */
    check_time_behind("", upstream(), "", 1);
    snprintf(
        text, sizeof(text),
        "error check.error finding=clock_silent reason=\"clock.server %s:5123 does not answer: "
        "asked 3 times\" advice=\"start the NTP server of clock.server, let it answer this "
        "host, and check address and port\"\n",
        fixture_ip);
    assert_said(text);
    close(fd);
}

static void start_upstream(const char *leap)
{
    char config[512];
    snprintf(config, sizeof(config),
             "{\"listen\":[\"%s:5123\"],\"keyring\":\"keyring.json\",\"workers\":1,\"clock\":"
             "{\"source\":\"fixed\",\"stratum\":1,\"reference_id\":\"GPS\",\"leap\":\"%s\"}}",
             fixture_ip, leap);
    server_start(&ke_time_server, "nts-time-server", config, "time.ready");
}

CHECK_TEST(clock_source_that_answers_is_in_order)
{
    start_upstream("none");
    check_time_behind("", upstream(), "", 0);
    assert_not_said("finding=clock");
}

CHECK_TEST(clock_source_that_is_not_synchronised_is_an_error)
{
    start_upstream("unsynchronised");
    check_time_behind("", upstream(), "", 1);
    assert_said("error check.error finding=clock reason=\"the upstream server says that it is not "
                "synchronised\"");
}

/* --- time servers --- */

CHECK_TEST(time_server_that_answers_is_in_order)
{
    ke_start_time_server();
    check_ke(check_sent_to(FIXTURE_NTP_PORT), 0);
    assert_not_said("finding=time_server");
}

CHECK_TEST(time_server_that_does_not_answer_is_an_error)
{
    char text[256];
    int fd = check_take_port(SOCK_DGRAM, FIXTURE_NTP_PORT);
    check_ke(check_sent_to(FIXTURE_NTP_PORT), 1);
    snprintf(text, sizeof(text),
             "error check.error finding=time_server_silent reason=\"%s, port %d: ", fixture_ip,
             FIXTURE_NTP_PORT);
    assert_said(text);
    close(fd);
    check_ke(check_sent_to(FIXTURE_NTP_PORT), 1); /* nobody is there any more */
    assert_said("Connection refused\" advice=\"start nts-time-server there, and let UDP to that "
                "port through firewalls\"\n");
    check_ke("", 0); /* clients would ask port 123 of the address they came to */
    assert_said("warning check.warning finding=time_server_silent");
    check_ke(",\"time_servers\":[{\"name\":\"ntp.invalid\"}]", 1);
    assert_said("finding=time_server_name reason=\"ntp.invalid, port 123: cannot resolve");
}

CHECK_TEST(time_server_with_another_keyring_is_an_error)
{
    const struct master_key_spec other =
        fixture_spec(UINT32_C(0xcccc0002), KEY_LAYOUT_CHRONY_SIV, -1, 15 * DAY_S);
    ke_start_time_server();
    fixture_write_keyring_to("other.json", 1, &other, 1);
    check_keyring_name = "other.json";
    check_ke(check_sent_to(FIXTURE_NTP_PORT), 1);
    assert_said("error check.error finding=time_server_key reason=\"");
    assert_said(" answers a cookie of the active key with NTS NAK\" advice=\"copy the keyring "
                "there: it refuses our cookies\"\n");
}

CHECK_TEST(time_server_that_is_not_synchronised_is_an_error)
{
    start_upstream("unsynchronised");
    check_ke(check_sent_to(5123), 1);
    assert_said("error check.error finding=time_server_clock reason=\"");
    assert_said(", port 5123 says that it is not synchronised (leap 3, stratum 0)\"");
}

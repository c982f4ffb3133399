/* --check of both servers: keyring and certificate. */
#include "check_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- in order --- */

CHECK_TEST(farm_in_order_passes_without_a_finding)
{
    char more[256];
    ke_start_time_server();
    check_give_to_nobody();
    snprintf(more, sizeof(more), "%s,\"user\":\"nobody\",\"server_names\":[\"ntp.example\"]",
             check_sent_to(FIXTURE_NTP_PORT));
    check_ke(more, 0);
    assert_said("nobody cannot read c.json");
    assert_said("info check.passed file=\"c.json\" warnings=1\n");
    check_run("chmod 0644 c.json &&", "nts-ke-server", 0);
    assert_said("info check.passed file=\"c.json\" warnings=0\n");
    assert_not_said("finding=");
}

CHECK_TEST(findings_are_json_where_the_log_is)
{
    check_ke(",\"log_format\":\"json\",\"log_level\":\"error\",\"server_names\":[\"a.example\"]",
             1);
    fixture_write("said.json", check_said);
    char command[512];
    snprintf(command, sizeof(command),
             "test \"$(jq --slurp '(.[0] | .level == \"error\" and .event == \"check.error\" and "
             ".finding == \"certificate_name\" and (.advice | length) > 0) and "
             "(.[-1] | .event == \"check.failed\" and .errors == 1 and .warnings > 0)' '%s')\" "
             "= true",
             fixture_path("said.json"));
    cr_assert_eq(system(command), 0, "%s", check_said);
}

/* --- keyring --- */

CHECK_TEST(keyring_without_an_upcoming_key_is_a_warning)
{
    struct master_key_spec spec =
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -DAY_S, 14 * DAY_S);
    ke_write_keyring(2, &spec, 1);
    static const char text[] =
        "warning check.warning finding=no_upcoming_key reason=\"keyring.json: no key is to follow "
        "the active one, aaaa0000\" advice=\"let a timer call nts-keys rotate and copy the "
        "keyring\"\n";
    check_time("", 0);
    assert_said(text);
    check_ke("", 0);
    assert_said(text);
    assert_not_said("near_end");
}

CHECK_TEST(keyring_near_its_end_is_a_warning)
{
    struct master_key_spec spec =
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -14 * DAY_S, 7300);
    ke_write_keyring(2, &spec, 1);
    check_time("", 0);
    assert_said("finding=keyring_near_end reason=\"keyring.json: the last key expires in 2 hours");
}

CHECK_TEST(keyring_without_an_active_key_is_an_error)
{
    struct master_key_spec spec =
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, 100, 14 * DAY_S);
    ke_write_keyring(2, &spec, 1);
    check_time("", 1);
    assert_said("finding=no_active_key reason=\"keyring.json: no key is active now");
    check_ke(check_sent_to(FIXTURE_NTP_PORT), 1);
    assert_said("finding=no_active_key");
    assert_not_said("time_server"); /* no cookie to ask with */
}

CHECK_TEST(all_that_is_wrong_is_said_at_once)
{
    cr_assert_eq(unlink(fixture_path("keyring.json")), 0);
    check_ke(",\"server_names\":[\"a.example\"],\"user\":\"no-such-user\"", 1);
    assert_said("finding=keyring reason=\"keyring.json: cannot open: No such file");
    assert_said(
        "finding=user reason=\"user: got \"no-such-user\", expected a user of this system\"");
    assert_said("finding=certificate_name");
    assert_said("error check.failed file=\"c.json\" errors=3 ");
}

/* --- certificate --- */

CHECK_TEST(certificate_must_cover_the_configured_names)
{
    check_ke(",\"server_names\":[\"ntp.example\",\"NTP.example\",\"a.wild.example\",\"192.0.2.1\"]",
             0);
    assert_not_said("certificate");
    static const char *const others[] = {"other.example", "x.ntp.example", "a.b.wild.example",
                                         "192.0.2.2", "2001:db8::1"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char more[256];
        snprintf(more, sizeof(more), ",\"server_names\":[\"ntp.example\",\"%s\"]", others[i]);
        check_ke(more, 1);
        snprintf(more, sizeof(more),
                 "finding=certificate_name reason=\"server.crt does not cover the name %s\" "
                 "advice=\"get a certificate that has this name, or correct server_names\"\n",
                 others[i]);
        assert_said(more);
    }
}

CHECK_TEST(certificate_must_be_valid_now_and_for_a_while)
{
    static const struct {
        long from_s;
        long until_s;
        int exit_status;
        const char *text;
    } cases[] = {
        {-3600, 14 * DAY_S + 3600, 0, "check.passed"},
        {-3600, 14 * DAY_S - 3600, 0,
         "warning check.warning finding=certificate_near_end reason=\"server.crt expires in 13 "
         "days\" advice=\"renew it\"\n"},
        {-3600, -60, 1, "error check.error finding=certificate reason=\"server.crt: the "},
        {7300, 90 * DAY_S, 1, "error check.error finding=certificate reason=\"server.crt"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fixture_write_certificate_as("server",
                                     &(struct certificate_recipe){.names = "DNS:ntp.example",
                                                                  .not_before_s = cases[i].from_s,
                                                                  .not_after_s = cases[i].until_s});
        check_ke("", cases[i].exit_status);
        assert_said(cases[i].text);
        cr_assert_eq(strstr(check_said, "certificate") == NULL, i == 0, "%s", check_said);
    }
}

CHECK_TEST(one_of_several_certificates_must_cover_each_name)
{
    static const char certificates[] =
        "{\"listen\":[\"127.0.0.1:50460\"],\"keyring\":\"keyring.json\",\"workers\":1,"
        "\"server_names\":[\"ntp.example\",\"%s\"],\"certificates\":["
        "{\"certificate\":\"server.crt\",\"private_key\":\"server.key\"},"
        "{\"certificate\":\"other.crt\",\"private_key\":\"other.key\"}]}";
    char config[512];
    fixture_write_certificate_as("other", &(struct certificate_recipe){.names = "DNS:other.example",
                                                                       .not_after_s = 90 * DAY_S});
    snprintf(config, sizeof(config), certificates, "other.example");
    fixture_write("c.json", config);
    check_run("", "nts-ke-server", 0);
    assert_not_said("certificate");

    snprintf(config, sizeof(config), certificates, "third.example");
    fixture_write("c.json", config);
    check_run("", "nts-ke-server", 1);
    assert_said("finding=certificate_name reason=\"none of the 2 certificates covers the name "
                "third.example\"");

    /* What the refused one has is not known. */
    fixture_write_certificate_as("other", &(struct certificate_recipe){.names = "DNS:other.example",
                                                                       .not_before_s = -7200,
                                                                       .not_after_s = -60});
    check_run("", "nts-ke-server", 1);
    assert_said("finding=certificate reason=\"other.crt: ");
    assert_not_said("certificate_name");
}

CHECK_TEST(certificates_are_given_in_one_way)
{
    check_ke(",\"certificates\":[{\"certificate\":\"server.crt\",\"private_key\":\"server.key\"}]",
             1);
    assert_said("error check.error finding=config reason=\"c.json: ");
    assert_said("errors=1 ");
}

/* --- networks --- */

CHECK_TEST(network_with_two_rules_is_an_error)
{
    static const char lists[] = ",\"exempt_networks\":[\"192.0.2.0/24\"],"
                                "\"refuse_networks\":[\"192.0.2.0/%d\"]";
    char more[128];
    snprintf(more, sizeof(more), lists, 25);
    check_ke(more, 0);
    check_time(more, 0);
    snprintf(more, sizeof(more), lists, 24);
    check_ke(more, 1);
    assert_said("error check.error finding=config reason=\"c.json: ");
    assert_said("192.0.2.0/24");
    check_time(more, 1);
    assert_said("error check.error finding=config reason=\"c.json: ");
    assert_said("192.0.2.0/24");
}

#include "load/destination.h"
#include "load/source_net.h"

#include <criterion/criterion.h>

Test(destination, knows_what_is_nobody_elses)
{
    static const char *const own[] = {
        "127.0.0.1",  "127.255.255.254", "10.0.0.1",    "10.255.255.255",
        "172.16.0.1", "172.31.255.255",  "192.168.1.1", "169.254.1.1",
        "::1",        "fc00::1",         "fdff::1",     "fe80::1",
        "febf::1",    "::ffff:10.0.0.1",
    };
    static const char *const foreign[] = {
        "8.8.8.8",         "126.255.255.255", "128.0.0.1",   "11.0.0.1",
        "172.15.255.255",  "172.32.0.1",      "192.167.1.1", "192.169.1.1",
        "169.253.1.1",     "0.0.0.0",         "::",          "::2",
        "fec0::1",         "fe00::1",         "2001:db8::1", "::ffff:8.8.8.8",
        "255.255.255.255", "224.0.1.1",       "ff02::1",
    };
    struct error error;
    union net_address address;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        cr_assert(address_parse(&address, own[i], 123));
        cr_assert(destination_is_own(&address), "%s", own[i]);
        cr_assert_eq(destination_check(&address, false, &error), NTS_OK);
    }
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        cr_assert(address_parse(&address, foreign[i], 123));
        cr_assert_not(destination_is_own(&address), "%s", foreign[i]);
        cr_assert_eq(destination_check(&address, false, &error), NTS_ERR_CONFIG);
        cr_assert_not_null(strstr(error.text, "--i-operate-this"));
        cr_assert_eq(destination_check(&address, true, &error), NTS_OK);
    }
}

static void assert_address(const struct source_net *net, size_t index, const char *expected)
{
    char text[INET6_ADDRSTRLEN];
    union net_address address = source_net_at(net, index);
    address_format_ip(text, &address);
    cr_assert_str_eq(text, expected);
    cr_assert_eq(address_port(&address), 0);
}

Test(source_net, counts_and_names_its_addresses)
{
    struct source_net net;
    cr_assert(source_net_parse(&net, "10.1.0.0/16"));
    cr_assert_eq(net.num, 65534);
    assert_address(&net, 0, "10.1.0.1");
    assert_address(&net, 255, "10.1.1.0");
    assert_address(&net, 65533, "10.1.255.254");

    cr_assert(source_net_parse(&net, "192.168.1.8/32"));
    cr_assert_eq(net.num, 1);
    assert_address(&net, 0, "192.168.1.8");
    cr_assert(source_net_parse(&net, "192.168.1.8/31"));
    cr_assert_eq(net.num, 2);
    assert_address(&net, 1, "192.168.1.9");

    cr_assert(source_net_parse(&net, "fd00:1::/64"));
    cr_assert_eq(net.num, SOURCE_NET_MAX);
    assert_address(&net, 0, "fd00:1::1");
    assert_address(&net, 0x12345, "fd00:1::1:2346");
    cr_assert(source_net_parse(&net, "0.0.0.0/0"));
    cr_assert_eq(net.num, SOURCE_NET_MAX);
}

Test(source_net, refuses_what_is_no_network)
{
    static const char *const texts[] = {
        "",          "10.1.0.0",   "10.1.0.0/",  "10.1.0.0/33",    "10.1.0.1/16", "10.1.0.0/16x",
        "10.1.0/16", "fd00::/129", "fd00::1/64", "name.example/8", "10.1.0.0/-1", "/16",
    };
    struct source_net net;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_assert_not(source_net_parse(&net, texts[i]), "%s", texts[i]);
    }
}

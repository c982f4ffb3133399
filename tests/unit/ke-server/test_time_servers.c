/* The choice of the time server that a client is sent to. */
#include "ke-server/protocol/time_servers.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NUM_DRAWS 20000

static struct random_pool pool;

static const struct time_server mixed[] = {
    {"192.0.2.1", 123, 3, AF_INET},
    {"192.0.2.2", 4123, 1, AF_INET},
    {"2001:db8::1", 123, 1, AF_INET6},
    {"ntp.example.net", 123, 1, AF_UNSPEC},
};
static const struct time_servers farm = {.list = mixed, .num = 4};
static const struct server_wish nothing = {0};

static struct server_wish wish_for(const char *name)
{
    return (struct server_wish){.name = name, .name_len = strlen(name)};
}

static const struct time_server *choose(int family, const struct server_wish *wish)
{
    return time_servers_choose(&farm, family, wish, &pool);
}

Test(time_servers, gives_none_if_there_are_none)
{
    struct time_servers none = {0};
    struct server_wish wish = wish_for("192.0.2.1");
    cr_assert_null(time_servers_choose(&none, AF_INET, &nothing, &pool));
    cr_assert_null(time_servers_choose(&none, AF_INET, &wish, &pool));
}

Test(time_servers, prefers_the_family_of_the_connection)
{
    for (int i = 0; i < 1000; i++) {
        cr_assert_neq(choose(AF_INET, &nothing)->family, AF_INET6);
        cr_assert_neq(choose(AF_INET6, &nothing)->family, AF_INET);
    }
}

Test(time_servers, takes_the_other_family_if_there_is_no_better)
{
    struct time_servers only_ipv4 = {.list = mixed, .num = 2};
    cr_assert_eq(time_servers_choose(&only_ipv4, AF_INET6, &nothing, &pool)->family, AF_INET);
}

Test(time_servers, follows_the_weights)
{
    int num_first = 0;
    int num_second = 0;
    for (int i = 0; i < NUM_DRAWS; i++) {
        const struct time_server *server = choose(AF_INET, &nothing);
        num_first += server == &mixed[0];
        num_second += server == &mixed[1];
    }
    /* 3 and 1 of 5; seven standard deviations to either side */
    cr_expect(abs(num_first - NUM_DRAWS * 3 / 5) < 500, "%d", num_first);
    cr_expect(abs(num_second - NUM_DRAWS / 5) < 400, "%d", num_second);
}

Test(time_servers, carries_the_largest_weights)
{
    static struct time_server list[TIME_SERVERS_MAX];
    struct time_servers servers = {.list = list, .num = TIME_SERVERS_MAX};
    bool seen_last_half = false;
    for (size_t i = 0; i < TIME_SERVERS_MAX; i++) {
        list[i] = (struct time_server){"192.0.2.1", 123, TIME_SERVER_MAX_WEIGHT, AF_INET};
    }
    for (int i = 0; i < 200; i++) {
        const struct time_server *server = time_servers_choose(&servers, AF_INET, &nothing, &pool);
        seen_last_half = seen_last_half || server >= &list[TIME_SERVERS_MAX / 2];
    }
    cr_assert(seen_last_half);
}

Test(time_servers, honours_a_wish_for_one_of_ours)
{
    struct server_wish address = wish_for("192.0.2.2");
    struct server_wish name = wish_for("NTP.Example.NET");
    struct server_wish other_family = wish_for("2001:DB8::1");
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(choose(AF_INET, &address), &mixed[1]);
        cr_assert_eq(choose(AF_INET, &name), &mixed[3]);
        cr_assert_eq(choose(AF_INET, &other_family), &mixed[2]);
    }
}

Test(time_servers, honours_a_wish_only_if_the_port_matches)
{
    struct server_wish right = wish_for("192.0.2.2");
    right.has_port = true;
    right.port = 4123;
    struct server_wish wrong = right;
    wrong.port = 123;
    int num_hits = 0;
    for (int i = 0; i < 200; i++) {
        cr_assert_eq(choose(AF_INET, &right), &mixed[1]);
        num_hits += choose(AF_INET, &wrong) == &mixed[1];
    }
    cr_expect(num_hits < 100, "%d of 200 draws with weight 1 of 5", num_hits);
}

Test(time_servers, ignores_a_wish_for_another)
{
    static const char *const names[] = {"192.0.2.9", "192.0.2.", "192.0.2.11", "example.net"};
    for (size_t i = 0; i < 4; i++) {
        struct server_wish wish = wish_for(names[i]);
        cr_expect_not_null(choose(AF_INET, &wish), "%s", names[i]);
        cr_expect_neq(choose(AF_INET, &wish)->family, AF_INET6, "%s", names[i]);
    }
}

Test(time_servers, honours_a_wish_for_a_port_alone)
{
    struct server_wish wish = {.has_port = true, .port = 4123};
    struct server_wish unknown = {.has_port = true, .port = 9};
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(choose(AF_INET, &wish), &mixed[1]);
        cr_assert_eq(choose(AF_INET6, &wish), &mixed[1], "of any family if there is no better");
        cr_assert_neq(choose(AF_INET, &unknown)->family, AF_INET6);
    }
}

Test(time_servers, picks_the_port_that_fits_the_family)
{
    static const struct time_server twice[] = {
        {"ntp.example.net", 123, 1, AF_INET},
        {"ntp.example.net", 4123, 1, AF_INET6},
    };
    struct time_servers servers = {.list = twice, .num = 2};
    struct server_wish wish = wish_for("ntp.example.net");
    cr_assert_eq(time_servers_choose(&servers, AF_INET, &wish, &pool), &twice[0]);
    cr_assert_eq(time_servers_choose(&servers, AF_INET6, &wish, &pool), &twice[1]);
}

Test(time_servers, accepts_addresses_and_domain_names)
{
    static const char *const names[] = {
        "192.0.2.1",
        "2001:db8::1",
        "::1",
        "127.0.0.2",
        "ntp1.example.net",
        "localhost",
        "xn--bcher-kva.example",
        "3.pool.example",
        "a-b.c",
        "1e100.net",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz01234567890.net" /* label of 63 */};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_expect(time_server_name_is_valid(names[i]), "%s", names[i]);
    }
}

Test(time_servers, refuses_what_clients_cannot_use)
{
    static const char *const names[] = {
        "",
        ".",
        "ntp.example.net.",
        ".example.net",
        "ntp..net",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "192.0.2.1:123",
        "192.0.2",
        "192.0.2.256",
        "1.2.3.4.5",
        "-a.net",
        "a-.net",
        "a_b.net",
        "a b.net",
        "bu\xcc\x88rger.example",
        "0.0.0.0",
        "::",
        "a.net/",
        "2001:db8::g",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz012345678901.net" /* 64 */};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_expect_not(time_server_name_is_valid(names[i]), "%s", names[i]);
    }
}

Test(time_servers, refuses_names_above_253_characters)
{
    char name[256] = "";
    for (int i = 0; i < 126; i++) {
        strcat(name, "a.");
    }
    strcat(name, "a");
    cr_assert_eq(strlen(name), TIME_SERVER_NAME_MAX_LEN);
    cr_expect(time_server_name_is_valid(name));
    strcat(name, "b");
    cr_expect_not(time_server_name_is_valid(name));
}

Test(time_servers, knows_the_family_of_an_address)
{
    cr_expect_eq(time_server_family("192.0.2.1"), AF_INET);
    cr_expect_eq(time_server_family("2001:db8::1"), AF_INET6);
    cr_expect_eq(time_server_family("ntp.example.net"), AF_UNSPEC);
}

/* --- servers that are down --- */

static const struct time_servers *watched(uint8_t first, uint8_t second, uint8_t third,
                                          uint8_t fourth)
{
    static time_server_reach reach[4];
    static const struct time_servers servers = {.list = mixed, .reach = reach, .num = 4};
    reach[0] = first;
    reach[1] = second;
    reach[2] = third;
    reach[3] = fourth;
    return &servers;
}

/* The set of the servers that come out, as bits. */
static unsigned chosen(const struct time_servers *servers, int family,
                       const struct server_wish *wish)
{
    unsigned set = 0;
    for (int i = 0; i < 500; i++) {
        set |= 1u << (time_servers_choose(servers, family, wish, &pool) - mixed);
    }
    return set;
}

Test(time_servers, leaves_out_what_is_down)
{
    const uint8_t v4 = TIME_SERVER_UP_IPV4;
    const uint8_t v6 = TIME_SERVER_UP_IPV6;
    cr_expect_eq(chosen(watched(v4, v4, v6, TIME_SERVER_UP), AF_INET, &nothing), 0xb);
    cr_expect_eq(chosen(watched(0, v4, v6, TIME_SERVER_UP), AF_INET, &nothing), 0xa);
    cr_expect_eq(chosen(watched(0, v4, v6, 0), AF_INET, &nothing), 0x2);
    cr_expect_eq(chosen(watched(0, v4, v6, 0), AF_INET6, &nothing), 0x4);
}

Test(time_servers, takes_a_name_for_the_families_that_are_up)
{
    const uint8_t v4 = TIME_SERVER_UP_IPV4;
    const uint8_t v6 = TIME_SERVER_UP_IPV6;
    cr_expect_eq(chosen(watched(v4, v4, v6, v4), AF_INET6, &nothing), 0x4);
    cr_expect_eq(chosen(watched(v4, v4, v6, v6), AF_INET, &nothing), 0x3);
    cr_expect_eq(chosen(watched(v4, v4, v6, v6), AF_INET6, &nothing), 0xc);
}

Test(time_servers, takes_all_of_a_family_where_all_of_it_are_down)
{
    /* What is between this host and the servers of a family need not be in the way of clients. */
    cr_expect_eq(chosen(watched(0, 0, TIME_SERVER_UP_IPV6, 0), AF_INET, &nothing), 0xb);
    cr_expect_eq(chosen(watched(0, 0, 0, TIME_SERVER_UP_IPV4), AF_INET6, &nothing), 0xc);
    cr_expect_eq(chosen(watched(0, 0, 0, 0), AF_INET, &nothing), 0xb);
}

Test(time_servers, takes_what_is_up_of_the_other_family_if_none_is_of_this)
{
    time_server_reach reach[] = {TIME_SERVER_DOWN, TIME_SERVER_UP_IPV4};
    struct time_servers only_ipv4 = {.list = mixed, .reach = reach, .num = 2};
    cr_expect_eq(chosen(&only_ipv4, AF_INET6, &nothing), 0x2);
    reach[1] = TIME_SERVER_DOWN;
    cr_expect_eq(chosen(&only_ipv4, AF_INET6, &nothing), 0x3);
}

Test(time_servers, honours_a_wish_only_for_what_is_up)
{
    struct server_wish name = wish_for("192.0.2.2");
    struct server_wish port = {.has_port = true, .port = 4123};
    const uint8_t v4 = TIME_SERVER_UP_IPV4;
    cr_expect_eq(chosen(watched(v4, v4, 0, 0), AF_INET, &name), 0x2);
    cr_expect_eq(chosen(watched(v4, v4, 0, 0), AF_INET, &port), 0x2);
    cr_expect_eq(chosen(watched(v4, 0, 0, 0), AF_INET, &name), 0x1);
    cr_expect_eq(chosen(watched(v4, 0, 0, 0), AF_INET, &port), 0x1);
    /* Nothing is known to be better. */
    cr_expect_eq(chosen(watched(0, 0, 0, 0), AF_INET, &name), 0x2);
    cr_expect_eq(chosen(watched(0, 0, 0, 0), AF_INET, &port), 0x2);
}

Test(time_servers, inherits_what_is_known_by_name_port_and_family)
{
    static const struct time_server renewed[] = {
        {"192.0.2.2", 4123, 7, AF_INET},        /* of another weight */
        {"192.0.2.1", 124, 1, AF_INET},         /* of another port */
        {"NTP.example.net", 123, 1, AF_UNSPEC}, /* the same */
        {"ntp.example.net", 123, 1, AF_INET6},  /* of another family */
    };
    time_server_reach reach[] = {TIME_SERVER_UP, TIME_SERVER_UP, TIME_SERVER_UP, TIME_SERVER_UP};
    struct time_servers servers = {.list = renewed, .reach = reach, .num = 4};
    time_servers_inherit(&servers, watched(0, 0, 0, TIME_SERVER_UP_IPV4));
    cr_expect_eq(reach[0], TIME_SERVER_DOWN);
    cr_expect_eq(reach[1], TIME_SERVER_UP);
    cr_expect_eq(reach[2], TIME_SERVER_UP_IPV4);
    cr_expect_eq(reach[3], TIME_SERVER_UP);
}

#include "limit/network_list.h"

#include <criterion/criterion.h>

static struct ip_bits bits_of(const char *text)
{
    union net_address address;
    cr_assert(address_parse(&address, text, 123), "%s", text);
    return ip_bits_of(&address);
}

static struct ip_prefix prefix_of(const char *text)
{
    struct ip_prefix prefix;
    cr_assert(ip_prefix_parse(&prefix, text), "%s", text);
    return prefix;
}

Test(ip_prefix, takes_an_ipv4_mapped_address_for_the_ipv4_address)
{
    cr_assert_eq(ip_bits_compare(bits_of("192.0.2.1"), bits_of("::ffff:192.0.2.1")), 0);
    cr_assert(ip_bits_is_ipv4(bits_of("::ffff:192.0.2.1")));
    cr_assert_not(ip_bits_is_ipv4(bits_of("::fffe:192.0.2.1")));
    cr_assert_not(ip_bits_is_ipv4(bits_of("::192.0.2.1")));
    cr_assert_not(ip_bits_is_ipv4(bits_of("1::ffff:192.0.2.1")));
}

Test(ip_prefix, leaves_the_port_out)
{
    cr_assert_eq(ip_bits_compare(bits_of("192.0.2.1:1"), bits_of("192.0.2.1:2")), 0);
    cr_assert_lt(ip_bits_compare(bits_of("192.0.2.1"), bits_of("192.0.2.2")), 0);
    cr_assert_gt(ip_bits_compare(bits_of("2001:db8:0:1::"), bits_of("2001:db8::ffff")), 0);
}

Test(ip_prefix, writes_what_it_reads)
{
    static const char *const texts[] = {
        "192.0.2.0/24", "0.0.0.0/0",     "10.0.0.0/8", "192.0.2.1",     "192.0.2.0/31",
        "::/0",         "2001:db8::/32", "::1",        "2001:db8::/64", "8000::/1",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ip_prefix prefix = prefix_of(texts[i]);
        char text[IP_PREFIX_TEXT_LEN];
        ip_prefix_format(text, &prefix);
        cr_assert_str_eq(text, texts[i]);
    }
}

Test(ip_prefix, has_an_end_on_both_sides)
{
    static const struct {
        const char *prefix;
        const char *inside[2];
        const char *outside[2];
    } cases[] = {
        {"192.0.2.0/24", {"192.0.2.0", "192.0.2.255"}, {"192.0.1.255", "192.0.3.0"}},
        {"192.0.2.1", {"192.0.2.1", "192.0.2.1"}, {"192.0.2.0", "192.0.2.2"}},
        {"0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::fffe:ffff:ffff", "::1:0:0:0"}},
        {"2001:db8::/64",
         {"2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"},
         {"2001:db7::", "2001:db8:0:1::"}},
        {"2001:db8::/65", {"2001:db8::", "2001:db8::7fff:0:0:1"}, {"2001:db8::8000:0:0:0", "::"}},
        {"::/0", {"::", "192.0.2.1"}, {NULL}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ip_prefix prefix = prefix_of(cases[i].prefix);
        for (size_t j = 0; j < 2; j++) {
            cr_assert(ip_prefix_contains(&prefix, bits_of(cases[i].inside[j])), "%s has %s",
                      cases[i].prefix, cases[i].inside[j]);
            if (cases[i].outside[j] != NULL) {
                cr_assert_not(ip_prefix_contains(&prefix, bits_of(cases[i].outside[j])),
                              "%s has not %s", cases[i].prefix, cases[i].outside[j]);
            }
        }
    }
}

Test(ip_prefix, rejects_what_is_no_network)
{
    static const char *const texts[] = {
        "",
        "/",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/024",
        "192.0.2.1/24",
        "192.0.2/24",
        "192.0.2.0/24 ",
        "2001:db8::/129",
        "2001:db8::1/64",
        "[::1]",
        "2001:db8::/+1",
        "localhost",
        "192.0.2.0/24/1",
        "::1%lo",
        "192.0.2.1:123",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct ip_prefix prefix;
        cr_assert_not(ip_prefix_parse(&prefix, texts[i]), "\"%s\"", texts[i]);
    }
}

struct entry {
    const char *prefix;
    enum network_rule rule;
};

static struct network_list list_of(const struct entry *entries, size_t num)
{
    struct network_list list;
    struct ip_prefix conflict;
    cr_assert_eq(network_list_open(&list, num), NTS_OK);
    for (size_t i = 0; i < num; i++) {
        struct ip_prefix prefix = prefix_of(entries[i].prefix);
        network_list_add(&list, &prefix, entries[i].rule);
    }
    cr_assert(network_list_build(&list, &conflict));
    return list;
}

Test(network_list, lets_the_smallest_network_decide)
{
    static const struct entry entries[] = {
        {"10.1.2.0/24", NETWORK_EXEMPT},   {"0.0.0.0/0", NETWORK_REFUSED},
        {"10.1.2.3", NETWORK_REFUSED},     {"10.1.2.7", NETWORK_REFUSED},
        {"2001:db8::/32", NETWORK_EXEMPT}, {"10.1.2.0/24", NETWORK_EXEMPT},
        {"10.0.0.0/8", NETWORK_LIMITED},
    };
    static const struct entry expected[] = {
        {"9.255.255.255", NETWORK_REFUSED}, {"10.0.0.0", NETWORK_LIMITED},
        {"10.1.1.255", NETWORK_LIMITED},    {"10.1.2.0", NETWORK_EXEMPT},
        {"10.1.2.3", NETWORK_REFUSED},      {"10.1.2.4", NETWORK_EXEMPT},
        {"10.1.2.7", NETWORK_REFUSED},      {"10.1.2.255", NETWORK_EXEMPT},
        {"10.1.3.0", NETWORK_LIMITED},      {"11.0.0.0", NETWORK_REFUSED},
        {"2001:db8::1", NETWORK_EXEMPT},    {"2001:db9::1", NETWORK_LIMITED},
        {"::1", NETWORK_LIMITED},
    };
    struct network_list list = list_of(entries, sizeof(entries) / sizeof(entries[0]));
    cr_assert_eq(list.num, 6, "what is there twice is one");
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        cr_assert_eq(network_list_find(&list, bits_of(expected[i].prefix)), expected[i].rule, "%s",
                     expected[i].prefix);
    }
    network_list_close(&list);
}

Test(network_list, has_no_rule_when_empty)
{
    struct network_list list = list_of(NULL, 0);
    cr_assert_eq(network_list_find(&list, bits_of("192.0.2.1")), NETWORK_LIMITED);
    network_list_close(&list);
}

/* What the binary search finds is what looking at all of them finds. */
Test(network_list, agrees_with_a_look_at_all_networks)
{
    unsigned seed = 7;
    for (size_t round = 0; round < 200; round++) {
        struct network_list list;
        struct network all[40];
        struct ip_prefix conflict;
        cr_assert_eq(network_list_open(&list, 40), NTS_OK);
        for (size_t i = 0; i < 40; i++) {
            /* Few bits, so that they are often inside one another. */
            uint8_t length = (uint8_t)(120 + rand_r(&seed) % 9);
            struct ip_bits bits = {0, (uint64_t)rand_r(&seed) % 256};
            all[i].prefix = (struct ip_prefix){ip_bits_first(bits, length), length};
            /* The same network gets the same rule. */
            all[i].rule = (enum network_rule)((all[i].prefix.bits.low / 3 + length) % 3);
            network_list_add(&list, &all[i].prefix, all[i].rule);
        }
        cr_assert(network_list_build(&list, &conflict));
        for (uint64_t low = 0; low < 256; low++) {
            struct ip_bits bits = {0, low};
            enum network_rule rule = NETWORK_LIMITED;
            int longest = -1;
            for (size_t i = 0; i < 40; i++) {
                if (ip_prefix_contains(&all[i].prefix, bits) && all[i].prefix.length > longest) {
                    longest = all[i].prefix.length;
                    rule = all[i].rule;
                }
            }
            cr_assert_eq(network_list_find(&list, bits), rule);
        }
        network_list_close(&list);
    }
}

Test(network_list, rejects_one_network_with_two_rules)
{
    static const char *const texts[] = {"10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/8"};
    struct network_list list;
    struct ip_prefix conflict = {0};
    cr_assert_eq(network_list_open(&list, 3), NTS_OK);
    for (size_t i = 0; i < 3; i++) {
        struct ip_prefix prefix = prefix_of(texts[i]);
        network_list_add(&list, &prefix, i < 2 ? NETWORK_EXEMPT : NETWORK_REFUSED);
    }
    cr_assert_not(network_list_build(&list, &conflict));
    cr_assert_eq(conflict.length, 96 + 8);
    network_list_close(&list);
}

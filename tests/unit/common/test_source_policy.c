#include "base/clock_time.h"
#include "limit/source_gate.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NOW_NS (INT64_C(1000) * NS_PER_S)

static struct ip_bits bits_of(const char *text)
{
    union net_address address;
    cr_assert(address_parse(&address, text, 123), "%s", text);
    return ip_bits_of(&address);
}

static struct source_options options_of(int64_t rate, int64_t burst)
{
    return (struct source_options){
        .rate_limit = rate, .rate_burst = burst, .limit_prefix_ipv4 = 32, .limit_prefix_ipv6 = 64};
}

static struct source_gate gate;
static struct source_policy policy;

static void open_gate(const struct source_options *options)
{
    struct error error;
    cr_assert_eq(source_gate_open(&gate, &error), NTS_OK);
    cr_assert_eq(source_policy_open(&policy, options, &error), NTS_OK, "%s", error.text);
}

static void close_gate(void)
{
    source_policy_close(&policy);
    source_gate_close(&gate);
}

static enum source_verdict judge(const char *address)
{
    return source_gate_judge(&gate, &policy, bits_of(address), NOW_NS);
}

Test(source_policy, admits_everybody_by_default, .fini = close_gate)
{
    struct source_options options = options_of(0, 1);
    open_gate(&options);
    cr_assert(source_policy_is_open_to_all(&policy));
    for (size_t i = 0; i < 100; i++) {
        cr_assert_eq(judge("192.0.2.1"), SOURCE_ADMITTED);
    }
}

Test(source_policy, limits_each_source_by_its_prefix, .fini = close_gate)
{
    struct source_options options = options_of(1, 2);
    open_gate(&options);
    cr_assert_not(source_policy_is_open_to_all(&policy));
    cr_assert_eq(judge("192.0.2.1"), SOURCE_ADMITTED);
    cr_assert_eq(judge("::ffff:192.0.2.1"), SOURCE_ADMITTED, "the same client");
    cr_assert_eq(judge("192.0.2.1"), SOURCE_OVER_BUDGET);
    cr_assert_eq(judge("192.0.2.2"), SOURCE_ADMITTED, "its neighbour");
    cr_assert_eq(judge("2001:db8::1"), SOURCE_ADMITTED);
    cr_assert_eq(judge("2001:db8::2"), SOURCE_ADMITTED);
    cr_assert_eq(judge("2001:db8::ffff:0:0:1"), SOURCE_OVER_BUDGET, "the same /64");
    cr_assert_eq(judge("2001:db8:0:1::1"), SOURCE_ADMITTED, "the next /64");
}

Test(source_policy, takes_other_prefix_lengths, .fini = close_gate)
{
    struct source_options options = options_of(1, 1);
    options.limit_prefix_ipv4 = 24;
    options.limit_prefix_ipv6 = 48;
    open_gate(&options);
    cr_assert_eq(judge("192.0.2.1"), SOURCE_ADMITTED);
    cr_assert_eq(judge("192.0.2.255"), SOURCE_OVER_BUDGET);
    cr_assert_eq(judge("192.0.3.0"), SOURCE_ADMITTED);
    cr_assert_eq(judge("2001:db8:0:1::1"), SOURCE_ADMITTED);
    cr_assert_eq(judge("2001:db8:0:ffff::1"), SOURCE_OVER_BUDGET);
    cr_assert_eq(judge("2001:db8:1::1"), SOURCE_ADMITTED);
}

Test(source_policy, has_exempt_and_refused_networks, .fini = close_gate)
{
    const char *exempt[] = {"192.0.2.0/25", "2001:db8::/32"};
    const char *refused[] = {"192.0.2.0/24", "192.0.2.9"};
    struct source_options options = options_of(1, 1);
    options.exempt_networks = (struct option_list){exempt, 2};
    options.refuse_networks = (struct option_list){refused, 2};
    open_gate(&options);
    for (size_t i = 0; i < 10; i++) {
        cr_assert_eq(judge("192.0.2.127"), SOURCE_ADMITTED);
        cr_assert_eq(judge("2001:db8::1"), SOURCE_ADMITTED);
        cr_assert_eq(judge("192.0.2.128"), SOURCE_REFUSED);
        cr_assert_eq(judge("192.0.2.9"), SOURCE_REFUSED);
        cr_assert_eq(judge("2001:db9::1"), i == 0 ? SOURCE_ADMITTED : SOURCE_OVER_BUDGET);
    }
}

Test(source_policy, refuses_without_a_budget, .fini = close_gate)
{
    const char *refused[] = {"192.0.2.0/24"};
    struct source_options options = options_of(0, 1);
    options.refuse_networks = (struct option_list){refused, 1};
    open_gate(&options);
    cr_assert_not(source_policy_is_open_to_all(&policy));
    cr_assert_eq(judge("192.0.2.1"), SOURCE_REFUSED);
    cr_assert_eq(judge("192.0.3.1"), SOURCE_ADMITTED);
}

Test(source_policy, names_a_network_that_is_on_both_lists)
{
    const char *exempt[] = {"192.0.2.0/24"};
    const char *refused[] = {"192.0.2.0/25", "192.0.2.0/24"};
    struct source_options options = options_of(1, 1);
    struct error error;
    options.exempt_networks = (struct option_list){exempt, 1};
    options.refuse_networks = (struct option_list){refused, 2};
    cr_assert_eq(source_policy_open(&policy, &options, &error), NTS_ERR_CONFIG);
    cr_assert_str_eq(error.text,
                     "refuse_networks: got \"192.0.2.0/24\", expected no network that is "
                     "in exempt_networks too");
}

Test(source_format, tells_as_much_as_is_permitted)
{
    static const struct {
        const char *address;
        enum log_addresses how;
        const char *text;
    } cases[] = {
        {"192.0.2.77", LOG_ADDRESSES_NONE, ""},
        {"192.0.2.77", LOG_ADDRESSES_PREFIX, " source=192.0.2.0/24"},
        {"192.0.2.77", LOG_ADDRESSES_FULL, " source=192.0.2.77"},
        {"::ffff:192.0.2.77", LOG_ADDRESSES_PREFIX, " source=192.0.2.0/24"},
        {"2001:db8:1:2::3", LOG_ADDRESSES_NONE, ""},
        {"2001:db8:1:2::3", LOG_ADDRESSES_PREFIX, " source=2001:db8:1::/48"},
        {"2001:db8:1:2::3", LOG_ADDRESSES_FULL, " source=2001:db8:1:2::3"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[SOURCE_TEXT_LEN];
        source_format(text, bits_of(cases[i].address), cases[i].how);
        cr_assert_str_eq(text, cases[i].text);
    }
}

/* What the log got since the last call. */
static const char *logged(int log_fd)
{
    static char text[4096];
    ssize_t len = read(log_fd, text, sizeof(text) - 1);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

Test(source_gate, gives_the_log_a_line_a_minute, .fini = close_gate)
{
    int fds[2];
    struct source_options options = options_of(1, 1);
    options.log_addresses = LOG_ADDRESSES_PREFIX;
    open_gate(&options);
    cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
    cr_assert_geq(dup2(fds[1], STDERR_FILENO), 0);

    source_gate_report(&gate, &policy, 0, 0, 1000);
    cr_assert_str_empty(logged(fds[0]), "nothing happened");
    judge("192.0.2.77");
    judge("192.0.2.77");
    judge("198.51.100.1");
    judge("198.51.100.1");
    source_gate_report(&gate, &policy, 2, 0, 1001);
    cr_assert_not_null(
        strstr(logged(fds[0]), "sources.held_off over_budget=2 refused=0 source=192.0.2.0/24\n"));

    judge("198.51.100.1");
    for (int64_t s = 1002; s < 1061; s++) {
        source_gate_report(&gate, &policy, 2 + (uint64_t)(s - 1001), 3, s);
        cr_assert_str_empty(logged(fds[0]), "not yet");
    }
    source_gate_report(&gate, &policy, 62, 3, 1061);
    cr_assert_not_null(strstr(
        logged(fds[0]), "sources.held_off over_budget=60 refused=3 source=198.51.100.0/24\n"));
    source_gate_report(&gate, &policy, 62, 3, 2000);
    cr_assert_str_empty(logged(fds[0]), "nothing more happened");
}

/* What the watch knows of the servers, and what it publishes. */
#include "ke-server/watch/watch_table.h"

#include "base/clock_time.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>

static const struct time_server list[] = {
    {"192.0.2.1", 123, 1, AF_INET},
    {"2001:db8::1", 4123, 1, AF_INET6},
    {"ntp.example.net", 123, 1, AF_UNSPEC},
};

static time_server_reach reach[3];
static struct random_pool pool;
static const struct time_servers servers = {.list = list, .reach = reach, .num = 3};
static const struct watch_spread spread = {1000 * NS_PER_S, NS_PER_S, &pool};
static struct watch_table table;

static void adopt(void)
{
    for (size_t i = 0; i < 3; i++) {
        reach[i] = TIME_SERVER_UP;
    }
    cr_assert_eq(watch_table_adopt(&table, &servers, &spread), NTS_OK);
}

static void clear(void)
{
    watch_table_clear(&table);
}

#define TABLE_TEST(name) Test(watch_table, name, .init = adopt, .fini = clear)

static struct name_answer answer_of(const char *first, const char *second)
{
    struct name_answer answer = {0};
    const char *const texts[] = {first, second};
    for (size_t i = 0; i < 2 && texts[i] != NULL; i++) {
        cr_assert(address_parse(&answer.addresses[answer.num++], texts[i], 123));
    }
    return answer;
}

static void resolve(const char *first, const char *second)
{
    struct name_answer answer = answer_of(first, second);
    watch_table_take_answer(&table, 2, &answer, &spread);
}

/* `num` rounds with one outcome. */
static void take(size_t server, size_t address, enum watch_outcome outcome, int num)
{
    const struct watch_verdict verdict = {0xb01dface, WATCH_ROLE_SEALS, outcome};
    const struct watch_sample sample = {.stratum = 1, .offset_ns = 7, .delay_ns = 9};
    for (int i = 0; i < num; i++) {
        watch_table_take_round(&table, server, &table.servers[server].addresses[address], &verdict,
                               1, outcome == WATCH_ANSWERED ? &sample : NULL);
    }
}

TABLE_TEST(takes_all_for_up_at_first)
{
    cr_expect_eq(reach[0], TIME_SERVER_UP_IPV4);
    cr_expect_eq(reach[1], TIME_SERVER_UP_IPV6);
    cr_expect_eq(reach[2], TIME_SERVER_UP);
    cr_expect_eq(table.servers[1].num_addresses, 1);
    cr_expect_eq(address_port(&table.servers[1].addresses[0].address), 4123);
    cr_expect_eq(table.servers[2].num_addresses, 0);
    cr_expect(table.servers[2].is_name && !table.servers[0].is_name);
}

TABLE_TEST(spreads_the_first_requests)
{
    int64_t next_ns = table.servers[0].addresses[0].next_ns;
    cr_expect_geq(next_ns, spread.now_ns);
    cr_expect_leq(next_ns, spread.now_ns + spread.over_ns);
}

TABLE_TEST(publishes_who_is_down)
{
    take(0, 0, WATCH_TIMEOUT, WATCH_DOWN_AFTER - 1);
    cr_expect_eq(reach[0], TIME_SERVER_UP_IPV4);
    take(0, 0, WATCH_TIMEOUT, 1);
    cr_expect_eq(reach[0], TIME_SERVER_DOWN);
    cr_expect_eq(reach[1], TIME_SERVER_UP_IPV6);
    take(0, 0, WATCH_ANSWERED, WATCH_UP_AFTER);
    cr_expect_eq(reach[0], TIME_SERVER_UP_IPV4);
}

TABLE_TEST(takes_a_name_for_the_families_of_its_addresses)
{
    resolve("192.0.2.7", NULL);
    cr_expect_eq(reach[2], TIME_SERVER_UP_IPV4);
    resolve("192.0.2.7", "2001:db8::7");
    cr_expect_eq(reach[2], TIME_SERVER_UP);
    take(2, 0, WATCH_NAK, 1);
    cr_expect_eq(reach[2], TIME_SERVER_UP_IPV6);
    take(2, 1, WATCH_REFUSED, 3);
    cr_expect_eq(reach[2], TIME_SERVER_DOWN);
}

TABLE_TEST(has_a_family_up_while_one_address_is)
{
    resolve("192.0.2.7", "192.0.2.8");
    take(2, 0, WATCH_NAK, 1);
    cr_expect_eq(reach[2], TIME_SERVER_UP_IPV4);
    take(2, 1, WATCH_NAK, 1);
    cr_expect_eq(reach[2], TIME_SERVER_DOWN);
}

TABLE_TEST(keeps_what_it_knows_of_an_address_that_stays)
{
    resolve("192.0.2.7", "192.0.2.8");
    take(2, 1, WATCH_NAK, 1);
    resolve("192.0.2.8", "192.0.2.9");
    cr_expect_eq(table.servers[2].num_addresses, 2);
    cr_expect_not(watch_health_is_up(&table.servers[2].addresses[0].health));
    cr_expect(watch_health_is_up(&table.servers[2].addresses[1].health));
    resolve("192.0.2.8", "192.0.2.8"); /* one, said twice */
    cr_expect_eq(table.servers[2].num_addresses, 1);
    cr_expect_eq(reach[2], TIME_SERVER_DOWN);
}

TABLE_TEST(finds_an_address_only_while_it_is_one)
{
    struct name_answer answer = answer_of("192.0.2.7", "2001:db8::7");
    resolve("192.0.2.7", "2001:db8::7");
    cr_expect_eq(watch_table_find(&table, 2, &answer.addresses[1]), &table.servers[2].addresses[1]);
    resolve("192.0.2.7", NULL);
    cr_expect_null(watch_table_find(&table, 2, &answer.addresses[1]));
    cr_expect_null(watch_table_find(&table, 0, &answer.addresses[0]));
}

TABLE_TEST(has_a_name_down_that_never_resolved)
{
    for (int i = 0; i < WATCH_DOWN_AFTER; i++) {
        cr_expect_eq(reach[2], TIME_SERVER_UP);
        resolve(NULL, NULL);
    }
    cr_expect_eq(reach[2], TIME_SERVER_DOWN);
    resolve("192.0.2.7", NULL);
    cr_expect_eq(reach[2], TIME_SERVER_UP_IPV4);
}

TABLE_TEST(keeps_the_addresses_of_a_name_that_resolves_no_more)
{
    resolve("192.0.2.7", NULL);
    for (int i = 0; i < 2 * WATCH_DOWN_AFTER; i++) {
        resolve(NULL, NULL);
    }
    cr_expect_eq(table.servers[2].num_addresses, 1);
    cr_expect_eq(reach[2], TIME_SERVER_UP_IPV4);
}

TABLE_TEST(keeps_what_it_knows_through_a_reload)
{
    static const struct time_server renewed[] = {
        {"ntp.example.net", 123, 9, AF_UNSPEC}, /* of another weight */
        {"192.0.2.1", 123, 1, AF_INET},
        {"192.0.2.1", 124, 1, AF_INET}, /* new */
    };
    time_server_reach fresh[3] = {TIME_SERVER_UP, TIME_SERVER_UP, TIME_SERVER_UP};
    const struct time_servers after = {.list = renewed, .reach = fresh, .num = 3};
    resolve("192.0.2.7", NULL);
    take(0, 0, WATCH_NAK, 1);
    table.servers[0].addresses[0].is_asking = true;
    table.servers[0].addresses[0].next_ns = INT64_MAX;
    cr_assert_eq(watch_table_adopt(&table, &after, &spread), NTS_OK);
    cr_expect_eq(fresh[0], TIME_SERVER_UP_IPV4);
    cr_expect_eq(fresh[1], TIME_SERVER_DOWN);
    cr_expect_eq(fresh[2], TIME_SERVER_UP_IPV4);
    cr_expect_not(table.servers[1].addresses[0].is_asking);
    cr_expect_leq(table.servers[1].addresses[0].next_ns, spread.now_ns + spread.over_ns);
    clear();
}

TABLE_TEST(leaves_all_up_when_nobody_watches_any_more)
{
    take(0, 0, WATCH_NAK, 1);
    resolve("192.0.2.7", NULL);
    watch_table_clear(&table);
    cr_expect_eq(reach[0], TIME_SERVER_UP_IPV4);
    cr_expect_eq(reach[1], TIME_SERVER_UP_IPV6);
    cr_expect_eq(reach[2], TIME_SERVER_UP);
    cr_expect_eq(table.num, 0);
}

TABLE_TEST(knows_of_which_family_none_is_left)
{
    take(1, 0, WATCH_NAK, 1);
    cr_expect_eq(table.all_down, 0, "the name may have IPv6");
    resolve("192.0.2.7", NULL);
    cr_expect_eq(table.all_down, TIME_SERVER_UP_IPV6);
    take(0, 0, WATCH_NAK, 1);
    cr_expect_eq(table.all_down, TIME_SERVER_UP_IPV6);
    take(2, 0, WATCH_NAK, 1);
    cr_expect_eq(table.all_down, TIME_SERVER_UP);
    take(1, 0, WATCH_ANSWERED, 2);
    cr_expect_eq(table.all_down, TIME_SERVER_UP_IPV4);
}

TABLE_TEST(reports_a_server)
{
    struct watch_report report;
    const struct watch_verdict verdicts[] = {
        {1, WATCH_ROLE_SEALS, WATCH_TIMEOUT},
        {2, WATCH_ROLE_UPCOMING, WATCH_NAK},
    };
    take(1, 0, WATCH_ANSWERED, 5);
    watch_table_take_round(&table, 1, &table.servers[1].addresses[0], verdicts, 2, NULL);
    watch_table_report(&table, 1, &report);
    cr_expect_str_eq(report.name, "2001:db8::1");
    cr_expect_eq(report.port, 4123);
    cr_expect_eq(report.reach, TIME_SERVER_UP_IPV6);
    cr_expect_eq(report.num_addresses, 1);
    cr_expect_eq(report.num_up, 1);
    cr_expect_eq(report.num_missing_keys, 1);
    cr_expect_eq(report.num_rounds[WATCH_ANSWERED], 5);
    cr_expect_eq(report.num_rounds[WATCH_TIMEOUT], 1);
    cr_expect_eq(report.num_rounds[WATCH_NAK], 0, "rounds are counted, not keys");
    cr_expect_eq(report.last_failure, WATCH_TIMEOUT);
    cr_expect(report.has_sample && report.sample.offset_ns == 7 && report.sample.delay_ns == 9);
}

TABLE_TEST(forgets_keys_that_are_gone)
{
    struct watch_report report;
    const struct watch_keys none = {0};
    take(0, 0, WATCH_NAK, 1);
    watch_table_report(&table, 0, &report);
    cr_expect_eq(report.num_missing_keys, 1);
    watch_table_forget_keys(&table, &none);
    watch_table_report(&table, 0, &report);
    cr_expect_eq(report.num_missing_keys, 0);
}

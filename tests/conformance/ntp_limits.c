/* Bounds against abuse at the time server: budgets, kisses of death and lists of networks, seen
 * from sources on loopback (row AMP-02). */
#include "ntp_support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LIMITED_IP "127.200.0.1"
#define OTHER_IP   "127.200.0.2"
#define EXEMPT_IP  "127.201.0.1"
#define REFUSED_IP "127.202.0.1"
#define BURST      10

#define LIMITS                                                                                     \
    ", \"rate_limit\": 1, \"rate_burst\": 10, \"exempt_networks\": [\"127.201.0.0/16\"], "         \
    "\"refuse_networks\": [\"127.202.0.0/16\"]"

static const struct session_keys *session(void)
{
    static struct session_keys keys;
    keys = session_keys_of(15);
    return &keys;
}

static void write_files(void)
{
    const struct master_key_spec spec =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000);
    fixture_open();
    fixture_write_keyring(1, &spec, 1);
}

static void limits_up(void)
{
    write_files();
    time_server_up_with(FIXED_CLOCK, LIMITS);
}

#define LIMIT_TEST(name)                                                                           \
    Test(conformance, name, .init = limits_up, .fini = time_server_down, .timeout = TEST_TIMEOUT_S)

static int connect_from(const char *source_ip)
{
    union net_address source;
    union net_address server;
    cr_assert(address_parse(&source, source_ip, 1));
    cr_assert(address_parse(&server, fixture_ip, FIXTURE_NTP_PORT));
    source.in.sin_port = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &source.sa, address_len(&source)), 0);
    cr_assert_eq(connect(fd, &server.sa, address_len(&server)), 0);
    return fd;
}

/* What a source got for what it sent. */
struct harvest {
    size_t num_answers;
    size_t num_kisses;
    size_t num_naks;
};

static void take_reply(struct harvest *harvest, const struct packet *request,
                       const struct packet *reply)
{
    struct ntp_header header = header_of(reply);
    cr_assert_leq(reply->len, request->len, "AMP-01");
    cr_assert_eq(memcmp(reply->data + 24, request->data + 40, 8), 0, "origin");
    if (header.stratum > 0) {
        harvest->num_answers++;
    } else if (header.reference_id == NTP_KISS_NTSN) {
        harvest->num_naks++;
    } else {
        cr_assert_eq(header.reference_id, NTP_KISS_RATE);
        cr_assert_eq(header.leap, 3);
        cr_assert_eq(header.mode, NTP_MODE_SERVER);
        cr_assert_eq(header.poll, 7, "raised: the client's was 6");
        cr_assert_eq(open_reply(request, reply, session()).num_cookies, 1);
        harvest->num_kisses++;
    }
}

/* Sends a request `num` times from one source. An exempt source asks behind each handful of them:
 * when it has its answer, they have had theirs, or none. */
static struct harvest flood_on(int fd, const struct packet *request, size_t num)
{
    struct harvest harvest = {0};
    int exempt_fd = connect_from(EXEMPT_IP);
    struct packet sentinel = {0};
    struct packet reply;
    put_header(&sentinel);
    for (size_t i = 0; i < num; i++) {
        cr_assert_eq(send(fd, request->data, request->len, 0), (ssize_t)request->len);
        if (i % 20 != 19 && i + 1 < num) {
            continue;
        }
        cr_assert_eq(send(exempt_fd, sentinel.data, sentinel.len, 0), (ssize_t)sentinel.len);
        cr_assert_eq(recv(exempt_fd, reply.data, sizeof(reply.data), 0), NTP_HEADER_LEN);
        ssize_t len;
        while ((len = recv(fd, reply.data, sizeof(reply.data), MSG_DONTWAIT)) > 0) {
            reply.len = (size_t)len;
            take_reply(&harvest, request, &reply);
        }
    }
    close(exempt_fd);
    return harvest;
}

static struct harvest flood(const char *source_ip, const struct packet *request, size_t num)
{
    int fd = connect_from(source_ip);
    struct harvest harvest = flood_on(fd, request, num);
    close(fd);
    return harvest;
}

/* The burst, and one for each second that the test may have taken: no more than that. */
static void assert_within_budget(const struct harvest *harvest, time_t since)
{
    cr_assert_geq(harvest->num_answers, BURST);
    cr_assert_leq(harvest->num_answers, BURST + (size_t)(time(NULL) - since) + 1);
}

LIMIT_TEST(AMP_02_authentic_requests_over_budget_get_sealed_RATE_or_silence)
{
    struct packet request = query(session(), 0);
    time_t since = time(NULL);
    struct harvest harvest = flood(LIMITED_IP, &request, 400);
    assert_within_budget(&harvest, since);
    cr_assert_gt(harvest.num_kisses, 0);
    cr_assert_lt(harvest.num_kisses, 200, "a share of them");
    cr_assert_eq(harvest.num_naks, 0);

    harvest = flood(OTHER_IP, &request, BURST);
    cr_assert_eq(harvest.num_answers, BURST, "its neighbour has a budget of its own");
}

LIMIT_TEST(AMP_02_plain_requests_over_budget_get_silence)
{
    struct packet plain = {0};
    struct packet with_id = {0};
    put_header(&plain);
    put_header(&with_id);
    put_unique_id(&with_id, 32);
    time_t since = time(NULL);
    struct harvest harvest = flood(LIMITED_IP, &plain, 400);
    assert_within_budget(&harvest, since);
    cr_assert_eq(harvest.num_kisses + harvest.num_naks, 0);
    harvest = flood(OTHER_IP, &with_id, 400);
    assert_within_budget(&harvest, since);
    cr_assert_eq(harvest.num_kisses + harvest.num_naks, 0);
}

LIMIT_TEST(AMP_02_forged_requests_over_budget_get_silence_and_no_NAK)
{
    struct packet forged = query(session(), 0);
    forged.data[forged.len - 1] ^= 1;
    time_t since = time(NULL);
    struct harvest harvest = flood(LIMITED_IP, &forged, 400);
    cr_assert_geq(harvest.num_naks, BURST);
    cr_assert_leq(harvest.num_naks, BURST + (size_t)(time(NULL) - since) + 1);
    cr_assert_eq(harvest.num_answers + harvest.num_kisses, 0);
}

LIMIT_TEST(AMP_02_a_source_with_many_ports_has_one_budget)
{
    struct packet plain = {0};
    put_header(&plain);
    size_t num_answers = 0;
    time_t since = time(NULL);
    for (size_t i = 0; i < 40; i++) {
        num_answers += flood(LIMITED_IP, &plain, 1).num_answers;
    }
    assert_within_budget(&(struct harvest){.num_answers = num_answers}, since);
}

LIMIT_TEST(AMP_02_exempt_networks_are_answered_and_refused_ones_are_not)
{
    struct packet request = query(session(), 0);
    struct harvest harvest = flood(EXEMPT_IP, &request, 100);
    cr_assert_eq(harvest.num_answers, 100);
    harvest = flood(REFUSED_IP, &request, 100);
    cr_assert_eq(harvest.num_answers + harvest.num_kisses + harvest.num_naks, 0);
    /* One octet away from it. */
    harvest = flood("127.203.0.1", &request, BURST);
    cr_assert_eq(harvest.num_answers, BURST);
}

/* --- beyond the matrix: the operator's side --- */

#define LIFE_TEST(name)                                                                            \
    Test(time_server, name, .init = limits_up, .fini = time_server_down, .timeout = TEST_TIMEOUT_S)

static void reconfigure(const char *options, const char *text)
{
    char config[1024];
    size_t from = server_log_end(&time_server);
    snprintf(config, sizeof(config),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"workers\": 1, "
             "\"transport\": \"%s\", \"clock\": " FIXED_CLOCK "%s}",
             fixture_ip, FIXTURE_NTP_PORT, fixture_transport(), options);
    fixture_write(time_server.config_name, config);
    kill(time_server.pid, SIGHUP);
    server_await_log(&time_server, text, from);
}

LIFE_TEST(limits_change_by_reload)
{
    struct packet plain = {0};
    put_header(&plain);
    flood(LIMITED_IP, &plain, 2 * BURST);
    reconfigure(", \"rate_limit\": 0", "config.reloaded");
    /* The worker takes the settings up with the next batch. */
    cr_assert_eq(flood(LIMITED_IP, &plain, 100).num_answers, 100);
    cr_assert_eq(flood(REFUSED_IP, &plain, 100).num_answers, 100);
    reconfigure(", \"refuse_networks\": [\"127.200.0.1\"]", "config.reloaded");
    cr_assert_eq(flood(LIMITED_IP, &plain, 100).num_answers, 0);
    cr_assert_eq(flood(OTHER_IP, &plain, 100).num_answers, 100);
    reconfigure(", \"exempt_networks\": [\"10.0.0.0/8\"], \"refuse_networks\": [\"10.0.0.0/8\"]",
                "config.refused");
    cr_assert_eq(flood(LIMITED_IP, &plain, 100).num_answers, 0, "what runs is kept");
}

/* Logs say that there was something, and of whom only what is asked for. */
LIFE_TEST(held_off_sources_are_logged_without_their_addresses)
{
    struct packet plain = {0};
    put_header(&plain);
    size_t from = server_log_end(&time_server);
    flood(LIMITED_IP, &plain, 3 * BURST);
    flood(REFUSED_IP, &plain, 3 * BURST);
    server_await_log(&time_server, "sources.held_off over_budget=", from);
    cr_assert_null(strstr(time_server.log, "127.200."), "%s", time_server.log);
    cr_assert_null(strstr(time_server.log, "127.202."), "%s", time_server.log);
    cr_assert_null(strstr(time_server.log, "source="), "%s", time_server.log);
}

static void expect_source(const char *log_addresses, const char *text)
{
    char options[256];
    struct packet plain = {0};
    put_header(&plain);
    write_files();
    snprintf(options, sizeof(options), LIMITS ", \"log_addresses\": \"%s\"", log_addresses);
    time_server_up_with(FIXED_CLOCK, options);
    flood(LIMITED_IP, &plain, 3 * BURST);
    server_await_log(&time_server, text, 0);
}

Test(time_server, a_held_off_source_is_logged_as_its_network_when_asked_to,
     .fini = time_server_down, .timeout = TEST_TIMEOUT_S)
{
    expect_source("prefix", "source=127.200.0.0/24\n");
    cr_assert_null(strstr(time_server.log, LIMITED_IP), "%s", time_server.log);
}

Test(time_server, a_held_off_source_is_logged_in_full_when_asked_to, .fini = time_server_down,
     .timeout = TEST_TIMEOUT_S)
{
    expect_source("full", "source=" LIMITED_IP "\n");
}

Test(time_server, wrong_limits_are_named, .init = write_files, .fini = fixture_close,
     .timeout = TEST_TIMEOUT_S)
{
    static const struct {
        const char *option;
        const char *text;
    } wrong[] = {
        {"\"rate_limit\": -1", "rate_limit: got -1, expected an integer from 0 to 100000"},
        {"\"rate_limit\": 100001", "rate_limit: got 100001, expected an integer from 0 to 100000"},
        {"\"rate_burst\": 0", "rate_burst: got 0, expected an integer from 1 to 100000"},
        {"\"limit_prefix_ipv4\": 33",
         "limit_prefix_ipv4: got 33, expected an integer from 8 to 32"},
        {"\"limit_prefix_ipv6\": 8",
         "limit_prefix_ipv6: got 8, expected an integer from 16 to 128"},
        {"\"exempt_networks\": \"10.0.0.0/8\"",
         "exempt_networks: got \"10.0.0.0/8\", expected an array of 0 to 1024 elements"},
        {"\"exempt_networks\": [\"::/0\", \"10.0.0.0/33\"]",
         "exempt_networks[1]: got \"10.0.0.0/33\", expected a network like \"192.0.2.0/24\" or "
         "\"2001:db8::/32\", with no bits set behind its length, or an address"},
        {"\"refuse_networks\": [\"10.0.0.1/8\"]",
         "refuse_networks[0]: got \"10.0.0.1/8\", expected a network like"},
        {"\"refuse_networks\": [\"example.net\"]",
         "refuse_networks[0]: got \"example.net\", expected a network like"},
        {"\"refuse_networks\": [\"10.0.0.0/8\"], \"exempt_networks\": [\"10.0.0.0/8\"]",
         "c.json: refuse_networks: got \"10.0.0.0/8\", expected no network that is in "
         "exempt_networks too"},
        {"\"log_addresses\": \"all\"",
         "log_addresses: got \"all\", expected one of \"none\", \"prefix\", \"full\""},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char config[512];
        snprintf(config, sizeof(config),
                 "{\"keyring\": \"keyring.json\", \"clock\": " FIXED_CLOCK ", %s}",
                 wrong[i].option);
        fixture_write("c.json", config);
        fixture_assert_run("nts-time-server", "--config c.json --check", 1, wrong[i].text);
        fixture_assert_run("nts-time-server", "--config c.json", 1, wrong[i].text);
    }
}

/* The clock that a time server tells: mirrored from an upstream server that the test plays, as the
 * rules of never claiming good time without a reason want it (rows H-13 to H-15). */
#include "http_support.h"
#include "ntp_support.h"

#include "base/clock_time.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define UPSTREAM_PORT 4200

static int upstream_fd;

/* How the upstream server answers. */
struct upstream {
    int64_t offset_ns; /* of its clock */
    int64_t delay_ns;  /* on the way back */
    uint8_t leap;
    uint8_t stratum;
    bool wrong_origin;
    uint32_t reference_id; /* 0: GPS */
};

static void open_upstream(void)
{
    const struct master_key_spec spec =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000);
    union net_address address;
    fixture_open();
    fixture_write_keyring(1, &spec, 1);
    cr_assert(address_parse(&address, fixture_ip, UPSTREAM_PORT));
    upstream_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(upstream_fd, &address.sa, address_len(&address)), 0);
}

static void close_upstream(void)
{
    time_server_down();
    close(upstream_fd);
}

#define CLOCK_TEST(name)                                                                           \
    Test(clock, name, .init = open_upstream, .fini = close_upstream, .timeout = TEST_TIMEOUT_S)

static void start(const char *more)
{
    char clock[256];
    snprintf(clock, sizeof(clock), "{\"source\": \"upstream\", \"server\": \"%s:%d\"%s}",
             fixture_ip, UPSTREAM_PORT, more);
    time_server_up_with(clock, "");
}

/* Waits for a question and takes the newest: the server has given the ones before it up. */
static void take_question(uint8_t packet[NTP_HEADER_LEN], union net_address *peer)
{
    struct pollfd polled = {.fd = upstream_fd, .events = POLLIN};
    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1, "no question:\n%s", time_server.log);
    do {
        socklen_t peer_len = sizeof(*peer);
        cr_assert_eq(recvfrom(upstream_fd, packet, NTP_HEADER_LEN, 0, &peer->sa, &peer_len),
                     NTP_HEADER_LEN);
    } while (poll(&polled, 1, 0) == 1);
}

/* Answers the next question, and returns where it came from. */
static union net_address answer(const struct upstream *upstream)
{
    uint8_t packet[NTP_HEADER_LEN];
    union net_address peer;
    take_question(packet, &peer);
    struct ntp_header question;
    ntp_header_read(&question, packet);
    cr_assert_eq(question.mode, NTP_MODE_CLIENT);
    uint64_t now = ntp_time_from_unix_ns(real_time_ns() + upstream->offset_ns);
    struct ntp_header header = {
        .leap = upstream->leap,
        .version = 4,
        .mode = NTP_MODE_SERVER,
        .stratum = upstream->stratum,
        .root_delay = 0x100,
        .root_dispersion = 0x200,
        .reference_id = upstream->reference_id != 0 ? upstream->reference_id : 0x47505300,
        .reference_time = now - (UINT64_C(5) << 32),
        .origin_time = question.transmit_time ^ (upstream->wrong_origin ? 1 : 0),
        .receive_time = now,
        .transmit_time = now + 1,
    };
    ntp_header_write(packet, &header);
    usleep((useconds_t)(upstream->delay_ns / 1000));
    cr_assert_eq(sendto(upstream_fd, packet, sizeof(packet), 0, &peer.sa, address_len(&peer)),
                 NTP_HEADER_LEN);
    return peer;
}

static void answer_if_asked(const struct upstream *upstream)
{
    struct pollfd polled = {.fd = upstream_fd, .events = POLLIN};
    if (poll(&polled, 1, 0) == 1) {
        answer(upstream);
    }
}

static bool has_logged(const char *text, size_t from)
{
    server_log_end(&time_server);
    return strstr(time_server.log + from, text) != NULL;
}

/* Answers until the server logs that: an answer that comes after the server has asked again is
 * none, and on a busy machine one that comes late tells of a slow network. */
static void answer_and_await(const struct upstream *upstream, const char *text)
{
    size_t from = server_log_end(&time_server);
    AWAIT(has_logged(text, from) || (answer_if_asked(upstream), false), "no '%s':\n%s", text,
          time_server.log);
}

/* What clients are told now. */
static struct ntp_header told(void)
{
    struct packet p = {0};
    put_header(&p);
    struct packet reply = ask(&p);
    return header_of(&reply);
}

static void assert_unsynchronised(void)
{
    struct ntp_header header = told();
    cr_assert_eq(header.leap, NTP_LEAP_UNSYNCHRONISED);
    cr_assert_eq(header.stratum, 0);
}

static const struct upstream good = {.stratum = 1};

CLOCK_TEST(upstream_is_mirrored_one_stratum_below)
{
    start("");
    assert_unsynchronised();
    answer_and_await(&good, "clock.fit");
    struct ntp_header header = told();
    cr_assert_eq(header.leap, 0);
    cr_assert_eq(header.stratum, 2);
    cr_assert_geq(header.root_delay, 0x100);
    cr_assert_geq(header.root_dispersion, 0x200);
}

CLOCK_TEST(upstream_is_copied_if_configured)
{
    start(", \"mirror\": \"copy\"");
    answer_and_await(&good, "clock.fit");
    struct ntp_header header = told();
    cr_assert_eq(header.stratum, 1);
    cr_assert_eq(header.reference_id, 0x47505300);
    cr_assert_lt(header.reference_time, header.receive_time - (UINT64_C(4) << 32));
}

CLOCK_TEST(leap_seconds_are_passed_on)
{
    struct upstream leap = {.stratum = 1, .leap = NTP_LEAP_INSERT};
    start("");
    answer_and_await(&leap, "clock.fit");
    cr_assert_eq(told().leap, NTP_LEAP_INSERT);
}

CLOCK_TEST(clock_that_is_off_is_not_served)
{
    struct upstream off = {.stratum = 1, .offset_ns = 5 * NS_PER_S};
    start("");
    answer_and_await(&good, "clock.fit");
    answer_and_await(&off, "clock.unfit reason=\"this host's clock is too far");
    assert_unsynchronised();
    answer_and_await(&good, "clock.fit");
    off.offset_ns = -200 * NS_PER_MS;
    answer_and_await(&off, "clock.unfit");
    assert_unsynchronised();
}

CLOCK_TEST(slow_network_alone_does_not_make_a_clock_wrong)
{
    struct upstream slow = {.stratum = 1, .delay_ns = 400 * NS_PER_MS};
    start("");
    answer_and_await(&slow, "clock.fit"); /* the offset looks like 200 ms */
    struct ntp_header header = told();
    cr_assert_eq(header.stratum, 2);
    cr_assert_geq(header.root_delay, 0x10000 * 4 / 10, "the delay is told");
}

CLOCK_TEST(answers_to_other_questions_are_ignored)
{
    struct upstream wrong = {.stratum = 1, .wrong_origin = true};
    start("");
    answer(&wrong);
    answer(&wrong);
    assert_unsynchronised();
    answer_and_await(&good, "clock.fit");
}

CLOCK_TEST(unsynchronised_upstream_makes_the_clock_unfit)
{
    static const struct upstream bad[] = {
        {.stratum = 0},
        {.stratum = 16},
        {.stratum = 1, .leap = NTP_LEAP_UNSYNCHRONISED},
        {.stratum = 15}, /* one below it is none */
    };
    start("");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        answer_and_await(&good, "clock.fit");
        answer_and_await(&bad[i], "clock.unfit");
        assert_unsynchronised();
    }
}

CLOCK_TEST(silent_upstream_is_bridged_for_holdover_s_only)
{
    start(", \"holdover_s\": 2");
    /* On a busy machine the two seconds may be over before a client has asked. */
    AWAIT((answer_if_asked(&good), told().stratum == 2), "%s", time_server.log);
    server_await_log(&time_server, "clock.fit", 0);
    const char *first_fit = strstr(time_server.log, "clock.fit");
    server_await_log(&time_server, "clock.unfit reason=\"nothing heard from the source",
                     (size_t)(first_fit - time_server.log));
    AWAIT(told().stratum == 0, "%s", time_server.log);
    assert_unsynchronised();
}

CLOCK_TEST(root_distance_is_bounded)
{
    struct upstream slow = {.stratum = 1, .delay_ns = 200 * NS_PER_MS};
    start(", \"max_root_distance_ms\": 50");
    answer_and_await(&good, "clock.fit");
    answer_and_await(&slow, "clock.unfit reason=\"root distance is above");
    assert_unsynchronised();
}

static void start_with_name(const char *name)
{
    char clock[256];
    snprintf(clock, sizeof(clock), "{\"source\": \"upstream\", \"server\": \"%s:%d\"}", name,
             UPSTREAM_PORT);
    time_server_up_with(clock, "");
}

/* RFC 6761, section 6.4: no name in "invalid" resolves. */
CLOCK_TEST(name_that_does_not_resolve_leaves_the_clock_unfit_and_the_server_running)
{
    start_with_name("upstream.invalid");
    server_await_log(&time_server,
                     "clock.unfit reason=\"the name of the upstream server does not resolve", 0);
    assert_unsynchronised();
}

/* Its name may have another address, and this host too. */
CLOCK_TEST(reload_connects_to_the_same_upstream_anew)
{
    start("");
    answer_and_await(&good, "clock.fit");
    union net_address before = answer(&good);
    size_t from = time_server.log_len;
    cr_assert_eq(kill(time_server.pid, SIGHUP), 0);
    server_await_log(&time_server, "config.reloaded", from);
    union net_address after;
    do {
        after = answer(&good);
    } while (address_equal(&before, &after)); /* asked before the reload */
    cr_assert_eq(told().stratum, 2);
}

/* RFC 5905, section 7.4. */
CLOCK_TEST(kisses_of_the_upstream_are_obeyed)
{
    const struct upstream rate = {.reference_id = UINT32_C(0x52415445)};
    const struct upstream deny = {.reference_id = UINT32_C(0x44454e59)};
    struct upstream forged = deny;
    forged.wrong_origin = true;
    start("");
    answer_and_await(&good, "clock.fit");
    answer(&forged);
    answer_and_await(&rate, "clock.kiss code=RATE");
    cr_assert_eq(told().stratum, 2, "it is asked less often, and its answers stay good");
    size_t from = server_log_end(&time_server);
    answer_and_await(&deny, "clock.unfit reason=\"the upstream server refuses");
    server_await_log(&time_server, "clock.kiss code=DENY", from);
    assert_unsynchronised();
}

/* The page has the sample that goes with the source in use, not with that of the start. */
CLOCK_TEST(metrics_follow_a_reload_to_another_source)
{
    char config[1024];
    size_t from;
    static struct http_answer page;
    time_server_up_with(FIXED_CLOCK, metrics_option());
    http_get(&page, "/metrics");
    cr_assert_null(strstr(page.body, "\nnts_time_clock_offset_seconds "));
    cr_assert_null(strstr(page.body, "\nnts_time_clock_offset_seconds 0"));

    snprintf(config, sizeof(config),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"clock\": {\"source\": "
             "\"upstream\", \"server\": \"%s:%d\"}%s}",
             fixture_ip, FIXTURE_NTP_PORT, fixture_ip, UPSTREAM_PORT, metrics_option());
    fixture_write(time_server.config_name, config);
    from = server_log_end(&time_server);
    cr_assert_eq(kill(time_server.pid, SIGHUP), 0);
    server_await_log(&time_server, "config.reloaded", from);
    AWAIT((answer_if_asked(&good), http_get(&page, "/metrics"),
           strstr(page.body, "\nnts_time_clock_offset_seconds ") != NULL),
          "%s", page.body);
    http_await("/metrics", 200, "\nnts_time_clock_fit 1\n");
}

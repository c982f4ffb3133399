/* The upstream server of the clock, which the test plays on loopback, and whose name the test
 * resolves. */
#include "time-server/clock/clock_source.h"

#include "base/clock_time.h"
#include "support/patience.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME      "upstream.test"
#define KISS_RATE UINT32_C(0x52415445)
#define KISS_DENY UINT32_C(0x44454e59)
#define KISS_RSTR UINT32_C(0x52535452)

static const struct clock_limits limits = {.max_root_distance_ns = NS_PER_S,
                                           .holdover_ns = 600 * NS_PER_S};

/* What NAME resolves to now; "": nothing. */
static _Atomic(const char *) name_is;

/* In the place of the C library's, which answers for all other names. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (node == NULL || strcmp(node, NAME) != 0) {
        return real(node, service, hints, found);
    }
    const char *text = atomic_load(&name_is);
    return text[0] == '\0' ? EAI_NONAME : real(text, service, hints, found);
}

static int peers[2]; /* at 127.0.0.1 and 127.0.0.2, with the same port */
static uint16_t port;
static struct clock_source source;

static int bind_peer(const char *ip)
{
    union net_address address;
    socklen_t len = sizeof(address);
    cr_assert(address_parse(&address, ip, 1));
    address.in.sin_port = htons(port);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &address.sa, address_len(&address)), 0);
    cr_assert_eq(getsockname(fd, &address.sa, &len), 0);
    port = address_port(&address);
    return fd;
}

static void open_peers(void)
{
    atomic_store(&name_is, "");
    port = 0;
    peers[0] = bind_peer("127.0.0.1");
    peers[1] = bind_peer("127.0.0.2");
}

static void close_all(void)
{
    clock_source_close(&source);
    close(peers[0]);
    close(peers[1]);
}

#define UPSTREAM_TEST(name)                                                                        \
    Test(clock_upstream, name, .init = open_peers, .fini = close_all, .timeout = TEST_TIMEOUT_S)

static void open_source(const char *host)
{
    char server[64];
    struct error error;
    snprintf(server, sizeof(server), "%s:%u", host, port);
    const struct clock_config config = {
        .source = CLOCK_UPSTREAM, .server = server, .max_offset_ms = 1000};
    cr_assert_eq(clock_source_open(&source, &config, &error), NTS_OK, "%s", error.text);
}

/* A request that has come. */
struct asked {
    struct ntp_header header;
    union net_address from;
};

static struct asked take_request(size_t peer)
{
    struct asked asked;
    uint8_t packet[NTP_HEADER_LEN];
    socklen_t len = sizeof(asked.from);
    cr_assert_eq(recvfrom(peers[peer], packet, sizeof(packet), 0, &asked.from.sa, &len),
                 NTP_HEADER_LEN);
    ntp_header_read(&asked.header, packet);
    cr_assert_eq(asked.header.mode, NTP_MODE_CLIENT);
    return asked;
}

static bool has_request(size_t peer)
{
    struct pollfd polled = {.fd = peers[peer], .events = POLLIN};
    return poll(&polled, 1, 0) > 0;
}

static void send_reply(size_t peer, const struct asked *asked, uint8_t stratum,
                       uint32_t reference_id)
{
    uint8_t packet[NTP_HEADER_LEN];
    uint64_t now = ntp_time_from_unix_ns(real_time_ns());
    const struct ntp_header header = {
        .version = 4,
        .mode = NTP_MODE_SERVER,
        .leap = stratum == 0 ? NTP_LEAP_UNSYNCHRONISED : NTP_LEAP_NONE,
        .stratum = stratum,
        .reference_id = reference_id,
        .reference_time = now,
        .origin_time = asked->header.transmit_time,
        .receive_time = now,
        .transmit_time = now,
    };
    ntp_header_write(packet, &header);
    cr_assert_eq(
        sendto(peers[peer], packet, sizeof(packet), 0, &asked->from.sa, address_len(&asked->from)),
        NTP_HEADER_LEN);
}

/* One request, answered; loopback delivers before sendto returns. */
static void ask_and_answer(uint8_t stratum, uint32_t reference_id)
{
    clock_source_tick(&source);
    struct asked asked = take_request(0);
    send_reply(0, &asked, stratum, reference_id);
    clock_source_receive(&source);
}

static void await_name(void)
{
    while (clock_source_is_resolving(&source)) {
        if (clock_source_wait(&source, NS_PER_S)) {
            clock_source_receive(&source);
        }
    }
}

static bool is_fit(void)
{
    return clock_is_fit(&source.status, &limits, real_time_ns());
}

/* --- names and sockets --- */

UPSTREAM_TEST(a_name_that_does_not_resolve_is_tried_again)
{
    open_source(NAME);
    clock_source_tick(&source);
    await_name();
    cr_assert_not_null(clock_source_name_trouble(&source));
    cr_assert_not_null(strstr(source.status.trouble, "does not resolve"));

    atomic_store(&name_is, "127.0.0.1");
    source.upstream.renew_at_ns = 0; /* as if the time had passed */
    clock_source_tick(&source);
    await_name();
    struct asked asked = take_request(0); /* with the address, it asks at once */
    send_reply(0, &asked, 1, 0);
    clock_source_receive(&source);
    cr_assert(is_fit());
}

UPSTREAM_TEST(a_server_that_is_silent_is_looked_up_anew)
{
    atomic_store(&name_is, "127.0.0.1");
    open_source(NAME);
    clock_source_tick(&source);
    await_name();
    struct asked asked = take_request(0);
    send_reply(0, &asked, 1, 0);
    clock_source_receive(&source);

    atomic_store(&name_is, "127.0.0.2");
    source.upstream.renew_at_ns = 0;
    for (int i = 0; i < CLOCK_MAX_SILENT; i++) {
        clock_source_tick(&source);
        cr_assert_not(clock_source_is_resolving(&source));
        (void)take_request(0);
    }
    clock_source_tick(&source);
    await_name();
    asked = take_request(1);
    send_reply(1, &asked, 1, 0);
    clock_source_receive(&source);
    cr_assert(is_fit());
    cr_assert_eq(source.status.reference_id, 0x7f000002);
}

UPSTREAM_TEST(attempts_come_further_apart_until_there_is_an_answer)
{
    open_source("127.0.0.1");
    int64_t last_ns = 0;
    for (int i = 0; i < 10; i++) {
        source.upstream.renew_at_ns = 0;
        source.upstream.num_silent = CLOCK_MAX_SILENT;
        clock_source_tick(&source);
        cr_assert_gt(source.upstream.renew_at_ns, 0);
        cr_assert_geq(source.upstream.retry_ns, last_ns);
        last_ns = source.upstream.retry_ns;
    }
    cr_assert_eq(last_ns, CLOCK_RETRY_MAX_NS);
    while (has_request(0)) {
        (void)take_request(0);
    }
    ask_and_answer(1, 0);
    cr_assert_eq(source.upstream.retry_ns, CLOCK_RETRY_MIN_NS);
}

UPSTREAM_TEST(a_socket_that_cannot_send_is_replaced)
{
    open_source("127.0.0.1");
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    cr_assert_geq(dup2(fd, source.upstream.fd), 0);
    close(fd);
    clock_source_tick(&source);
    ask_and_answer(1, 0);
    cr_assert(is_fit());
}

UPSTREAM_TEST(renewal_looks_up_and_connects_at_once)
{
    atomic_store(&name_is, "127.0.0.1");
    open_source(NAME);
    clock_source_tick(&source);
    await_name();
    (void)take_request(0);
    atomic_store(&name_is, "127.0.0.2");
    clock_source_renew(&source);
    await_name();
    (void)take_request(1);
}

UPSTREAM_TEST(an_address_that_can_never_be_asked_is_an_error)
{
    struct error error;
    const struct clock_config broadcast = {.source = CLOCK_UPSTREAM, .server = "255.255.255.255:9"};
    cr_assert_eq(clock_source_open(&source, &broadcast, &error), NTS_ERR_SYSTEM);
    cr_assert_not_null(strstr(error.text, "clock.server: 255.255.255.255:9: "));
    clock_source_close(&source);
    const struct clock_config no_form = {.source = CLOCK_UPSTREAM, .server = "[::1"};
    cr_assert_eq(clock_source_open(&source, &no_form, &error), NTS_ERR_CONFIG);
}

/* --- kisses --- */

UPSTREAM_TEST(rate_makes_requests_rarer_and_answers_bring_them_back)
{
    open_source("127.0.0.1");
    ask_and_answer(1, 0);
    for (int64_t expected_ns = 2 * NS_PER_S; expected_ns <= 2 * CLOCK_POLL_MAX_NS;
         expected_ns *= 2) {
        source.upstream.next_ask_ns = 0;
        ask_and_answer(0, KISS_RATE);
        cr_assert_eq(source.upstream.poll_ns,
                     expected_ns < CLOCK_POLL_MAX_NS ? expected_ns : CLOCK_POLL_MAX_NS);
        cr_assert(is_fit(), "what was known stays good");
    }
    clock_source_tick(&source);
    cr_assert_not(has_request(0), "not due for a minute");
    for (int64_t expected_ns = CLOCK_POLL_MAX_NS / 2; expected_ns >= CLOCK_POLL_MIN_NS;
         expected_ns /= 2) {
        for (int i = 0; i < CLOCK_ANSWERS_PER_STEP; i++) {
            cr_assert_eq(source.upstream.poll_ns, 2 * expected_ns);
            source.upstream.next_ask_ns = 0;
            ask_and_answer(1, 0);
        }
        cr_assert_eq(source.upstream.poll_ns, expected_ns);
    }
}

UPSTREAM_TEST(deny_and_rstr_end_the_requests_for_a_long_while)
{
    static const uint32_t codes[] = {KISS_DENY, KISS_RSTR};
    for (size_t i = 0; i < 2; i++) {
        open_source("127.0.0.1");
        ask_and_answer(0, codes[i]);
        cr_assert_not(is_fit());
        cr_assert_not_null(strstr(source.status.trouble, "refuses"));
        for (int j = 0; j < 2 * CLOCK_MAX_SILENT; j++) {
            clock_source_tick(&source);
        }
        cr_assert_not(has_request(0));
        source.upstream.renew_at_ns = 0; /* as if the time had passed */
        ask_and_answer(1, 0);
        cr_assert(is_fit());
        clock_source_close(&source);
    }
}

UPSTREAM_TEST(kisses_that_echo_another_request_do_not_count)
{
    open_source("127.0.0.1");
    clock_source_tick(&source);
    struct asked asked = take_request(0);
    asked.header.transmit_time ^= 1;
    send_reply(0, &asked, 0, KISS_DENY);
    send_reply(0, &asked, 0, KISS_RATE);
    clock_source_receive(&source);
    cr_assert_eq(source.upstream.poll_ns, CLOCK_POLL_MIN_NS);
    asked.header.transmit_time ^= 1;
    send_reply(0, &asked, 1, 0);
    clock_source_receive(&source);
    cr_assert(is_fit());
}

/* --- before a hand-over --- */

/* Answers every request at once, until the request after the last. */
static void *answer_all(void *argument)
{
    const uint8_t *stratum = argument;
    size_t num = 0;
    for (;; num++) {
        struct asked asked;
        uint8_t packet[NTP_HEADER_LEN];
        socklen_t len = sizeof(asked.from);
        if (recvfrom(peers[0], packet, sizeof(packet), 0, &asked.from.sa, &len) != NTP_HEADER_LEN) {
            return (void *)num; /* NOLINT(performance-no-int-to-ptr) */
        }
        ntp_header_read(&asked.header, packet);
        send_reply(0, &asked, *stratum, 0);
    }
}

static size_t count_requests(uint8_t stratum, bool should_become_fit)
{
    pthread_t thread;
    void *num;
    open_source("127.0.0.1");
    cr_assert_eq(pthread_create(&thread, NULL, answer_all, &stratum), 0);
    cr_assert_eq(clock_source_await_fit(&source, &limits, 2 * NS_PER_S) == NULL, should_become_fit);
    cr_assert_eq(send(source.upstream.fd, "end", 3, 0), 3);
    pthread_join(thread, &num);
    return (size_t)num;
}

UPSTREAM_TEST(waiting_for_the_clock_asks_at_a_bounded_pace)
{
    size_t num = count_requests(0, false);
    cr_assert_geq(num, 1);
    cr_assert_leq(num, 4 + 3, "asked %zu times in two seconds", num);
}

UPSTREAM_TEST(waiting_for_the_clock_ends_with_the_first_good_answer)
{
    cr_assert_eq(count_requests(1, true), 1);
}

UPSTREAM_TEST(waiting_for_a_server_that_refuses_ends_too)
{
    close(peers[0]);
    peers[0] = -1;
    open_source("127.0.0.1");
    cr_assert_not_null(clock_source_await_fit(&source, &limits, NS_PER_S));
}

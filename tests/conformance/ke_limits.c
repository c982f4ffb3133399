/* Bounds against abuse at the ke-server: budgets and lists of networks, seen from sources on
 * loopback. Beyond the conformance matrix. */
#include "ke_support.h"

#include "client/ke_tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMITED_IP "127.200.0.1"
#define OTHER_IP   "127.200.0.2"
#define EXEMPT_IP  "127.201.0.1"
#define REFUSED_IP "127.202.0.1"
#define BURST      5

#define LIMITS                                                                                     \
    ", \"rate_limit\": 1, \"rate_burst\": 5, \"exempt_networks\": [\"127.201.0.0/16\", "           \
    "\"127.0.0.1\"], \"refuse_networks\": [\"127.202.0.0/16\"]"

static void limits_up(void)
{
    ke_open_files();
    ke_start(LIMITS);
}

#define LIMIT_TEST(name)                                                                           \
    Test(ke_server, name, .init = limits_up, .fini = ke_close, .timeout = TEST_TIMEOUT_S)

static int connect_from(const char *source_ip)
{
    union net_address source;
    union net_address server;
    cr_assert(address_parse(&source, source_ip, 1));
    cr_assert(address_parse(&server, fixture_ip, FIXTURE_KE_PORT));
    source.in.sin_port = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &source.sa, address_len(&source)), 0);
    cr_assert_eq(connect(fd, &server.sa, address_len(&server)), 0, "%s", strerror(errno));
    return fd;
}

/* Whether the server keeps a connection: to who is not admitted it sends a reset, which comes
 * before an exempt client has had its answer. */
static bool is_admitted(int fd)
{
    char octet;
    ke_expect_ok15(NP AE EOM);
    ssize_t got = recv(fd, &octet, sizeof(octet), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        return true;
    }
    cr_assert_eq(got, -1, "a reset, not a close that leaves something behind");
    cr_assert_eq(errno, ECONNRESET);
    return false;
}

static size_t num_admitted(const char *source_ip, size_t num)
{
    int fds[64];
    size_t num_kept = 0;
    for (size_t i = 0; i < num; i++) {
        fds[i] = connect_from(source_ip);
    }
    for (size_t i = 0; i < num; i++) {
        num_kept += is_admitted(fds[i]) ? 1 : 0;
        close(fds[i]);
    }
    return num_kept;
}

LIMIT_TEST(source_over_its_budget_is_reset_before_tls)
{
    time_t since = time(NULL);
    size_t num = num_admitted(LIMITED_IP, 3 * BURST);
    cr_assert_geq(num, BURST);
    cr_assert_leq(num, BURST + (size_t)(time(NULL) - since) + 1);
    cr_assert_eq(num_admitted(OTHER_IP, BURST), BURST, "its neighbour has a budget of its own");
}

LIMIT_TEST(exempt_networks_are_served_and_refused_ones_are_not)
{
    cr_assert_eq(num_admitted(EXEMPT_IP, 3 * BURST), 3 * BURST);
    cr_assert_eq(num_admitted(REFUSED_IP, BURST), 0);
    cr_assert_eq(num_admitted("127.203.0.1", 1), 1, "next to the refused ones");
}

LIMIT_TEST(limits_change_by_reload)
{
    cr_assert_eq(num_admitted(REFUSED_IP, 1), 0);
    ke_configure(", \"refuse_networks\": [\"" LIMITED_IP "\"]");
    ke_reload("config.reloaded");
    cr_assert_eq(num_admitted(REFUSED_IP, 3 * BURST), 3 * BURST);
    cr_assert_eq(num_admitted(LIMITED_IP, 1), 0);
    ke_configure(", \"refuse_networks\": [\"::/0\"], \"exempt_networks\": [\"::/0\"]");
    ke_reload("config.refused");
    cr_assert_eq(num_admitted(LIMITED_IP, 1), 0, "what runs is kept");
}

LIMIT_TEST(held_off_sources_are_logged_without_their_addresses)
{
    size_t from = server_log_end(&ke_server);
    num_admitted(REFUSED_IP, 3);
    server_await_log(&ke_server, "sources.held_off over_budget=0 refused=", from);
    cr_assert_null(strstr(ke_server.log, "127.202."), "%s", ke_server.log);
    kill(ke_server.pid, SIGUSR1);
    server_await_log(&ke_server, "source_refused=3", from);
}

Test(ke_server, held_off_source_is_logged_as_its_network_when_asked_to, .init = ke_open_files,
     .fini = ke_close, .timeout = TEST_TIMEOUT_S)
{
    ke_start(LIMITS ", \"log_addresses\": \"prefix\"");
    num_admitted(REFUSED_IP, 3);
    server_await_log(&ke_server, "source=127.202.0.0/24\n", 0);
    cr_assert_null(strstr(ke_server.log, REFUSED_IP), "%s", ke_server.log);
}

Test(ke_server, wrong_limits_are_named, .init = ke_open_files, .fini = fixture_close,
     .timeout = TEST_TIMEOUT_S)
{
    static const struct {
        const char *option;
        const char *text;
    } wrong[] = {
        {"\"rate_limit\": 0.5", "rate_limit: got 0.5, expected an integer from 0 to 100000"},
        {"\"rate_burst\": 0", "rate_burst: got 0, expected an integer from 1 to 100000"},
        {"\"limit_prefix_ipv6\": 129",
         "limit_prefix_ipv6: got 129, expected an integer from 16 to 128"},
        {"\"handshake_patience_ms\": 9",
         "handshake_patience_ms: got 9, expected an integer from 10 to 60000"},
        {"\"refuse_networks\": [\"10.0.0.0/8\", \"fe80::%lo/64\"]",
         "refuse_networks[1]: got \"fe80::%lo/64\", expected a network like"},
        {"\"refuse_networks\": [\"10.0.0.0/8\"], \"exempt_networks\": [\"10.0.0.0/8\"]",
         "c.json: refuse_networks: got \"10.0.0.0/8\", expected no network that is in "
         "exempt_networks too"},
        {"\"log_addresses\": true",
         "log_addresses: got true, expected one of \"none\", \"prefix\", "
         "\"full\""},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char config[512];
        snprintf(config, sizeof(config),
                 "{\"certificate\": \"server.crt\", \"private_key\": \"server.key\", \"keyring\": "
                 "\"keyring.json\", %s}",
                 wrong[i].option);
        fixture_write("c.json", config);
        fixture_assert_run("nts-ke-server", "--config c.json --check", 1, wrong[i].text);
        fixture_assert_run("nts-ke-server", "--config c.json", 1, wrong[i].text);
    }
}

/* --- handshakes that come late --- */

/* The ClientHello of a client, in octets. */
static size_t client_hello(uint8_t *hello, size_t capacity)
{
    SSL_CTX *context;
    struct error error;
    struct ke_connection_options options = ke_options();
    cr_assert_eq(ke_tls_context_create(&context, &options, &error), NTS_OK, "%s", error.text);
    SSL *ssl = SSL_new(context);
    BIO *output = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), output);
    SSL_set_connect_state(ssl);
    cr_assert_eq(SSL_get_error(ssl, SSL_do_handshake(ssl)), SSL_ERROR_WANT_READ);
    int len = BIO_read(output, hello, (int)capacity);
    cr_assert_gt(len, 0);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return (size_t)len;
}

/* Sends a ClientHello to a server that is stopped meanwhile, as one that has too much to do would
 * be: it waits in the backlog, for 200 ms at least. */
static int say_hello_in_vain(bool leaves)
{
    uint8_t hello[4096];
    size_t len = client_hello(hello, sizeof(hello));
    int status;
    kill(ke_server.pid, SIGSTOP);
    cr_assert_eq(waitpid(ke_server.pid, &status, WUNTRACED), ke_server.pid);
    int fd = ke_tcp_open();
    cr_assert_eq(send(fd, hello, len, MSG_NOSIGNAL), (ssize_t)len);
    if (leaves) {
        shutdown(fd, SHUT_WR);
    }
    usleep(200000);
    kill(ke_server.pid, SIGCONT);
    return fd;
}

/* Waits for the server to answer or to send away; true if it answers. */
static bool is_answered(int fd)
{
    char octets[8192];
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1);
    ssize_t got = recv(fd, octets, sizeof(octets), 0);
    cr_assert(got > 0 || errno == ECONNRESET, "a reset, if anything");
    close(fd);
    return got > 0;
}

static void assert_counted(const char *text)
{
    size_t from = server_log_end(&ke_server);
    kill(ke_server.pid, SIGUSR1);
    server_await_log(&ke_server, text, from);
}

#define LATE_TEST(name)                                                                            \
    Test(ke_server, name, .init = ke_open_files, .fini = ke_close, .timeout = TEST_TIMEOUT_S)

LATE_TEST(client_that_has_waited_for_too_long_is_sent_away)
{
    ke_start(", \"handshake_patience_ms\": 20");
    cr_assert_not(is_answered(say_hello_in_vain(false)));
    assert_counted("shed=1");
    ke_await_service();
}

LATE_TEST(client_that_can_still_wait_is_served_late)
{
    ke_start(", \"handshake_patience_ms\": 60000");
    cr_assert(is_answered(say_hello_in_vain(false)));
}

LATE_TEST(client_that_has_given_up_meanwhile_costs_no_handshake)
{
    ke_start(", \"handshake_patience_ms\": 60000");
    cr_assert_not(is_answered(say_hello_in_vain(true)));
    assert_counted("given_up=1");
}

LATE_TEST(patience_changes_by_reload)
{
    ke_start(", \"handshake_patience_ms\": 60000");
    ke_configure(", \"handshake_patience_ms\": 20");
    ke_reload("config.reloaded");
    ke_await_service(); /* the worker has the settings when this is through */
    cr_assert_not(is_answered(say_hello_in_vain(false)));
}

/* The life of a time server: command line, configuration, reload, key rotation, transports. */
#include "ntp_support.h"

#include <signal.h>
#include <stdio.h>
#include <sys/timex.h>
#include <unistd.h>

static void open_files(void)
{
    const struct master_key_spec specs[] = {
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -2000, 10000),
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000),
    };
    fixture_open();
    fixture_write_keyring(1, specs, 2);
}

#define LIFE_TEST(name, init_function, fini_function)                                              \
    Test(time_server, name, .init = init_function, .fini = fini_function, .timeout = TEST_TIMEOUT_S)

LIFE_TEST(command_line_is_strict, fixture_open, fixture_close)
{
    fixture_assert_run("nts-time-server", "--frob", 2, "--frob");
    fixture_assert_run("nts-time-server", "", 2, "--config FILE is needed");
    fixture_assert_run("nts-time-server", "--config a b", 2, "unexpected argument 'b'");
    fixture_assert_run("nts-time-server", "--help", 0, "--check");
    fixture_assert_run("nts-time-server", "--version", 0, "BoringSSL");
    fixture_assert_run("nts-time-server", "--options", 0, "`plain_ntp`");
}

LIFE_TEST(configuration_errors_say_what_and_where, open_files, fixture_close)
{
    static const struct {
        const char *json;
        const char *text;
    } wrong[] = {
        {"{\"keyring\":\"keyring.json\"}", "c.json: clock: got nothing, expected a value"},
        {"{\"clock\":" FIXED_CLOCK "}", "c.json: keyring: got nothing, expected a value"},
        {"{\"keyring\":\"keyring.json\",\"clock\":" FIXED_CLOCK ",\"plain\":true}",
         "c.json: plain: got true, expected no such key"},
        {"{\"keyring\":\"keyring.json\",\"clock\":" FIXED_CLOCK
         ",\"handover\":\"/a-directory-with-a-name-so-long-that-no-Unix-socket-can-have-its-address"
         "-in-it-and-more-than-that/time.sock\"}",
         "expected a name that fits into the address of a Unix socket, 107 octets"},
        {"{\"keyring\":\"keyring.json\",\"clock\":{\"source\":\"sundial\"}}",
         "c.json: clock.source: got \"sundial\", expected one of \"upstream\", \"kernel\", "
         "\"fixed\""},
        {"{\"keyring\":\"keyring.json\",\"clock\":{\"source\":\"fixed\",\"stratum\":16,"
         "\"reference_id\":\"GPS\"}}",
         "c.json: clock.stratum: got 16, expected an integer from 1 to 15"},
        {"{\"keyring\":\"keyring.json\",\"clock\":{\"source\":\"fixed\",\"stratum\":1,"
         "\"reference_id\":\"LOCAL\"}}",
         "c.json: clock.reference_id: got \"LOCAL\", expected one to four characters"},
        {"{\"keyring\":\"keyring.json\",\"clock\":{\"source\":\"kernel\"}}",
         "c.json: clock: got {\"source\":\"kernel\"}, expected \"stratum\" and \"reference_id\""},
        {"{\"keyring\":\"keyring.json\",\"clock\":{\"source\":\"upstream\"}}",
         "c.json: clock: got {\"source\":\"upstream\"}, expected \"server\""},
        {"{\"keyring\":\"keyring.json\",\"listen\":[\"localhost\"],\"clock\":" FIXED_CLOCK "}",
         "c.json: listen[0]: got \"localhost\", expected an address"},
        {"{\"keyring\":\"none.json\",\"clock\":" FIXED_CLOCK "}", "none.json: cannot open"},
        {"{\"keyring\":\"keyring.json\",\"seccomp\":true,\"clock\":" FIXED_CLOCK "}",
         "c.json: seccomp: got true, expected one of \"enforce\", \"log\", \"off\""},
        {"{\"keyring\":\"${CREDENTIALS_DIRECTORY}/k\",\"clock\":" FIXED_CLOCK "}",
         "c.json: keyring: got \"${CREDENTIALS_DIRECTORY}/k\", expected a service manager"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fixture_write("c.json", wrong[i].json);
        fixture_assert_run("nts-time-server", "--config c.json --check", 1, wrong[i].text);
        fixture_assert_run("nts-time-server", "--config c.json", 1, wrong[i].text);
    }
    char config[256];
    snprintf(config, sizeof(config),
             "{\"listen\":[\"%s:%d\"],\"keyring\":\"keyring.json\",\"clock\":" FIXED_CLOCK "}",
             fixture_ip, FIXTURE_NTP_PORT);
    fixture_write("c.json", config);
    fixture_assert_run("nts-time-server", "--config c.json --check", 0, "check.passed");
}

LIFE_TEST(check_wants_a_key_that_can_seal, open_files, fixture_close)
{
    const struct master_key_spec upcoming =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, 1000, 2000);
    fixture_write_keyring(2, &upcoming, 1);
    fixture_write("c.json", "{\"keyring\":\"keyring.json\",\"clock\":" FIXED_CLOCK "}");
    fixture_assert_run("nts-time-server", "--config c.json --check", 1, "no key is active now");
}

LIFE_TEST(port_that_is_taken_is_named, open_files, fixture_close)
{
    char config[256];
    union net_address address;
    cr_assert(address_parse(&address, fixture_ip, FIXTURE_NTP_PORT));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert_eq(bind(fd, &address.sa, address_len(&address)), 0);
    snprintf(config, sizeof(config),
             "{\"listen\":[\"%s:%d\"],\"keyring\":\"keyring.json\",\"clock\":" FIXED_CLOCK "}",
             fixture_ip, FIXTURE_NTP_PORT);
    fixture_write("c.json", config);
    fixture_assert_run("nts-time-server", "--config c.json", 1, "Address already in use");
    close(fd);
}

/* SO_REUSEPORT would let two farms mix in silence. */
LIFE_TEST(sharing_an_address_with_another_process_is_warned_of, time_server_up, time_server_down)
{
    struct server_process second;
    char config[256];
    cr_assert_null(strstr(time_server.log, "listen.shared"), "alone: %s", time_server.log);
    snprintf(config, sizeof(config),
             "{\"listen\":[\"%s:%d\"],\"keyring\":\"keyring.json\",\"clock\":" FIXED_CLOCK "}",
             fixture_ip, FIXTURE_NTP_PORT);
    server_start(&second, "nts-time-server", config, "time.ready");
    cr_assert_not_null(strstr(second.log, "listen.shared"), "%s", second.log);
    server_stop(&second);
}

static void rewrite_config(const char *more)
{
    char config[512];
    snprintf(config, sizeof(config),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"workers\": 1, "
             "\"transport\": \"%s\", \"clock\": " FIXED_CLOCK "%s}",
             fixture_ip, FIXTURE_NTP_PORT, fixture_transport(), more);
    fixture_write(time_server.config_name, config);
}

static void reload(const char *text)
{
    size_t from = server_log_end(&time_server);
    kill(time_server.pid, SIGHUP);
    server_await_log(&time_server, text, from);
}

/* Receives one datagram; the server must not stay silent. */
static size_t receive_one(uint8_t *data, size_t capacity)
{
    ssize_t len = recv(ntp_fd, data, capacity, 0);
    cr_assert_gt(len, 0);
    return (size_t)len;
}

LIFE_TEST(reload_switches_plain_ntp_off_and_on, time_server_up, time_server_down)
{
    struct session_keys keys = session_keys_of(15);
    struct packet plain = {0};
    struct packet nts = query(&keys, 0);
    struct packet reply;
    put_header(&plain);
    rewrite_config(", \"plain_ntp\": false");
    reload("config.reloaded");
    cr_assert_eq(send(ntp_fd, plain.data, plain.len, 0), (ssize_t)plain.len);
    cr_assert_eq(send(ntp_fd, nts.data, nts.len, 0), (ssize_t)nts.len);
    reply.len = receive_one(reply.data, sizeof(reply.data));
    open_reply(&nts, &reply, &keys); /* the first answer is to the second question */
    rewrite_config("");
    reload("config.reloaded");
    assert_nts(&nts, &keys, 1);
}

LIFE_TEST(reload_keeps_what_runs_when_the_file_is_wrong, time_server_up, time_server_down)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    rewrite_config(", \"plain_ntp\": 7");
    reload("plain_ntp: got 7, expected true or false");
    assert_nts(&p, &keys, 1);
    rewrite_config(", \"receive_buffer_kib\": 64, \"handover\": \"time.sock\"");
    reload("config.needs_restart option=handover");
    assert_nts(&p, &keys, 1);
}

static unsigned told_stratum(void)
{
    struct packet p = {0};
    put_header(&p);
    const struct packet reply = ask(&p);
    struct ntp_header header = header_of(&reply);
    cr_assert_eq(header.leap, NTP_LEAP_NONE);
    return header.stratum;
}

static void reload_clock(const char *clock, const char *text)
{
    char config[512];
    snprintf(config, sizeof(config),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"workers\": 1, "
             "\"transport\": \"%s\", \"clock\": %s}",
             fixture_ip, FIXTURE_NTP_PORT, fixture_transport(), clock);
    fixture_write(time_server.config_name, config);
    reload(text);
}

LIFE_TEST(reload_changes_the_clock_source, time_server_up, time_server_down)
{
    cr_assert_eq(told_stratum(), 1);
    reload_clock("{\"source\": \"fixed\", \"stratum\": 7, \"reference_id\": \"GPS\"}",
                 "config.reloaded");
    cr_assert_eq(told_stratum(), 7);
    /* No socket is connected to a broadcast address without asking for it. */
    reload_clock("{\"source\": \"upstream\", \"server\": \"255.255.255.255:9\"}",
                 "config.refused reason=\"clock.server: 255.255.255.255:9: ");
    cr_assert_eq(told_stratum(), 7);
    /* Until the new source is heard, what the old one knew is good, as long as it would have been.
     */
    reload_clock("{\"source\": \"upstream\", \"server\": \"127.0.0.1:9\"}", "config.reloaded");
    cr_assert_eq(told_stratum(), 7);
    reload_clock("{\"source\": \"fixed\", \"stratum\": 2, \"reference_id\": \"GPS\"}",
                 "config.reloaded");
    cr_assert_eq(told_stratum(), 2);
}

LIFE_TEST(reload_names_every_option_that_needs_a_restart, time_server_up, time_server_down)
{
    size_t from = server_log_end(&time_server);
    char config[512];
    snprintf(config, sizeof(config),
             "{\"listen\": [\"%s:4124\"], \"keyring\": \"keyring.json\", \"workers\": 3, "
             "\"handover\": \"time.sock\", \"receive_buffer_kib\": 64, \"clock\": " FIXED_CLOCK "}",
             fixture_ip);
    fixture_write(time_server.config_name, config);
    reload("config.reloaded");
    static const char *const options[] = {"listen", "workers", "handover"};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "config.needs_restart option=%s effect=", options[i]);
        cr_assert_not_null(strstr(time_server.log + from, text), "%s", options[i]);
    }
    cr_assert_null(strstr(time_server.log + from, "option=receive_buffer_kib"));
    cr_assert_null(strstr(time_server.log + from, "option=clock"));
}

/* A request with a cookie under the given key. */
static struct packet query_under(const struct session_keys *keys, uint32_t id)
{
    struct master_key_spec spec = fixture_spec(id, KEY_LAYOUT_CHRONY_SIV, 0, 1);
    struct packet p = {0};
    put_header(&p);
    put_unique_id(&p, 32);
    put_cookie_of(&p, keys, &spec);
    put_authenticator(&p, keys);
    return p;
}

/* Row CK-06, the time server's side. */
Test(conformance, CK_06_old_keys_open_until_they_are_dropped_new_cookies_are_under_the_new_key,
     .init = time_server_up, .fini = time_server_down, .timeout = TEST_TIMEOUT_S)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query_under(&keys, FIXTURE_OLD_KEY);
    struct nts_reply reply = assert_nts(&p, &keys, 1);
    cr_assert_eq(load_u32(reply.cookies[0]), FIXTURE_NEW_KEY);

    const struct master_key_spec rotated[] = {
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000),
        fixture_spec(0xcccc0002, KEY_LAYOUT_CHRONY_SIV, -1, 10000),
    };
    size_t from = server_log_end(&time_server);
    fixture_write_keyring(2, rotated, 2);
    server_await_log(&time_server, "keyring.loaded generation=2 keys=2 active=cccc0002", from);
    assert_nak(&p);
    p = query_under(&keys, FIXTURE_NEW_KEY);
    reply = assert_nts(&p, &keys, 1);
    cr_assert_eq(load_u32(reply.cookies[0]), 0xcccc0002);
}

LIFE_TEST(bad_keyring_is_refused_and_the_keys_stay, time_server_up, time_server_down)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    size_t from = server_log_end(&time_server);
    fixture_write("keyring.json", "{\"format\": \"nts-keyring/1\", \"generation\": 2, \"keys\"");
    server_await_log(&time_server, "keyring.refused", from);
    assert_nts(&p, &keys, 1);
    from = server_log_end(&time_server);
    unlink(fixture_path("keyring.json"));
    server_await_log(&time_server, "keyring.refused", from);
    assert_nts(&p, &keys, 1);
    const struct master_key_spec spec =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000);
    from = server_log_end(&time_server);
    fixture_write_keyring(7, &spec, 1);
    server_await_log(&time_server, "keyring.loaded generation=7", from);
    from = server_log_end(&time_server);
    fixture_write_keyring(6, &spec, 1);
    server_await_log(&time_server, "generation is 6, expected at least 7", from);
    assert_nts(&p, &keys, 1);
}

LIFE_TEST(root_is_given_up_for_the_configured_user, open_files, time_server_down)
{
    const struct master_key_spec spec =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000);
    struct session_keys keys = session_keys_of(15);
    fixture_give_to_nobody();
    time_server_up_with(FIXED_CLOCK, ", \"user\": \"nobody\"");
    server_assert_is_nobody(&time_server);
    cr_assert_null(strstr(time_server.log, "privileges.root"));
    struct packet p = query(&keys, 0);
    assert_nts(&p, &keys, 1);
    fixture_write_keyring(2, &spec, 1); /* of root: what the user cannot read is refused */
    server_await_log(&time_server, "keyring.refused", 0);
    assert_nts(&p, &keys, 1);
}

LIFE_TEST(user_that_is_unknown_is_an_error, open_files, fixture_close)
{
    fixture_write("c.json", "{\"keyring\":\"keyring.json\",\"listen\":[\"127.0.0.1:50124\"],"
                            "\"user\":\"no-such-user\",\"clock\":" FIXED_CLOCK "}");
    fixture_assert_run("nts-time-server", "--config c.json", 1,
                       "user: got \"no-such-user\", expected a user of this system");
}

/* Activation is a matter of time, not of a reload. */
LIFE_TEST(upcoming_key_takes_over_when_its_time_comes, open_files, time_server_down)
{
    const struct master_key_spec specs[] = {
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -2000, 10000),
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, 2, 10000),
    };
    struct session_keys keys = session_keys_of(30);
    fixture_write_keyring(2, specs, 2);
    time_server_up_with(FIXED_CLOCK, "");
    struct packet p = query_under(&keys, FIXTURE_NEW_KEY); /* another node may be ahead */
    struct nts_reply reply;
    do {
        reply = assert_nts(&p, &keys, 1);
        usleep(20000);
    } while (load_u32(reply.cookies[0]) == FIXTURE_OLD_KEY);
    cr_assert_eq(load_u32(reply.cookies[0]), FIXTURE_NEW_KEY);
}

LIFE_TEST(without_io_uring_it_falls_back_with_one_warning, open_files, time_server_down)
{
    char config[512];
    struct session_keys keys = session_keys_of(15);
    fixture_forbid_io_uring();
    snprintf(config, sizeof(config),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"workers\": 2, "
             "\"clock\": " FIXED_CLOCK "}",
             fixture_ip, FIXTURE_NTP_PORT);
    server_start(&time_server, "nts-time-server", config, "time.ready");
    const char *warning = strstr(time_server.log, "transport.fallback");
    cr_assert_not_null(warning, "%s", time_server.log);
    cr_assert_null(strstr(warning + 1, "transport.fallback"), "one warning, not one per worker");
    cr_assert_not_null(strstr(time_server.log, "io_uring is not permitted here"));
    cr_assert_not_null(strstr(time_server.log, "transport=recvmmsg"));
    ntp_fd = udp_connect(fixture_ip, FIXTURE_NTP_PORT, 0);
    struct packet p = query(&keys, 7);
    assert_nts(&p, &keys, 8);
}

LIFE_TEST(io_uring_that_was_asked_for_must_be_had, open_files, fixture_close)
{
    fixture_forbid_io_uring();
    fixture_write("c.json", "{\"keyring\":\"keyring.json\",\"listen\":[\"127.0.0.1:50123\"],"
                            "\"transport\":\"io_uring\",\"clock\":" FIXED_CLOCK "}");
    fixture_assert_run("nts-time-server", "--config c.json", 1, "io_uring is not permitted here");
}

/* The kernel's clock discipline is whatever it is on this machine: the server must say the same. */
LIFE_TEST(kernel_clock_is_told_as_the_kernel_tells_it, open_files, time_server_down)
{
    struct timex timex = {.modes = 0};
    time_server_up_with("{\"source\": \"kernel\", \"stratum\": 2, \"reference_id\": \"192.0.2.1\"}",
                        "");
    bool is_synchronised = ntp_adjtime(&timex) != TIME_ERROR;
    struct packet p = {0};
    put_header(&p);
    struct packet reply = ask(&p);
    struct ntp_header header = header_of(&reply);
    if (is_synchronised && timex.maxerror < 1000000) {
        cr_assert_eq(header.stratum, 2);
        cr_assert_eq(header.reference_id, 0xc0000201);
    } else {
        cr_assert_eq(header.leap, 3);
        cr_assert_eq(header.stratum, 0);
    }
}

/* Beyond the conformance matrix: how nts-ke-server starts, reloads and stops. */
#include "ke_support.h"

#include <errno.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIFE_TEST(name, open)                                                                      \
    Test(ke_server, name, .init = open, .fini = ke_close, .timeout = TEST_TIMEOUT_S)

/* --- reload --- */

/* Reads a file of the directory. */
static void read_file(char *text, size_t size, const char *name)
{
    FILE *file = fopen(fixture_path(name), "r");
    cr_assert_not_null(file);
    size_t len = fread(text, 1, size - 1, file);
    fclose(file);
    text[len] = '\0';
}

/* One exchange with a server whose certificate must be the one in `name`. */
static void assert_served_with(const char *name)
{
    struct ke_connection_options options = ke_options();
    char path[128];
    snprintf(path, sizeof(path), "%s", fixture_path(name));
    options.ca_file = path;
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, &options);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
}

/* Keeps the certificate of the running server as old.crt. */
static void keep_certificate(void)
{
    char text[8192];
    read_file(text, sizeof(text), "server.crt");
    fixture_write("old.crt", text);
}

/* A reload that must be refused, for a reason with this text in it, and change nothing. */
static void assert_refused(const char *reason)
{
    size_t from = server_log_end(&ke_server);
    ke_reload("config.refused");
    server_await_log(&ke_server, reason, from);
    assert_served_with("old.crt");
}

LIFE_TEST(ke_reload_serves_a_new_certificate, ke_open)
{
    keep_certificate();
    assert_served_with("old.crt");
    ke_replace_certificate();
    assert_served_with("server.crt");

    /* And only that one: the old certificate does not vouch for the new. */
    struct ke_connection_options options = ke_options();
    struct ke_connection connection;
    struct error error;
    char path[128];
    snprintf(path, sizeof(path), "%s", fixture_path("old.crt"));
    options.ca_file = path;
    cr_assert_eq(ke_connection_open(&connection, &options, deadline_in_ms(PATIENCE_MS), &error),
                 NTS_ERR_TLS);
    ke_connection_close(&connection);
}

LIFE_TEST(ke_reload_keeps_the_certificate_if_the_new_one_is_broken, ke_open)
{
    keep_certificate();
    fixture_write("server.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    assert_refused("server.crt: expected a certificate chain in PEM");
    cr_assert_eq(unlink(fixture_path("server.crt")), 0);
    assert_refused("server.crt: cannot open");
    ke_replace_certificate();
    assert_served_with("server.crt");
}

LIFE_TEST(ke_reload_keeps_the_certificate_if_the_key_is_broken, ke_open)
{
    char key[8192];
    keep_certificate();
    read_file(key, sizeof(key), "server.key");
    fixture_write_certificate();
    fixture_write("server.key", key);
    assert_refused("does not belong to");
    fixture_write("server.key", "no key");
    assert_refused("server.key: expected a private key in PEM");
    cr_assert_eq(chmod(fixture_path("server.key"), 0644), 0);
    assert_refused("server.key: mode is 0644");
}

LIFE_TEST(ke_reload_keeps_the_configuration_if_the_new_one_is_wrong, ke_open)
{
    keep_certificate();
    fixture_write(ke_server.config_name, "{");
    assert_refused("not JSON");
    ke_configure(", \"time_servers\": [{\"name\": \"192.0.2.7\", \"prot\": 124}]");
    assert_refused("time_servers[0].prot");
    ke_configure(", \"time_servers\": [{\"name\": \"192.0.2.7\"}]");
    ke_reload("config.reloaded");
    ke_agree(NP AE EOM, OK15 "800600093139322e302e322e37");
}

LIFE_TEST(ke_reload_tells_what_needs_a_restart, ke_open)
{
    ke_configure(", \"max_connections\": 7");
    ke_reload("config.needs_restart option=max_connections");
    ke_expect_ok15(NP AE EOM);
}

LIFE_TEST(ke_reload_keeps_the_keyring_if_the_new_one_is_broken, ke_open)
{
    size_t from = server_log_end(&ke_server);
    fixture_write("keyring.json", "{}");
    server_await_log(&ke_server, "keyring.refused", from);
    ke_expect_ok15(NP AE EOM);
}

LIFE_TEST(ke_reload_does_not_disturb_who_is_being_served, ke_open)
{
    struct ke_dialog dialog;
    int silent = ke_tcp_open();
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, NP);
    ke_replace_certificate();
    ke_dialog_send(&dialog, AE EOM);
    ke_dialog_agree(&dialog, OK15);
    close(silent);
}

LIFE_TEST(root_is_given_up_for_the_configured_user, ke_open_files)
{
    fixture_give_to_nobody();
    ke_start(", \"user\": \"nobody\"");
    server_assert_is_nobody(&ke_server);
    ke_expect_ok15(NP AE EOM);
}

/* --- the command line --- */

static void assert_run(const char *arguments, int exit_status, const char *text)
{
    fixture_assert_run("nts-ke-server", arguments, exit_status, text);
}

LIFE_TEST(command_line_is_strict, ke_open_files)
{
    assert_run("--frob", 2, "--frob");
    assert_run("--config", 2, "argument");
    assert_run("", 2, "--config FILE is needed");
    assert_run("--config a.json b.json", 2, "unexpected argument 'b.json'");
    assert_run("--help", 0, "--check");
    assert_run("--version", 0, "BoringSSL");
    assert_run("--options", 0, "`deadline_ms`");
}

#define FILES                                                                                      \
    "\"certificate\":\"server.crt\",\"private_key\":\"server.key\",\"keyring\":\"keyring.json\""

#define KEYRING "\"keyring\":\"keyring.json\""
#define PAIR    "{\"certificate\":\"server.crt\",\"private_key\":\"server.key\"}"

/* Configurations that are wrong, and what is said: file, key, value, what was expected. */
static const struct {
    const char *json;
    const char *text;
} wrong[] = {
    {"{" FILES ",\"lisen\":[]}", "c.json: lisen: got [], expected no such key: it is unknown here"},
    {"{" FILES ",\"workers\":\"four\"}",
     "c.json: workers: got \"four\", expected an integer from 0 to 1024"},
    {"{" FILES ",\"workers\":1.5}", "c.json: workers: got 1.5, expected an integer from 0 to 1024"},
    {"{" FILES ",\"workers\":-1}", "c.json: workers: got -1, expected an integer from 0 to 1024"},
    {"{" FILES ",\"workers\":null}", "c.json: workers: got null, expected an integer from 0"},
    {"{" FILES ",\"deadline_ms\":99}",
     "c.json: deadline_ms: got 99, expected an integer from 100 to 60000"},
    {"{" FILES ",\"listen\":[]}", "c.json: listen: got [], expected an array of 1 to 64 elements"},
    {"{" FILES ",\"listen\":\"127.0.0.1:4460\"}",
     "c.json: listen: got \"127.0.0.1:4460\", expected an array of 1 to 64 elements"},
    {"{" FILES ",\"listen\":[\"127.0.0.1:4460\",\"localhost:4460\"]}",
     "c.json: listen[1]: got \"localhost:4460\", expected an address like"},
    {"{" FILES ",\"listen\":[\"127.0.0.1:65536\"]}",
     "c.json: listen[0]: got \"127.0.0.1:65536\", expected an address like"},
    {"{\"private_key\":\"server.key\",\"keyring\":\"keyring.json\"}",
     "c.json: certificate: got nothing, expected a value"},
    {"{" FILES ",\"aead\":[30,15,14]}", "c.json: aead[2]: got 14, expected one of 15, 16, 17, 30"},
    {"{" FILES ",\"aead\":[30]}", "c.json: aead: got [30], expected a list with 15 in it"},
    {"{" FILES ",\"aead\":[15,15]}", "c.json: aead: got [15,15], expected each number once"},
    {"{" FILES ",\"aead_order\":\"any\"}",
     "c.json: aead_order: got \"any\", expected one of \"client\", \"server\""},
    {"{" FILES ",\"seccomp\":\"strict\"}",
     "c.json: seccomp: got \"strict\", expected one of \"enforce\", \"log\", \"off\""},
    {"{" FILES ",\"time_servers\":[{\"port\":123}]}",
     "c.json: time_servers[0].name: got nothing, expected a value"},
    {"{" FILES ",\"time_servers\":[{\"name\":\"[::1]\"}]}",
     "c.json: time_servers[0].name: got \"[::1]\", expected an IPv4 or IPv6 address without"},
    {"{" FILES ",\"time_servers\":[{\"name\":\"ntp.example.\"}]}",
     "c.json: time_servers[0].name: got \"ntp.example.\", expected an IPv4"},
    {"{" FILES ",\"time_servers\":[{\"name\":\"a\"},{\"name\":\"b\",\"port\":0}]}",
     "c.json: time_servers[1].port: got 0, expected an integer from 1 to 65535"},
    {"{" FILES ",\"time_servers\":[{\"name\":\"a\",\"weight\":0}]}",
     "c.json: time_servers[0].weight: got 0, expected an integer from 1 to 1000000"},
    {"{" FILES ",\"time_servers\":[{\"name\":\"::1\",\"family\":\"ipv4\"}]}",
     "expected a family that is the one of the address"},
    {"{" FILES ",\"watch_interval_s\":-1}",
     "c.json: watch_interval_s: got -1, expected an integer from 0 to 3600"},
    {"{" FILES ",\"watch_interval_s\":0.5}",
     "c.json: watch_interval_s: got 0.5, expected an integer from 0 to 3600"},
    {"{" FILES ",\"watch_timeout_ms\":0}",
     "c.json: watch_timeout_ms: got 0, expected an integer from 10 to 10000"},
    {"{" FILES ",\"watch_max_offset_ms\":\"1 s\"}",
     "c.json: watch_max_offset_ms: got \"1 s\", expected an integer from 0 to 3600000"},
    {"{" FILES ",\"watch_key_grace_s\":864001}",
     "c.json: watch_key_grace_s: got 864001, expected an integer from 0 to 864000"},
    {"{" FILES ",\"time_servers\":[{\"name\":\"a.example\"},{\"name\":\"A.example\"}]}",
     "expected each name and port once"},
    {"{" KEYRING "}", "c.json: certificate: got nothing, expected a value, or a list of"},
    {"{" KEYRING ",\"certificate\":\"server.crt\"}",
     "c.json: private_key: got nothing, expected a value: it goes with \"certificate\""},
    {"{" KEYRING ",\"private_key\":\"server.key\"}",
     "c.json: certificate: got nothing, expected a value, or a list of"},
    {"{" FILES ",\"certificates\":[" PAIR "]}",
     "c.json: certificates: got a list, expected either that or \"certificate\" with"},
    {"{" KEYRING ",\"private_key\":\"server.key\",\"certificates\":[" PAIR "]}",
     "c.json: certificates: got a list, expected either that or \"certificate\" with"},
    {"{" KEYRING ",\"certificates\":[]}",
     "c.json: certificates: got [], expected an array of 1 to 64 elements"},
    {"{" KEYRING ",\"certificates\":[" PAIR ",{\"certificate\":\"server.crt\"}]}",
     "c.json: certificates[1].private_key: got nothing, expected a value"},
    {"{" KEYRING ",\"certificates\":[\"server.crt\"]}",
     "c.json: certificates[0]: got \"server.crt\", expected an object"},
    {"{" FILES ",\"workers\":1,\"workers\":2}", "c.json:1:"},
    {"{", "c.json:1:"},
    {"{\"certificate\":\"none.crt\",\"private_key\":\"server.key\",\"keyring\":\"keyring.json\"}",
     "none.crt: cannot open: No such file"},
    {"{\"certificate\":\"server.crt\",\"private_key\":\"none.key\",\"keyring\":\"keyring.json\"}",
     "none.key: cannot open: No such file"},
    {"{\"certificate\":\"server.crt\",\"private_key\":\"server.key\",\"keyring\":\"none.json\"}",
     "none.json: cannot open: No such file"},
    {"{\"certificate\":\"server.crt\",\"private_key\":\"other.key\",\"keyring\":\"keyring.json\"}",
     "other.key: the key does not belong to"},
};

/* server.key becomes other.key, and there is a new pair. */
static void make_other_key(void)
{
    char key[8192];
    read_file(key, sizeof(key), "server.key");
    fixture_write("other.key", key);
    fixture_write_certificate();
}

LIFE_TEST(wrong_configuration_names_file_key_value_and_expectation, ke_open_files)
{
    make_other_key();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fixture_write("c.json", wrong[i].json);
        assert_run("--check --config c.json", 1, wrong[i].text);
        assert_run("--config c.json", 1, wrong[i].text);
    }
    assert_run("--config none.json", 1, "none.json: cannot open: No such file");
}

LIFE_TEST(check_accepts_what_would_start, ke_open_files)
{
    char config[256];
    snprintf(config, sizeof(config), "{" FILES ",\"listen\":[\"%s:%d\"]}", fixture_ip,
             FIXTURE_KE_PORT);
    fixture_write("c.json", config);
    assert_run("--check --config c.json", 0, "check.passed");

    struct master_key_spec spec =
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -7200, -3600);
    ke_write_keyring(2, &spec, 1);
    assert_run("--check --config c.json", 1, "keyring.json: no key is active");
}

/* --- SIGTERM --- */

/* Sends SIGTERM, and waits until the server has taken it. */
static void terminate(void)
{
    size_t from = server_log_end(&ke_server);
    cr_assert_eq(kill(ke_server.pid, SIGTERM), 0);
    server_await_log(&ke_server, "ke.stopping", from);
}

/* The server must exit with 0 by itself: server_stop would tell it to hurry. */
static void assert_exits(void)
{
    int status;
    pid_t pid;
    AWAIT((pid = waitpid(ke_server.pid, &status, WNOHANG)) != 0, "the server does not end:\n%s",
          ke_server.log);
    cr_assert_eq(pid, ke_server.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
    ke_server.pid = 0;
    close(ke_server.log_fd);
}

/* Whether a connection is accepted. */
static bool is_accepting(void)
{
    int fd;
    union net_address peer;
    struct error error;
    const struct ke_endpoint endpoint = {fixture_ip, FIXTURE_KE_PORT, AF_INET};
    if (ke_tcp_connect(&fd, &peer, &endpoint, deadline_in_ms(PATIENCE_MS), &error) != NTS_OK) {
        return false;
    }
    close(fd);
    return true;
}

LIFE_TEST(term_finishes_handshakes_and_requests_in_flight, ke_open_files)
{
    ke_start(", \"deadline_ms\": 60000");
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, NP);
    terminate();
    AWAIT(!is_accepting(), "the server goes on accepting");
    ke_dialog_send(&dialog, AE EOM);
    ke_dialog_agree(&dialog, OK15);
    assert_exits();
}

LIFE_TEST(term_waits_for_silent_clients_no_longer_than_the_deadline, ke_open_files)
{
    ke_start(", \"deadline_ms\": 1000");
    int before_hello = ke_tcp_open();
    struct ke_dialog dialog;
    ke_dialog_open_in_time(&dialog);
    terminate();
    ke_dialog_expect(&dialog, ERR1);
    assert_exits();
    close(before_hello);
}

LIFE_TEST(second_term_drops_clients_at_once, ke_open_files)
{
    ke_start(", \"deadline_ms\": 60000");
    int silent = ke_tcp_open();
    ke_expect_ok15(NP AE EOM); /* the silent one has been accepted before this one */
    terminate();
    cr_assert_eq(kill(ke_server.pid, SIGTERM), 0);
    assert_exits();
    close(silent);
}

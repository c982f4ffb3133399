/* The logs of both servers, as machines read them. */
#include "ke_support.h"
#include "ntp_support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#define LOG_TEST(name, init_function, fini_function)                                               \
    Test(logs, name, .init = init_function, .fini = fini_function, .timeout = TEST_TIMEOUT_S)

/* Fails the test unless the jq program is true of the array of all that the server has logged. */
static void assert_log(const struct server_process *server, const char *program)
{
    char command[1024];
    fixture_write("log.json", server->log);
    snprintf(command, sizeof(command), "test \"$(jq --slurp '%s' '%s')\" = true", program,
             fixture_path("log.json"));
    cr_assert_eq(system(command), 0, "not true: %s of the log:\n%s", program, server->log);
}

static void send_and_await(struct server_process *server, int signal_number, const char *text)
{
    size_t from = server_log_end(server);
    cr_assert_eq(kill(server->pid, signal_number), 0);
    server_await_log(server, text, from);
}

/* Every line of a whole life is an object with these members, in the order of the events. */
#define EVERY_LINE                                                                                 \
    "all(.[]; (.time | test(\"^20..-..-..T..:..:..[.]...Z$\"))"                                    \
    " and (.level | IN(\"error\", \"warning\", \"info\")) and (.event | test(\"^[a-z_.]+$\")))"

static void write_config_with_a_fault(const struct server_process *server)
{
    fixture_write(server->config_name, "{\"no \\\"such\\\\ key\": \"\\u00e9 = 1\"}");
}

LOG_TEST(life_of_a_ke_server_in_json, ke_open_files, ke_close)
{
    const struct master_key_spec specs[] = {
        fixture_spec(UINT32_C(0x12345678), KEY_LAYOUT_CHRONY_SIV, -1000, 86400),
        fixture_spec(UINT32_C(0x12345679), KEY_LAYOUT_CHRONY_SIV, 1000, 172800),
    };
    ke_start(", \"log_format\": \"json\"");
    ke_expect_ok15(NP AE EOM);
    ke_rotate(2, specs, 2);
    send_and_await(&ke_server, SIGHUP, "config.reloaded");
    write_config_with_a_fault(&ke_server);
    send_and_await(&ke_server, SIGHUP, "config.refused");
    send_and_await(&ke_server, SIGUSR1, "counters.keyring_loads");
    server_stop(&ke_server);
    ke_server.pid = 0;
    assert_log(&ke_server, EVERY_LINE);
    assert_log(&ke_server, "map(.event) | contains([\"ke.ready\", \"keyring.loaded\", "
                           "\"ke.stopping\", \"ke.stopped\"])");
    assert_log(&ke_server, "[.[] | select(.event == \"keyring.loaded\")][1] | .generation == 2 "
                           "and .keys == 2 and .active == \"12345678\" and "
                           ".layout == \"chrony-siv\" and (.last_expiry_s | type) == \"number\"");
    assert_log(&ke_server, "[.[] | select(.event == \"config.refused\")][0] | .kept == true and "
                           "(.reason | contains(\"no \\\"such\\\\ key: got \\\"\"))");
    assert_log(&ke_server, "[.[] | select(.event == \"counters.sessions\")][0].accepted == 1");
}

LOG_TEST(life_of_a_time_server_in_json, time_server_up, fixture_close)
{
    server_stop(&time_server);
    time_server_up_with(FIXED_CLOCK, ", \"log_format\": \"json\"");
    struct packet p = {0};
    put_header(&p);
    assert_plain(&p);
    send_and_await(&time_server, SIGHUP, "config.reloaded");
    write_config_with_a_fault(&time_server);
    send_and_await(&time_server, SIGHUP, "config.refused");
    send_and_await(&time_server, SIGUSR1, "counters.keyring_loads");
    server_stop(&time_server);
    assert_log(&time_server, EVERY_LINE);
    assert_log(&time_server, "map(.event) | contains([\"time.listening\", \"time.ready\", "
                             "\"clock.fit\", \"counters.answers\", \"time.stopped\"])");
    assert_log(&time_server, "[.[] | select(.event == \"time.ready\")][0] | "
                             "(.workers | type) == \"number\" and .plain_ntp == true");
    assert_log(&time_server, "[.[] | select(.event == \"clock.fit\")][0] | .stratum == 1 and "
                             ".reference_id == \"47505300\"");
}

/* The level is set by number, holds until the next reload, and is said. */
LOG_TEST(level_follows_signals_until_a_reload, ke_open, ke_close)
{
    send_and_await(&ke_server, SIGRTMIN + 3, " info log.level to=error\n");
    size_t from = server_log_end(&ke_server);
    const struct master_key_spec spec =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 86400);
    fixture_write_keyring(2, &spec, 1);
    send_and_await(&ke_server, SIGUSR1, "counters.sessions");
    cr_assert_null(strstr(ke_server.log + from, "keyring.loaded"), "%s", ke_server.log);
    send_and_await(&ke_server, SIGRTMIN + 4, " info log.level to=warning\n");
    send_and_await(&ke_server, SIGRTMIN + 6, " info log.level to=info\n");
    send_and_await(&ke_server, SIGRTMIN + 3, " info log.level to=error\n");
    send_and_await(&ke_server, SIGHUP, "config.reloaded"); /* said: what is configured is info */
}

LOG_TEST(format_changes_with_a_reload, ke_open, ke_close)
{
    ke_configure(", \"log_format\": \"json\"");
    ke_reload("\"event\":\"config.reloaded\"");
    ke_configure("");
    ke_reload(" info config.reloaded file=");
    ke_configure(", \"log_format\": \"xml\"");
    ke_reload("log_format: got \"xml\", expected one of \"human\", \"json\"");
}

/* Runs a time server that cannot start, with its log in a file that the environment calls the
 * journal, as systemd calls the socket of a service; returns what it has logged. */
static const char *log_of_failed_start(const char *journal_stream, const char *format)
{
    static char log[1024];
    char text[512];
    snprintf(text, sizeof(text),
             "{\"keyring\":\"none.json\",\"log_format\":\"%s\",\"clock\":" FIXED_CLOCK "}", format);
    fixture_write("c.json", text);
    snprintf(text, sizeof(text),
             "cd '%s' && : >log && JOURNAL_STREAM=%s '%s/nts-time-server' --config c.json 2>log",
             fixture_directory, journal_stream, fixture_bin_directory());
    cr_assert_eq(WEXITSTATUS(system(text)), 1);
    FILE *file = fopen(fixture_path("log"), "r");
    cr_assert_not_null(file);
    log[fread(log, 1, sizeof(log) - 1, file)] = '\0';
    fclose(file);
    return log;
}

#define THIS_LOG "$(stat -c %d:%i log)"

LOG_TEST(journal_gets_priorities_and_keeps_the_time, fixture_open, fixture_close)
{
    const char *log = log_of_failed_start(THIS_LOG, "human");
    cr_assert_eq(strncmp(log, "<3>error time.failed reason=", 28), 0, "%s", log);
    log = log_of_failed_start(THIS_LOG, "json");
    cr_assert_eq(strncmp(log, "<3>{\"time\":\"20", 14), 0, "%s", log);
    cr_assert_not_null(strstr(log, "\"level\":\"error\",\"event\":\"time.failed\""));
    log = log_of_failed_start("1:1", "human"); /* redirected since */
    cr_assert_eq(strncmp(log, "20", 2), 0, "%s", log);
    log = log_of_failed_start("nonsense", "human");
    cr_assert_eq(strncmp(log, "20", 2), 0, "%s", log);
}

/* nts-load against real servers: what it counts must be what happened. */
#include "ntp_support.h"

#include "base/clock_time.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ECHO_PORT 4200

static struct server_process ke_server;
static json_t *seen; /* what the last run said */

static void servers_up(void)
{
    char config[1024];
    time_server_up();
    fixture_write_certificate();
    snprintf(config, sizeof(config),
             "{ \"listen\": [\"%s:%d\"], \"certificate\": \"server.crt\", \"private_key\": "
             "\"server.key\", \"keyring\": \"keyring.json\", \"workers\": 1, \"time_servers\": "
             "[{\"name\": \"%s\", \"port\": %d}] }",
             fixture_ip, FIXTURE_KE_PORT, fixture_ip, FIXTURE_NTP_PORT);
    server_start(&ke_server, "nts-ke-server", config, "ke.ready");
}

static void servers_down(void)
{
    json_decref(seen);
    server_stop(&ke_server);
    time_server_down();
}

TestSuite(load_tool, .init = servers_up, .fini = servers_down, .timeout = TEST_TIMEOUT_S);

/* Where every answer counts: none is given up because the machine is busy. */
#define PATIENT " --timeout 60 "

/* Runs nts-load with these arguments to its end and keeps its JSON in `seen`. Returns the exit
 * status. */
static int finish(FILE *pipe, const char *arguments)
{
    json_error_t error;
    json_decref(seen);
    seen = json_loadf(pipe, 0, &error);
    int status = pclose(pipe);
    cr_assert_not_null(seen, "%s: %s", arguments, error.text);
    cr_assert(WIFEXITED(status), "%s: %#x", arguments, status);
    cr_assert_str_eq(json_string_value(json_object_get(seen, "schema")), "nts-load/1");
    return WEXITSTATUS(status);
}

/* Its process id goes to the file load.pid. */
static FILE *begin(const char *arguments)
{
    char command[2048];
    snprintf(command, sizeof(command),
             "cd '%s' && echo $$ >load.pid && exec '%s/nts-load' %s --json </dev/null",
             fixture_directory, fixture_bin_directory(), arguments);
    FILE *pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    return pipe;
}

/* Interrupts the program that has written its process id there; it has begun its work. */
static void interrupt(const char *pid_file)
{
    int pid;
    FILE *file = fopen(fixture_path(pid_file), "r");
    cr_assert_not_null(file);
    cr_assert_eq(fscanf(file, "%d", &pid), 1);
    fclose(file);
    cr_assert_eq(kill(pid, SIGINT), 0);
}

static int run(const char *arguments)
{
    return finish(begin(arguments), arguments);
}

/* The arguments for `time`, with NTS, and more of them. */
static const char *time_arguments(const char *more)
{
    static char text[512];
    snprintf(text, sizeof(text), "time %s:%d --ke %s:%d --ca server.crt" PATIENT "%s", fixture_ip,
             FIXTURE_NTP_PORT, fixture_ip, FIXTURE_KE_PORT, more);
    return text;
}

static long long count_in(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    cr_assert(json_is_integer(value), "%s", name);
    return (long long)json_integer_value(value);
}

static long long count_of(const char *name)
{
    return count_in(seen, name);
}

static double latency_ms(const char *name)
{
    const json_t *value = json_object_get(json_object_get(seen, "latency_s"), name);
    cr_assert(json_is_real(value), "%s", name);
    return json_real_value(value) * 1000;
}

static void assert_clean(void)
{
    static const char *const names[] = {
        "nak", "kiss", "failed_verification", "lost", "unexpected", "send_errors", "late"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        cr_assert_eq(count_of(names[i]), 0, "%s", names[i]);
    }
    cr_assert_eq(count_of("sent"), count_of("answered"));
    cr_assert(json_is_true(json_object_get(seen, "clean")));
}

static void assert_all_answered(const char *more)
{
    cr_assert_eq(run(time_arguments(more)), 0, "%s", more);
    assert_clean();
    cr_assert_eq(count_of("sent"), 300);
    cr_assert_eq(count_of("verified"), 300);
    cr_assert_eq(count_of("renewed"), 300);
}

Test(load_tool, every_request_is_answered_and_authentic)
{
    assert_all_answered("--count 300 --rate 1000 --verify 1");
    assert_all_answered("--count 300 --window 8 --verify 1 --aead 30 --clients 3 --sessions 2");
    assert_all_answered("--count 300 --window 8 --verify 1 --segments 8 --clients 3");
}

Test(load_tool, plain_ntp_is_answered)
{
    char arguments[128];
    snprintf(arguments, sizeof(arguments),
             "time %s:%d --plain --count 300 --rate 1000 --verify 1" PATIENT, fixture_ip,
             FIXTURE_NTP_PORT);
    cr_assert_eq(run(arguments), 0);
    assert_clean();
    cr_assert_eq(count_of("verified"), 300);
    cr_assert_eq(count_of("request_octets"), 48);
}

Test(load_tool, clients_have_addresses_of_their_own)
{
    cr_assert_eq(run(time_arguments("--count 1000 --window 16 --clients 500 --sockets 10 "
                                    "--source-net 127.77.0.0/16")),
                 0);
    assert_clean();
    cr_assert_eq(count_in(json_object_get(seen, "load"), "addresses"), 50);
}

Test(load_tool, bad_cookies_get_naks_and_garbage_gets_nothing)
{
    cr_assert_eq(run(time_arguments("--count 1000 --rate 2000 --mix "
                                    "good=70,bad-cookie=15,placeholders=10,garbage=5")),
                 0);
    const json_t *kinds = json_object_get(seen, "kinds");
    cr_assert_eq(count_of("sent"), 1000);
    cr_assert_eq(count_of("nak"), 150);
    cr_assert_eq(count_in(json_object_get(kinds, "bad-cookie"), "nak"), 150);
    cr_assert_eq(count_in(json_object_get(kinds, "good"), "answered"), 700);
    cr_assert_eq(count_in(json_object_get(kinds, "placeholders"), "answered"), 100);
    cr_assert_eq(count_in(json_object_get(kinds, "garbage"), "sent"), 50);
    cr_assert_eq(count_of("lost"), 0);
    cr_assert_eq(count_of("unexpected"), 0);
}

/* Whether a load waits in the socket of the time server, by the kernel's table of UDP sockets: more
 * octets than the ke-server's watch sends. */
static bool load_waits(void)
{
    char line[512];
    unsigned local_ip;
    unsigned local_port;
    unsigned long queued;
    struct in_addr ip;
    bool found = false;
    FILE *table = fopen("/proc/net/udp", "r");
    cr_assert_not_null(table);
    cr_assert_eq(inet_pton(AF_INET, fixture_ip, &ip), 1);
    while (!found && fgets(line, sizeof(line), table) != NULL) {
        found = sscanf(line, " %*u: %8x:%4x %*8x:%*4x %*2x %*8x:%8lx", &local_ip, &local_port,
                       &queued) == 3 &&
                local_ip == ip.s_addr && local_port == FIXTURE_NTP_PORT && queued > 30000;
    }
    fclose(table);
    return found;
}

/* Starts a load on a time server that stands still for the first 300 ms of it. */
static FILE *begin_with_stall(const char *arguments)
{
    int status;
    kill(time_server.pid, SIGSTOP);
    cr_assert_eq(waitpid(time_server.pid, &status, WUNTRACED), time_server.pid);
    FILE *pipe = begin(arguments);
    AWAIT(load_waits(), "no request comes");
    usleep(300000);
    kill(time_server.pid, SIGCONT);
    return pipe;
}

Test(load_tool, a_stalled_server_shows_in_the_percentiles)
{
    char arguments[128];
    snprintf(arguments, sizeof(arguments), "time %s:%d --plain --duration 1.5 --rate 1000" PATIENT,
             fixture_ip, FIXTURE_NTP_PORT);
    FILE *pipe = begin_with_stall(arguments);
    cr_assert_eq(finish(pipe, arguments), 0);
    cr_assert_eq(count_of("lost"), 0);
    /* A fifth of the requests fall into the stall, and wait for half of it in the mean. */
    cr_assert_gt(latency_ms("max"), 250);
    cr_assert_gt(latency_ms("p99"), 200);
    cr_assert_gt(latency_ms("p90"), 80);
}

Test(load_tool, what_a_stalled_server_does_not_answer_is_lost)
{
    char arguments[128];
    snprintf(arguments, sizeof(arguments),
             "time %s:%d --plain --duration 1.5 --rate 1000 --timeout 0.1", fixture_ip,
             FIXTURE_NTP_PORT);
    FILE *pipe = begin_with_stall(arguments);
    cr_assert_eq(finish(pipe, arguments), 0);
    cr_assert_gt(count_of("lost"), 150);
    cr_assert_gt(count_of("late"), 0);
    cr_assert_eq(count_of("sent"), count_of("lost") + count_of("answered"));
    cr_assert_eq(count_of("unexpected"), 0);
}

/* Whether the load has begun, by the counters that the time server logs: more answers under NTS
 * than the ke-server's watch asks for. */
static bool is_under_load(void)
{
    size_t from = server_log_end(&time_server);
    kill(time_server.pid, SIGUSR1);
    server_await_log(&time_server, "counters.keyring_loads", from);
    const char *count = strstr(time_server.log + from, " answered_nts=");
    return count != NULL && atoi(count + strlen(" answered_nts=")) > 50;
}

Test(load_tool, a_signal_ends_it_with_the_report)
{
    const char *arguments = time_arguments("--duration 1000 --rate 500");
    FILE *pipe = begin(arguments);
    AWAIT(is_under_load(), "no load:\n%s", time_server.log);
    interrupt("load.pid");
    cr_assert_eq(finish(pipe, arguments), 0);
    cr_assert(json_is_true(json_object_get(seen, "interrupted")));
    cr_assert_eq(count_of("lost"), 0);
    cr_assert_eq(count_of("sent"), count_of("answered"));
}

Test(load_tool, nts_ke_exchanges_are_complete)
{
    char arguments[128];
    static const char *const more[] = {"--ca server.crt --concurrency 4",
                                       "--ca server.crt --rate 200 --aead 30",
                                       "--light --concurrency 4"};
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        snprintf(arguments, sizeof(arguments), "ke %s:%d --count 40" PATIENT "%s", fixture_ip,
                 FIXTURE_KE_PORT, more[i]);
        cr_assert_eq(run(arguments), 0);
        assert_clean();
        cr_assert_eq(count_of("answered"), 40);
    }
}

Test(load_tool, a_certificate_that_is_not_trusted_fails_every_exchange)
{
    char arguments[128];
    snprintf(arguments, sizeof(arguments),
             "ke %s:%d --count 5" PATIENT "--ca server.crt --name wrong.test", fixture_ip,
             FIXTURE_KE_PORT);
    cr_assert_eq(run(arguments), 1);
    cr_assert_eq(count_of("failed_verification"), 5);
    const char *reason = json_string_value(json_object_get(seen, "first_failure"));
    cr_assert_not_null(strstr(reason, "certificate"), "%s", reason);
    snprintf(arguments, sizeof(arguments),
             "ke %s:%d --count 5" PATIENT "--insecure --name wrong.test", fixture_ip,
             FIXTURE_KE_PORT);
    cr_assert_eq(run(arguments), 0);
}

Test(load_tool, ramps_up_to_a_rate_that_is_answered)
{
    char arguments[256];
    snprintf(arguments, sizeof(arguments),
             "time %s:%d --plain --ramp --rate 100 --step 0.1 --duration 1.5 --timeout 5 --plot "
             "plot.svg",
             fixture_ip, FIXTURE_NTP_PORT);
    cr_assert_eq(run(arguments), 0);
    const json_t *ramp = json_object_get(seen, "ramp");
    cr_assert_geq(json_real_value(json_object_get(ramp, "best_rate")), 100);
    cr_assert_gt(json_array_size(json_object_get(ramp, "steps")), 3);
    cr_assert_eq(access(fixture_path("plot.svg"), R_OK), 0);
}

static void assert_echo(const char *transport)
{
    char command[1024];
    snprintf(command, sizeof(command),
             "cd '%s' && echo $$ >echo.pid && exec '%s/nts-load' echo %s:%d --transport %s --json "
             "2>&1 >echo.json",
             fixture_directory, fixture_bin_directory(), fixture_ip, ECHO_PORT, transport);
    FILE *echo = popen(command, "r");
    char line[256];
    cr_assert_not_null(echo);
    cr_assert_not_null(fgets(line, sizeof(line), echo));
    cr_assert_not_null(strstr(line, "echo is ready"), "%s", line);
    char arguments[128];
    snprintf(arguments, sizeof(arguments), "limit %s:%d --count 2000 --size 600 --verify 1" PATIENT,
             fixture_ip, ECHO_PORT);
    cr_assert_eq(run(arguments), 0);
    assert_clean();
    cr_assert_eq(count_of("verified"), 2000);
    interrupt("echo.pid");
    cr_assert_eq(WEXITSTATUS(pclose(echo)), 0);
}

Test(load_tool, echoes_come_back_from_recvmmsg)
{
    assert_echo("recvmmsg");
}

Test(load_tool, echoes_come_back_from_io_uring)
{
    assert_echo("io_uring");
}

Test(load_tool, refuses_to_load_what_may_be_somebody_elses)
{
    fixture_assert_run("nts-load", "time 192.0.2.1 --plain", 2, "--i-operate-this");
    fixture_assert_run("nts-load", "ke 192.0.2.1", 2, "--i-operate-this");
    fixture_assert_run("nts-load", "echo 0.0.0.0:4200", 2, "--i-operate-this");
    fixture_assert_run("nts-load", "time 127.0.0.1 --ke 192.0.2.1", 2, "--i-operate-this");
    fixture_assert_run("nts-load", "time 127.0.0.1", 2, "--ke");
    fixture_assert_run("nts-load", "--help", 0, "Usage: nts-load");
}

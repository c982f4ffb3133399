/* Metrics and health of the time server, over HTTP. */
#include "http_support.h"
#include "ntp_support.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static int64_t opened_ns; /* before the keys were made, whose times are relative to now */

static void open_files(void)
{
    opened_ns = mono_time_ns();
    const struct master_key_spec specs[] = {
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -2000, 10000),
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000),
    };
    fixture_open();
    fixture_write_keyring(1, specs, 2);
}

static void up(void)
{
    open_files();
    time_server_up_with(FIXED_CLOCK, metrics_option());
}

#define METRICS_TEST(name)                                                                         \
    Test(time_metrics, name, .init = up, .fini = time_server_down, .timeout = TEST_TIMEOUT_S)

METRICS_TEST(packets_are_counted_by_what_became_of_them)
{
    static const uint16_t aeads[] = {15, 30, 30};
    const struct master_key_spec old =
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -2000, 10000);
    struct packet plain = {0};
    put_header(&plain);
    assert_plain(&plain);
    double before = http_metric("nts_time_requests_total");
    for (size_t i = 0; i < 3; i++) {
        struct session_keys keys = session_keys_of(aeads[i]);
        struct packet request = query(&keys, 2);
        assert_nts(&request, &keys, 3);
    }
    struct session_keys keys = session_keys_of(16);
    struct packet from_old = {0};
    put_header(&from_old);
    put_unique_id(&from_old, 32);
    put_cookie_of(&from_old, &keys, &old);
    put_authenticator(&from_old, &keys);
    assert_nts(&from_old, &keys, 1);
    struct packet forged = query(&keys, 0);
    forged.data[forged.len - 1] ^= 1;
    assert_nak(&forged);

    /* Behind each of the five, `ask` sends a plain one. */
    cr_assert_eq(http_metric("nts_time_requests_total"), before + 10);
    cr_assert_eq(http_metric("nts_time_answered_nts_total"), 4);
    cr_assert_eq(http_metric("nts_time_cookies_minted_total"), 10);
    cr_assert_eq(http_metric("nts_time_naks_total"), 1);
    cr_assert_eq(http_metric("nts_time_refused_total{cause=\"forged\"}"), 1);
    cr_assert_eq(http_metric("nts_time_refused_total{cause=\"mode\"}"), 0);
    cr_assert_eq(http_metric("nts_time_cookies_opened_total{key_age=\"active\"}"), 4);
    cr_assert_eq(http_metric("nts_time_cookies_opened_total{key_age=\"previous\"}"), 1);
    cr_assert_eq(http_metric("nts_time_aead_answers_total{aead=\"AEAD_AES_SIV_CMAC_256\"}"), 1);
    cr_assert_eq(http_metric("nts_time_aead_answers_total{aead=\"AEAD_AES_SIV_CMAC_384\"}"), 1);
    cr_assert_eq(http_metric("nts_time_aead_answers_total{aead=\"AEAD_AES_128_GCM_SIV\"}"), 2);
    cr_assert_eq(http_metric("nts_time_batch_size_count"), http_metric("nts_time_batches_total"));
    cr_assert_eq(http_metric("nts_time_batch_size_sum"), http_metric("nts_time_requests_total"));
    cr_assert_eq(http_metric("nts_time_batch_size_bucket{le=\"32.0\"}"),
                 http_metric("nts_time_batch_size_bucket{le=\"+Inf\"}"));
}

/* A cause that cannot occur is a line that every reader of the page has to wonder about. */
METRICS_TEST(counters_by_cause_have_those_that_can_occur_and_no_other)
{
    static const char *const can[] = {"nts_time_refused_total{cause=\"too_short\"}",
                                      "nts_time_refused_total{cause=\"rate_limited\"}",
                                      "nts_time_refused_total{cause=\"key_unknown\"}",
                                      "nts_time_refused_total{cause=\"forged\"}",
                                      "nts_time_refused_total{cause=\"unsynchronised\"}",
                                      "nts_time_refused_total{cause=\"internal\"}",
                                      "nts_keyring_loads_total{result=\"ok\"}",
                                      "nts_keyring_loads_total{result=\"file\"}",
                                      "nts_keyring_loads_total{result=\"stale\"}",
                                      "nts_keyring_loads_total{result=\"not_recipient\"}",
                                      "nts_keyring_loads_total{result=\"no_memory\"}",
                                      "nts_keyring_loads_total{result=\"internal\"}"};
    static const char *const cannot[] = {"nts_time_refused_total{cause=\"ok\"}",
                                         "nts_time_refused_total{cause=\"truncated\"}",
                                         "nts_time_refused_total{cause=\"no_space\"}",
                                         "nts_time_refused_total{cause=\"too_long\"}",
                                         "nts_time_refused_total{cause=\"tls\"}",
                                         "nts_time_refused_total{cause=\"no_sealing_key\"}",
                                         "nts_time_refused_total{cause=\"stale\"}",
                                         "nts_time_refused_total{cause=\"certificate_form\"}",
                                         "nts_time_refused_total{cause=\"config\"}",
                                         "nts_time_refused_total{cause=\"system\"}",
                                         "nts_time_refused_total{cause=\"no_memory\"}",
                                         "nts_keyring_loads_total{result=\"too_short\"}",
                                         "nts_keyring_loads_total{result=\"forged\"}",
                                         "nts_keyring_loads_total{result=\"tls\"}",
                                         "nts_keyring_loads_total{result=\"certificate_form\"}",
                                         "nts_keyring_loads_total{result=\"config\"}",
                                         "nts_keyring_loads_total{result=\"system\"}"};
    for (size_t i = 0; i < sizeof(can) / sizeof(can[0]); i++) {
        cr_assert(http_metric_is_there(can[i]), "%s", can[i]);
    }
    for (size_t i = 0; i < sizeof(cannot) / sizeof(cannot[0]); i++) {
        cr_assert_not(http_metric_is_there(cannot[i]), "%s", cannot[i]);
    }
}

METRICS_TEST(state_of_clock_keyring_and_workers_is_told)
{
    cr_assert_eq(http_metric("nts_time_healthy"), 1);
    cr_assert_eq(http_metric("nts_time_workers"), 1);
    cr_assert_eq(http_metric("nts_time_workers_alive"), 1);
    cr_assert_eq(http_metric("nts_time_clock_fit"), 1);
    cr_assert_eq(http_metric("nts_time_clock_stratum"), 1);
    cr_assert_eq(http_metric("nts_time_clock_leap"), 0);
    double distance = http_metric("nts_time_clock_root_distance_seconds");
    cr_assert(distance >= 0.0001 && distance < 0.01, "%g", distance);
    cr_assert_eq(http_metric("nts_keyring_generation"), 1);
    cr_assert_eq(http_metric("nts_keyring_keys"), 2);
    cr_assert_eq(http_metric("nts_keyring_active"), 1);
    double age = http_metric("nts_keyring_active_age_seconds");
    double expiry = http_metric("nts_keyring_last_expiry_seconds");
    double passed = (double)(mono_time_ns() - opened_ns) / (double)NS_PER_S + 1;
    cr_assert(age >= 1000 && age < 1000 + passed, "%g", age);
    cr_assert(expiry <= 10000 && expiry > 10000 - passed, "%g", expiry);
    cr_assert_eq(http_metric("nts_keyring_loads_total{result=\"ok\"}"), 1);
}

METRICS_TEST(page_comes_in_the_format_that_is_asked_for)
{
    static struct http_answer answer;
    http_get(&answer, "/metrics");
    cr_assert_eq(answer.status, 200);
    cr_assert_not_null(
        strstr(answer.header, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    cr_assert_not_null(strstr(answer.body, "# TYPE nts_time_requests_total counter\n"));
    cr_assert_null(strstr(answer.body, "# EOF"));

    http_ask(&answer, "GET /metrics", "Accept: application/openmetrics-text; version=1.0.0\r\n");
    cr_assert_eq(answer.status, 200);
    cr_assert_not_null(
        strstr(answer.header,
               "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    cr_assert_not_null(strstr(answer.body, "# TYPE nts_time_requests counter\n"));
    cr_assert_not_null(strstr(answer.body, "# UNIT nts_start_time_seconds seconds\n"));
    size_t body_len = strlen(answer.body);
    cr_assert_str_eq(answer.body + body_len - 6, "# EOF\n");
}

METRICS_TEST(only_what_is_there_can_be_read)
{
    static struct http_answer answer;
    http_get(&answer, "/metric");
    cr_assert_eq(answer.status, 404);
    http_get(&answer, "/metrics/");
    cr_assert_eq(answer.status, 404);
    http_ask(&answer, "POST /metrics", "Content-Length: 0\r\n");
    cr_assert_eq(answer.status, 405);
    cr_assert_not_null(strstr(answer.header, "Allow: GET, HEAD\r\n"));
    http_ask(&answer, "DELETE /healthz", "");
    cr_assert_eq(answer.status, 405);
    http_ask(&answer, "HEAD /healthz", "");
    cr_assert_eq(answer.status, 200);
    cr_assert_str_eq(answer.body, "");
    http_get(&answer, "/healthz");
    cr_assert_str_eq(answer.body, "ok\n");
    http_get(&answer, "/readyz");
    cr_assert_eq(answer.status, 200);
}

METRICS_TEST(idle_connections_do_not_add_up)
{
    static struct http_answer answer;
    int fds[60];
    for (size_t i = 0; i < 20; i++) {
        fds[i] = http_connect(fixture_ip, FIXTURE_METRICS_PORT);
    }
    http_get(&answer, "/healthz");
    cr_assert_eq(answer.status, 200);
    for (size_t i = 20; i < 60; i++) {
        fds[i] = http_connect(fixture_ip, FIXTURE_METRICS_PORT);
    }
    struct packet plain = {0};
    put_header(&plain);
    assert_plain(&plain);
    for (size_t i = 0; i < 60; i++) {
        close(fds[i]);
    }
    http_get(&answer, "/healthz");
    cr_assert_eq(answer.status, 200);
}

METRICS_TEST(unhealthy_without_an_active_key)
{
    const struct master_key_spec upcoming =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, 1000, 2000);
    const struct master_key_spec active =
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 2000);
    http_await("/healthz", 200, "ok\n");
    fixture_write_keyring(2, &upcoming, 1);
    http_await("/healthz", 503, "keyring: no key is active\n");
    cr_assert_eq(http_metric("nts_time_healthy"), 0);
    cr_assert_eq(http_metric("nts_keyring_active"), 0);
    cr_assert_gt(http_metric("nts_keyring_next_activation_seconds"), 900);
    http_await("/readyz", 200, "ok\n");
    fixture_write_keyring(3, &active, 1);
    http_await("/healthz", 200, "ok\n");
    fixture_write("keyring.json", "{}");
    http_await("/metrics", 200, "nts_keyring_loads_total{result=\"keyring_form\"} 1\n");
    cr_assert_eq(http_metric("nts_keyring_loads_total{result=\"ok\"}"), 3);
    cr_assert_eq(http_metric("nts_keyring_generation"), 3, "what is refused is not in use");
}

Test(time_metrics, unhealthy_while_the_clock_is_not_fit, .init = open_files,
     .fini = time_server_down, .timeout = TEST_TIMEOUT_S)
{
    time_server_up_with("{\"source\": \"upstream\", \"server\": \"127.255.0.1:4\"}",
                        metrics_option());
    http_await("/healthz", 503, "clock: nothing heard from the source yet\n");
    http_await("/readyz", 200, "ok\n");
    cr_assert_eq(http_metric("nts_time_clock_fit"), 0);
    static struct http_answer answer;
    http_get(&answer, "/metrics");
    cr_assert_null(strstr(answer.body, "\nnts_time_clock_update_age_seconds "), "it never was");
}

/* The kernel tells of drops with the next datagram that fits. */
Test(time_metrics, drops_of_the_kernel_are_counted, .init = open_files, .fini = time_server_down,
     .timeout = TEST_TIMEOUT_S)
{
    char options[128];
    snprintf(options, sizeof(options), ", \"receive_buffer_kib\": 64%s", metrics_option());
    time_server_up_with(FIXED_CLOCK, options);
    struct packet plain = {0};
    put_header(&plain);
    assert_plain(&plain);
    cr_assert_eq(http_metric("nts_time_transport_receive_drops_total"), 0);

    int flood_fd = udp_connect(fixture_ip, FIXTURE_NTP_PORT, 0);
    cr_assert_eq(kill(time_server.pid, SIGSTOP), 0);
    for (int i = 0; i < 5000; i++) {
        cr_assert_eq(send(flood_fd, plain.data, plain.len, 0), (ssize_t)plain.len);
    }
    cr_assert_eq(kill(time_server.pid, SIGCONT), 0);
    http_await("/readyz", 200, "ok\n");
    /* A datagram tells how many were dropped before it: it takes another one to hear of all. */
    int64_t tries = 0;
    AWAIT((tries++, send(flood_fd, plain.data, plain.len, 0),
           http_metric("nts_time_transport_receive_drops_total") > 1000),
          "few drops after %lld tries", (long long)tries);
    close(flood_fd);
    double drops = http_metric("nts_time_transport_receive_drops_total");
    double requests = http_metric("nts_time_requests_total");
    cr_assert_lt(drops, 5000);
    cr_assert_leq(drops + requests, 5002 + (double)tries);
}

Test(time_metrics, addresses_are_checked, .init = open_files, .fini = fixture_close,
     .timeout = TEST_TIMEOUT_S)
{
    static const struct {
        const char *value;
        const char *text;
    } wrong[] = {
        {"\"localhost:9123\"", "c.json: metrics: got \"localhost:9123\", expected an address"},
        {"\"127.0.0.1:0\"", "c.json: metrics: got \"127.0.0.1:0\", expected an address"},
        {"9123", "c.json: metrics: got 9123, expected an address"},
        {"\"192.0.2.99:9123\"", "metrics: cannot listen on tcp 192.0.2.99:9123: Cannot assign"},
    };
    char config[512];
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(config, sizeof(config),
                 "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"clock\": " FIXED_CLOCK
                 ", \"metrics\": %s}",
                 fixture_ip, FIXTURE_NTP_PORT, wrong[i].value);
        fixture_write("c.json", config);
        fixture_assert_run("nts-time-server", "--config c.json", 1, wrong[i].text);
    }
}

METRICS_TEST(another_address_needs_a_restart)
{
    char config[512];
    size_t from = server_log_end(&time_server);
    snprintf(config, sizeof(config),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"workers\": 1, "
             "\"transport\": \"%s\", \"clock\": " FIXED_CLOCK ", \"metrics\": \"127.0.0.1:9\"}",
             fixture_ip, FIXTURE_NTP_PORT, fixture_transport());
    fixture_write(time_server.config_name, config);
    cr_assert_eq(kill(time_server.pid, SIGHUP), 0);
    server_await_log(&time_server, "config.needs_restart option=metrics", from);
    http_await("/healthz", 200, "ok\n");
}

METRICS_TEST(port_that_is_taken_is_named)
{
    char config[512];
    char text[128];
    snprintf(config, sizeof(config),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"clock\": " FIXED_CLOCK
             "%s}",
             fixture_ip, FIXTURE_NTP_PORT + 1, metrics_option());
    fixture_write("c.json", config);
    snprintf(text, sizeof(text), "metrics: cannot listen on tcp %s:%d: Address already in use",
             fixture_ip, FIXTURE_METRICS_PORT);
    fixture_assert_run("nts-time-server", "--config c.json", 1, text);
}

Test(time_metrics, ipv6_is_served_too, .init = open_files, .fini = time_server_down,
     .timeout = TEST_TIMEOUT_S)
{
    static struct http_answer answer;
    char option[64];
    snprintf(option, sizeof(option), ", \"metrics\": \"[::1]:%u\"", fixture_port);
    time_server_up_with(FIXED_CLOCK, option);
    http_ask_on(&answer, http_connect("::1", (uint16_t)fixture_port), "GET /healthz", "");
    cr_assert_eq(answer.status, 200);
}

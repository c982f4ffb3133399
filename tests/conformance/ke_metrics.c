/* Metrics and health of the ke-server, over HTTP. */
#include "http_support.h"
#include "ke_support.h"

#include "base/clock_time.h"

#include <signal.h>
#include <unistd.h>

static void up(void)
{
    ke_open_files();
    ke_start(metrics_option());
}

#define METRICS_TEST(name)                                                                         \
    Test(ke_metrics, name, .init = up, .fini = ke_close, .timeout = TEST_TIMEOUT_S)

METRICS_TEST(sessions_are_counted_by_what_became_of_them)
{
    ke_expect_ok15(NP AE EOM);
    ke_agree(NP "80040002001e" EOM, OK_AEAD("001e"));
    ke_expect(NP AE AE EOM, ERR1);
    int fd = ke_tcp_open(); /* no client of ours: no handshake */
    uint8_t alert[64];
    cr_assert_eq(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
    /* To the end, for a client that leaves before its turn is given up unheard. */
    ke_tcp_read_to_end(fd, alert, sizeof(alert));
    close(fd);
    http_await("/metrics", 200, "\nnts_ke_connections_open 0\n");
    http_await("/metrics", 200, "\nnts_ke_sessions_total{result=\"tls\"} 1\n");
    http_await("/metrics", 200, "\nnts_ke_sessions_total{result=\"ok\"} 2\n");

    cr_assert_eq(http_metric("nts_ke_accepted_total"), 4);
    cr_assert_eq(http_metric("nts_ke_handshakes_total"), 3);
    cr_assert_eq(http_metric("nts_ke_responses_total"), 2);
    cr_assert_eq(http_metric("nts_ke_error_1_total"), 1);
    cr_assert_eq(http_metric("nts_ke_sessions_total{result=\"ok\"}"), 2);
    cr_assert_eq(http_metric("nts_ke_sessions_total{result=\"tls\"}"), 1);
    cr_assert_eq(http_metric("nts_ke_sessions_total{result=\"bad_request\"}"), 1);
    cr_assert_eq(http_metric("nts_ke_aead_responses_total{aead=\"AEAD_AES_SIV_CMAC_256\"}"), 1);
    cr_assert_eq(http_metric("nts_ke_aead_responses_total{aead=\"AEAD_AES_128_GCM_SIV\"}"), 1);
    cr_assert_eq(http_metric("nts_ke_tls_versions_total{version=\"TLSv1.3\"}"), 3);
    double groups = http_metric("nts_ke_tls_groups_total{group=\"X25519\"}") +
                    http_metric("nts_ke_tls_groups_total{group=\"X25519MLKEM768\"}");
    cr_assert_eq(groups, 3);
    cr_assert_eq(http_metric("nts_ke_handshake_seconds_count"), 3);
    cr_assert_eq(http_metric("nts_ke_handshake_seconds_bucket{le=\"+Inf\"}"), 3);
    double sum = http_metric("nts_ke_handshake_seconds_sum");
    cr_assert(sum > 0 && sum < 60, "%g", sum);
}

/* A cause that cannot occur is a line that every reader of the page has to wonder about. */
METRICS_TEST(counters_by_result_have_those_that_can_occur_and_no_other)
{
    static const char *const can[] = {
        "nts_ke_sessions_total{result=\"ok\"}",
        "nts_ke_sessions_total{result=\"too_long\"}",
        "nts_ke_sessions_total{result=\"no_sealing_key\"}",
        "nts_ke_sessions_total{result=\"tls\"}",
        "nts_ke_sessions_total{result=\"no_agreement\"}",
        "nts_ke_sessions_total{result=\"system\"}",
        "nts_ke_sessions_total{result=\"no_memory\"}",
        "nts_ke_sessions_total{result=\"internal\"}",
        "nts_ke_certificate_loads_total{result=\"ok\"}",
        "nts_ke_certificate_loads_total{result=\"file\"}",
        "nts_ke_certificate_loads_total{result=\"certificate_form\"}",
        "nts_ke_certificate_loads_total{result=\"private_key_mismatch\"}",
        "nts_ke_certificate_loads_total{result=\"internal\"}"};
    static const char *const cannot[] = {"nts_ke_sessions_total{result=\"too_short\"}",
                                         "nts_ke_sessions_total{result=\"forged\"}",
                                         "nts_ke_sessions_total{result=\"nak\"}",
                                         "nts_ke_sessions_total{result=\"peer_error\"}",
                                         "nts_ke_sessions_total{result=\"stale\"}",
                                         "nts_ke_sessions_total{result=\"certificate_form\"}",
                                         "nts_ke_sessions_total{result=\"file\"}",
                                         "nts_ke_sessions_total{result=\"config\"}",
                                         "nts_ke_certificate_loads_total{result=\"too_short\"}",
                                         "nts_ke_certificate_loads_total{result=\"forged\"}",
                                         "nts_ke_certificate_loads_total{result=\"tls\"}",
                                         "nts_ke_certificate_loads_total{result=\"stale\"}",
                                         "nts_ke_certificate_loads_total{result=\"config\"}"};
    for (size_t i = 0; i < sizeof(can) / sizeof(can[0]); i++) {
        cr_assert(http_metric_is_there(can[i]), "%s", can[i]);
    }
    for (size_t i = 0; i < sizeof(cannot) / sizeof(cannot[0]); i++) {
        cr_assert_not(http_metric_is_there(cannot[i]), "%s", cannot[i]);
    }
}

METRICS_TEST(open_connections_are_told)
{
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = ke_tcp_open();
    }
    http_await("/metrics", 200, "\nnts_ke_connections_open 3\n");
    cr_assert_eq(http_metric("nts_ke_connections_limit"), 1024);
    for (size_t i = 0; i < 3; i++) {
        close(fds[i]);
    }
    http_await("/metrics", 200, "\nnts_ke_connections_open 0\n");
}

METRICS_TEST(unhealthy_without_an_active_key)
{
    const struct master_key_spec upcoming =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, 1000, 2000);
    http_await("/healthz", 200, "ok\n");
    ke_rotate(2, &upcoming, 1);
    http_await("/healthz", 503, "keyring: no key is active\n");
    cr_assert_eq(http_metric("nts_ke_healthy"), 0);
    const struct master_key_spec active =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 2000);
    ke_rotate(3, &active, 1);
    http_await("/healthz", 200, "ok\n");
}

/* Writes a certificate that expires soon; true if the server has taken it before that. */
static bool take_certificate(int64_t life_s)
{
    size_t from = server_log_end(&ke_server);
    fixture_write_certificate_as("server", &(struct certificate_recipe){.not_after_s = life_s});
    cr_assert_eq(kill(ke_server.pid, SIGHUP), 0);
    return server_await_either(&ke_server, "certificate.loaded", "certificate.refused", from);
}

Test(ke_metrics, unhealthy_once_the_certificate_has_expired, .init = ke_open_files,
     .fini = ke_close, .timeout = TEST_TIMEOUT_S)
{
    int64_t now_s;
    int64_t life_s = 2;
    ke_start(metrics_option());
    double of_the_first = http_metric("nts_ke_certificate_not_after_timestamp_seconds");
    do {
        life_s *= 2;
        now_s = real_time_ns() / NS_PER_S;
    } while (!take_certificate(life_s));
    double not_after; /* of the page, which may come some time after the log line */
    AWAIT((not_after = http_metric("nts_ke_certificate_not_after_timestamp_seconds")) !=
              of_the_first,
          "the page keeps %.0f", of_the_first);
    double earliest = (double)(now_s + life_s);
    double latest = (double)(real_time_ns() / NS_PER_S + life_s);
    cr_assert(not_after >= earliest && not_after <= latest, "%.0f", not_after);
    http_await("/healthz", 503, "certificate: it has expired\n");
    cr_assert_geq((double)(real_time_ns() / NS_PER_S), not_after);
    ke_replace_certificate();
    http_await("/healthz", 200, "ok\n");
    cr_assert_gt(http_metric("nts_ke_certificate_not_after_timestamp_seconds"), not_after + 80000);
}

METRICS_TEST(not_ready_while_it_stops)
{
    int fd = ke_tcp_open();
    http_await("/metrics", 200, "\nnts_ke_connections_open 1\n");
    http_await("/readyz", 200, "ok\n");
    cr_assert_eq(kill(ke_server.pid, SIGTERM), 0);
    http_await("/readyz", 503, "stopping\n");
    static struct http_answer answer;
    http_get(&answer, "/healthz");
    cr_assert_eq(answer.status, 503);
    cr_assert_str_eq(answer.body, "stopping\n");
    close(fd);
}

Test(ke_metrics, addresses_are_checked, .init = ke_open_files, .fini = fixture_close,
     .timeout = TEST_TIMEOUT_S)
{
    fixture_write("c.json", "{\"listen\": [\"127.0.0.1:4460\"], \"certificate\": \"server.crt\","
                            " \"private_key\": \"server.key\", \"keyring\": \"keyring.json\","
                            " \"metrics\": \"0.0.0.0:65536\"}");
    fixture_assert_run("nts-ke-server", "--config c.json", 1,
                       "c.json: metrics: got \"0.0.0.0:65536\", expected an address");
}

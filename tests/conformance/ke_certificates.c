/* Beyond the conformance matrix: which of its certificates nts-ke-server serves, and how it follows
 * their files. */
#include "client/ke_tls.h"
#include "ke_support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERTIFICATES_TEST(name)                                                                    \
    Test(ke_certificates, name, .init = ke_open_files, .fini = ke_close, .timeout = TEST_TIMEOUT_S)

#define DAY_S 86400

/* --- what a client sees --- */

static const uint16_t any_scheme[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA256,
                                      SSL_SIGN_RSA_PSS_RSAE_SHA384};
#define ANY        any_scheme, 3
#define ECDSA_ONLY any_scheme, 1
#define RSA_ONLY   (any_scheme + 1), 2

/* One exchange of a client that asks for `sni` ("" for none), and the common name of the
 * certificate that it is shown. */
static const char *served(const char *sni, const uint16_t *schemes, size_t num_schemes)
{
    static char name[64];
    struct ke_connection_options options = ke_options();
    struct ke_dialog dialog;
    struct error error;
    options.insecure = true;
    options.sni = sni;
    cr_assert_eq(ke_tls_context_create(&options.context, &options, &error), NTS_OK, "%s",
                 error.text);
    cr_assert(SSL_CTX_set_verify_algorithm_prefs(options.context, schemes, num_schemes));
    ke_dialog_open(&dialog, &options);
    X509 *certificate = SSL_get_peer_certificate(dialog.connection.ssl);
    cr_assert_gt(X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                                           sizeof(name)),
                 0);
    X509_free(certificate);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
    SSL_CTX_free(options.context);
    return name;
}

#define assert_serves(sni, schemes, expected) cr_assert_str_eq(served(sni, schemes), expected)

/* --- what a server has --- */

static void make(const char *name, const char *key, const char *names)
{
    fixture_write_certificate_as(
        name, &(struct certificate_recipe){.key = key, .names = names, .common_name = name});
}

static const char *config_text(const char *certificates_json)
{
    static char text[1024];
    snprintf(text, sizeof(text),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"workers\": 1,"
             " \"certificates\": [%s]}",
             fixture_ip, FIXTURE_KE_PORT, certificates_json);
    return text;
}

#define PAIR(name) "{\"certificate\": \"" name ".crt\", \"private_key\": \"" name ".key\"}"

static void start(const char *certificates_json)
{
    server_start(&ke_server, "nts-ke-server", config_text(certificates_json), "ke.ready");
}

/* Waits for a line about a file that has come since `from`. */
static void await_line(const char *event, const char *name, size_t from)
{
    char text[256];
    snprintf(text, sizeof(text), "%s file=\"%s.crt\"", event, fixture_path(name));
    server_await_log(&ke_server, text, from);
}

/* --- the choice --- */

CERTIFICATES_TEST(name_and_signature_algorithms_choose)
{
    char here[64];
    snprintf(here, sizeof(here), "IP:%s", fixture_ip);
    make("ecdsa-a", "P-256", "DNS:a.example,DNS:*.a.example");
    make("rsa-a", "RSA-2048", "DNS:a.example,DNS:*.a.example");
    make("ecdsa-b", "P-256", "DNS:b.example");
    make("here", "P-256", here);
    start(PAIR("ecdsa-a") "," PAIR("rsa-a") "," PAIR("ecdsa-b") "," PAIR("here"));

    assert_serves("a.example", ANY, "ecdsa-a");
    assert_serves("A.Example", RSA_ONLY, "rsa-a");
    assert_serves("x.a.example", RSA_ONLY, "rsa-a");
    assert_serves("b.example", ANY, "ecdsa-b");
    assert_serves("b.example", RSA_ONLY, "rsa-a"); /* a handshake, at least */
    assert_serves("c.example", ANY, "ecdsa-a");
    assert_serves("", ECDSA_ONLY, "here");
    assert_serves("", RSA_ONLY, "rsa-a");
}

CERTIFICATES_TEST(every_kind_of_key_is_served_to_who_asks_for_it)
{
    static const struct {
        const char *key;
        uint16_t scheme;
    } rows[] = {{"P-256", SSL_SIGN_ECDSA_SECP256R1_SHA256},
                {"P-384", SSL_SIGN_ECDSA_SECP384R1_SHA384},
                {"P-521", SSL_SIGN_ECDSA_SECP521R1_SHA512},
                {"Ed25519", SSL_SIGN_ED25519},
                {"RSA-2048", SSL_SIGN_RSA_PSS_RSAE_SHA512}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        make(rows[i].key, rows[i].key, "DNS:a.example");
    }
    start(
        PAIR("P-256") "," PAIR("P-384") "," PAIR("P-521") "," PAIR("Ed25519") "," PAIR("RSA-2048"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_str_eq(served("a.example", &rows[i].scheme, 1), rows[i].key);
    }
}

CERTIFICATES_TEST(client_that_accepts_no_signature_gets_alert_40)
{
    static const uint16_t p384[] = {SSL_SIGN_ECDSA_SECP384R1_SHA384};
    struct ke_connection_options options = ke_options();
    struct ke_connection connection;
    struct error error;
    make("ecdsa-a", "P-256", "DNS:a.example");
    make("rsa-a", "RSA-2048", "DNS:a.example");
    start(PAIR("ecdsa-a") "," PAIR("rsa-a"));
    options.insecure = true;
    cr_assert_eq(ke_tls_context_create(&options.context, &options, &error), NTS_OK);
    cr_assert(SSL_CTX_set_verify_algorithm_prefs(options.context, p384, 1));
    cr_assert_eq(ke_connection_open(&connection, &options, deadline_in_ms(PATIENCE_MS), &error),
                 NTS_ERR_TLS);
    cr_assert_eq(connection.alert_received, 40, "%d: %s", connection.alert_received, error.text);
    ke_connection_close(&connection);
    SSL_CTX_free(options.context);
    assert_serves("", RSA_ONLY, "rsa-a");
}

CERTIFICATES_TEST(chain_is_sent_so_that_the_root_is_all_a_client_needs)
{
    char names[64];
    snprintf(names, sizeof(names), "IP:%s", fixture_ip);
    struct made_certificate root =
        make_certificate(&(struct certificate_recipe){.common_name = "root"});
    struct made_certificate middle =
        make_certificate(&(struct certificate_recipe){.common_name = "middle", .issuer = &root});
    struct made_certificate leaf = make_certificate(
        &(struct certificate_recipe){.common_name = "leaf", .names = names, .issuer = &middle});
    write_chain(fixture_path("root.crt"), &root.certificate, 1);
    write_chain(fixture_path("chain.crt"), (X509 *[]){leaf.certificate, middle.certificate}, 2);
    write_private_key(fixture_path("chain.key"), leaf.key);
    start(PAIR("chain"));

    char ca_file[128];
    struct ke_connection_options options = ke_options();
    struct ke_dialog dialog;
    snprintf(ca_file, sizeof(ca_file), "%s", fixture_path("root.crt"));
    options.ca_file = ca_file;
    ke_dialog_open(&dialog, &options);
    cr_assert_eq(sk_X509_num(SSL_get_peer_full_cert_chain(dialog.connection.ssl)), 2);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
    free_certificate(&root);
    free_certificate(&middle);
    free_certificate(&leaf);
}

CERTIFICATES_TEST(best_group_of_this_build_is_agreed_on)
{
    char best[64];
    snprintf(best, sizeof(best), "%.*s", (int)strcspn(boringssl_default_groups(), ":"),
             boringssl_default_groups());
    ke_start("");
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    cr_assert_str_eq(boringssl_group_name(dialog.connection.ssl), best);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);

    struct ke_connection_options options = ke_options();
    options.groups = "P-256"; /* also with a HelloRetryRequest, or none */
    ke_dialog_open(&dialog, &options);
    cr_assert_str_eq(boringssl_group_name(dialog.connection.ssl), "P-256");
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
}

/* --- the files --- */

CERTIFICATES_TEST(pair_written_in_place_is_served_without_a_signal)
{
    make("a", "P-256", NULL);
    start(PAIR("a"));
    struct ke_connection_options options = ke_options();
    struct ke_dialog dialog;
    options.insecure = true;
    ke_dialog_open(&dialog, &options);
    ke_dialog_send(&dialog, NP);
    size_t from = server_log_end(&ke_server);
    fixture_write_certificate_as("a", &(struct certificate_recipe){.common_name = "new"});
    await_line("certificate.loaded", "a", from);
    assert_serves("", ANY, "new");
    ke_dialog_send(&dialog, AE EOM); /* who came before is served to the end */
    ke_dialog_agree(&dialog, OK15);
}

/* Makes live/a.crt or live/a.key lead to another version, as certbot does. */
static void swap_link(const char *suffix, int version)
{
    char target[64];
    char link[64];
    snprintf(target, sizeof(target), "../archive/a%d.%s", version, suffix);
    snprintf(link, sizeof(link), "live/a.%s", suffix);
    (void)unlink(fixture_path(link));
    cr_assert_eq(symlink(target, fixture_path(link)), 0);
}

CERTIFICATES_TEST(links_swapped_one_after_the_other_are_followed)
{
    cr_assert_eq(mkdir(fixture_path("archive"), 0700), 0);
    cr_assert_eq(mkdir(fixture_path("live"), 0700), 0);
    make("archive/a1", "P-256", NULL);
    make("archive/a2", "RSA-2048", NULL);
    swap_link("crt", 1);
    swap_link("key", 1);
    start(PAIR("live/a"));
    assert_serves("", ANY, "archive/a1");
    size_t from = server_log_end(&ke_server);
    swap_link("key", 2);
    usleep(1200000); /* settled, but no pair */
    assert_serves("", ANY, "archive/a1");
    swap_link("crt", 2);
    await_line("certificate.loaded", "live/a", from);
    assert_serves("", ANY, "archive/a2");
}

static void dump_counters(const char *text)
{
    size_t from = server_log_end(&ke_server);
    cr_assert_eq(kill(ke_server.pid, SIGUSR1), 0);
    server_await_log(&ke_server, text, from);
}

/* Four that are wrong in four ways, and one that is not. */
CERTIFICATES_TEST(what_cannot_be_used_is_refused_once_and_the_old_kept)
{
    static const struct {
        const char *name;
        const char *cause;
    } rows[] = {{"mixed", "cause=private_key_mismatch kept=true reason=\""},
                {"late", "cause=certificate_expired kept=true reason=\""},
                {"early", "cause=certificate_early kept=true reason=\""},
                {"broken", "cause=certificate_form kept=true reason=\""}};
    for (size_t i = 0; i < 4; i++) {
        char names[64];
        snprintf(names, sizeof(names), "DNS:%s.example", rows[i].name);
        make(rows[i].name, NULL, names);
    }
    make("good", NULL, "DNS:good.example");
    start(PAIR("mixed") "," PAIR("late") "," PAIR("early") "," PAIR("broken") "," PAIR("good"));

    size_t from = server_log_end(&ke_server);
    make("other", NULL, NULL);
    cr_assert_eq(rename(fixture_path("other.key"), fixture_path("mixed.key")), 0);
    fixture_write_certificate_as(
        "late", &(struct certificate_recipe){.not_before_s = -2 * DAY_S, .not_after_s = -DAY_S});
    fixture_write_certificate_as(
        "early", &(struct certificate_recipe){.not_before_s = 600, .not_after_s = DAY_S});
    fixture_write("broken.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    fixture_write_certificate_as(
        "good", &(struct certificate_recipe){.names = "DNS:good.example", .common_name = "better"});
    await_line("certificate.loaded", "good", from);
    assert_serves("good.example", ANY, "better"); /* the others do not hold it up */
    for (size_t i = 0; i < 4; i++) {
        char sni[64];
        await_line("certificate.refused", rows[i].name, from);
        server_await_log(&ke_server, rows[i].cause, from);
        snprintf(sni, sizeof(sni), "%s.example", rows[i].name);
        cr_assert_str_eq(served(sni, ANY), rows[i].name);
    }
    dump_counters("counters.certificate_loads ok=6 certificate_form=1 certificate_expired=1 "
                  "certificate_early=1 private_key_mismatch=1");

    from = server_log_end(&ke_server);
    make("mixed", NULL, "DNS:mixed.example");
    await_line("certificate.loaded", "mixed", from);
}

CERTIFICATES_TEST(reload_takes_a_longer_list_and_follows_that_too)
{
    make("a", NULL, "DNS:a.example");
    make("b", NULL, "DNS:b.example");
    start(PAIR("a"));
    assert_serves("b.example", ANY, "a");

    fixture_write(ke_server.config_name, config_text(PAIR("a") "," PAIR("none")));
    ke_reload("none.crt: cannot open");
    assert_serves("b.example", ANY, "a");
    fixture_write(ke_server.config_name, config_text(PAIR("a") "," PAIR("b")));
    ke_reload("config.reloaded");
    await_line("certificate.loaded", "b", 0);
    assert_serves("b.example", ANY, "b");

    size_t from = server_log_end(&ke_server);
    fixture_write_certificate_as(
        "b", &(struct certificate_recipe){.names = "DNS:b.example", .common_name = "b, again"});
    await_line("certificate.loaded", "b", from);
    assert_serves("b.example", ANY, "b, again");
}

/* --- time --- */

CERTIFICATES_TEST(end_is_warned_of_from_14_days_before)
{
    fixture_write_certificate_as("soon",
                                 &(struct certificate_recipe){.not_after_s = 14 * DAY_S - 60});
    fixture_write_certificate_as("later",
                                 &(struct certificate_recipe){.not_after_s = 14 * DAY_S + 600});
    start(PAIR("soon") "," PAIR("later"));
    await_line("certificate.loaded", "later", 0);
    await_line("certificate.near_end", "soon", 0);
    server_await_log(&ke_server, "expires_in_days=13", 0);
    char unexpected[128];
    snprintf(unexpected, sizeof(unexpected), "near_end file=\"%s", fixture_path("later"));
    cr_assert_null(strstr(ke_server.log, unexpected));
}

CERTIFICATES_TEST(start_and_check_refuse_what_a_client_would)
{
    static const struct {
        struct certificate_recipe recipe;
        const char *text;
    } rows[] = {
        {{.not_before_s = -2 * DAY_S, .not_after_s = -60}, "a.crt: the certificate expired at "},
        {{.not_before_s = 600}, "a.crt: the certificate is not valid before "},
        {{.key = "RSA-1024"}, "a.key: expected an ECDSA key on P-256, P-384 or P-521, an RSA key"},
    };
    fixture_write("c.json", config_text(PAIR("server") "," PAIR("a")));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture_write_certificate_as("a", &rows[i].recipe);
        fixture_assert_run("nts-ke-server", "--check --config c.json", 1, rows[i].text);
        fixture_assert_run("nts-ke-server", "--config c.json", 1, rows[i].text);
    }
    make("a", NULL, NULL);
    fixture_assert_run("nts-ke-server", "--check --config c.json", 0, "check.passed");
}

/* The keyring as both servers live with it: signed, sealed, written in place, revoked, running out;
 * and what they tell of it. The keyrings are made by nts-keys, as an operator makes them. */
#include "ke_support.h"
#include "ntp_support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SIGNED_AND_SEALED ", \"keyring_signer\": \"signer.pub\", \"node_key\": \"node.key\""
#define PLAIN             FIXED_CLOCK, ""

#define LIFE_TEST(name)                                                                            \
    Test(keyring_life, name, .init = open_files, .fini = time_server_down,                         \
         .timeout = TEST_TIMEOUT_S)

static struct master_key_spec old_key(void)
{
    return fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -2000, 10000);
}

static struct master_key_spec new_key(void)
{
    return fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 11000);
}

static void write_keyring(uint64_t generation)
{
    const struct master_key_spec specs[] = {old_key(), new_key()};
    fixture_write_keyring(generation, specs, 2);
}

static void open_files(void)
{
    fixture_open();
    write_keyring(1);
    fixture_assert_run("nts-keys", "keygen --out signer", 0, "Ed25519");
    fixture_assert_run("nts-keys", "keygen --out stranger", 0, "Ed25519");
    fixture_assert_run("nts-keys", "keygen --type node --out node", 0, "X25519");
    fixture_assert_run("nts-keys", "keygen --type node --out other", 0, "X25519");
}

/* Signs keyring.json, seals it to the node, and puts the envelope in its place. */
static void sign_and_seal(const char *signer, const char *node)
{
    char arguments[128];
    snprintf(arguments, sizeof(arguments), "sign --keyring keyring.json --signing-key %s", signer);
    fixture_assert_run("nts-keys", arguments, 0, "signed");
    snprintf(arguments, sizeof(arguments), "seal --keyring keyring.json --to %s --out sealed.json",
             node);
    fixture_assert_run("nts-keys", arguments, 0, "sealed to 1 node");
    cr_assert_eq(rename(fixture_path("sealed.json"), fixture_path("keyring.json")), 0);
}

/* Makes the keyring of that generation somewhere else, so that the server only meets the result. */
static void replace_with(uint64_t generation, const char *signer, const char *node)
{
    const struct master_key_spec specs[] = {old_key(), new_key()};
    char arguments[128];
    fixture_write_keyring_to("next.json", generation, specs, 2);
    if (signer != NULL) {
        snprintf(arguments, sizeof(arguments), "sign --keyring next.json --signing-key %s", signer);
        fixture_assert_run("nts-keys", arguments, 0, "signed");
    }
    if (node != NULL) {
        snprintf(arguments, sizeof(arguments), "seal --keyring next.json --to %s --out sealed.json",
                 node);
        fixture_assert_run("nts-keys", arguments, 0, "sealed");
        cr_assert_eq(rename(fixture_path("sealed.json"), fixture_path("next.json")), 0);
    }
    cr_assert_eq(rename(fixture_path("next.json"), fixture_path("keyring.json")), 0);
}

static void assert_served(void)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    assert_nts(&p, &keys, 1);
}

static void assert_log(size_t from, const char *text)
{
    server_await_log(&time_server, text, from);
}

/* Asks for a dump and waits for its last line. */
static void dump(struct server_process *server)
{
    size_t from = server_log_end(server);
    kill(server->pid, SIGUSR1);
    server_await_log(server, "counters.keyring_loads", from);
}

/* --- signed and sealed --- */

LIFE_TEST(time_server_takes_what_is_signed_and_sealed_to_it_and_nothing_else)
{
    sign_and_seal("signer.key", "node.pub");
    time_server_up_with(FIXED_CLOCK, SIGNED_AND_SEALED);
    assert_served();
    size_t from = server_log_end(&time_server);
    replace_with(2, NULL, "node.pub");
    assert_log(from, "keyring.refused cause=unsigned");
    replace_with(2, "stranger.key", "node.pub");
    assert_log(from, "keyring.refused cause=bad_signature");
    replace_with(2, "signer.key", "other.pub");
    assert_log(from, "keyring.refused cause=not_recipient");
    fixture_write("keyring.json", "{\"format\": \"nts-keyring-sealed/1\", \"generation\": 2}");
    assert_log(from, "keyring.refused cause=envelope_form");
    replace_with(1, "signer.key", "node.pub");
    assert_log(from, "keyring.loaded generation=1 "); /* the same one again */
    replace_with(5, "signer.key", "node.pub");
    assert_log(from, "keyring.loaded generation=5 ");
    from = server_log_end(&time_server);
    replace_with(4, "signer.key", "node.pub");
    assert_log(from, "keyring.refused cause=stale");
    assert_served();
    dump(&time_server);
    assert_log(from, "counters.keyring_loads ok=3 stale=1 unsigned=1 bad_signature=1 "
                     "envelope_form=1 not_recipient=1");
}

LIFE_TEST(signature_that_has_expired_or_is_altered_is_refused)
{
    static const char sign[] = "sign --keyring next.json --signing-key signer.key --valid-for 1s";
    const struct master_key_spec specs[] = {old_key(), new_key()};
    fixture_assert_run("nts-keys", "sign --keyring keyring.json --signing-key signer.key", 0, "");
    time_server_up_with(FIXED_CLOCK, ", \"keyring_signer\": \"signer.pub\"");
    size_t from = server_log_end(&time_server);
    fixture_write_keyring_to("next.json", 2, specs, 2);
    fixture_assert_run("nts-keys", sign, 0, "signed");
    sleep(2);
    cr_assert_eq(rename(fixture_path("next.json"), fixture_path("keyring.json")), 0);
    assert_log(from, "keyring.refused cause=signature_expired");
    fixture_write_keyring_to("next.json", 2, specs, 2);
    fixture_assert_run("nts-keys", "sign --keyring next.json --signing-key signer.key", 0, "");
    char command[256];
    snprintf(command, sizeof(command), "sed -i 's/\"generation\": 2/\"generation\": 3/' %s",
             fixture_path("next.json"));
    cr_assert_eq(system(command), 0);
    cr_assert_eq(rename(fixture_path("next.json"), fixture_path("keyring.json")), 0);
    assert_log(from, "keyring.refused cause=bad_signature");
    assert_served();
}

LIFE_TEST(keyring_that_cannot_be_trusted_is_no_start)
{
    fixture_write("c.json", "{\"keyring\":\"keyring.json\",\"keyring_signer\":\"signer.pub\","
                            "\"clock\":" FIXED_CLOCK "}");
    fixture_assert_run("nts-time-server", "--config c.json", 1,
                       "keyring.json: carries no signature");
    fixture_assert_run("nts-time-server", "--config c.json --check", 1, "carries no signature");
    fixture_write("c.json", "{\"keyring\":\"keyring.json\",\"keyring_signer\":\"none.pub\","
                            "\"clock\":" FIXED_CLOCK "}");
    fixture_assert_run("nts-time-server", "--config c.json", 1, "none.pub: cannot open");
    sign_and_seal("signer.key", "node.pub");
    fixture_write("c.json", "{\"keyring\":\"keyring.json\",\"clock\":" FIXED_CLOCK "}");
    fixture_assert_run("nts-time-server", "--config c.json", 1, "no node key is given");
    fixture_write("c.json", "{\"keyring\":\"keyring.json\",\"node_key\":\"other.key\","
                            "\"clock\":" FIXED_CLOCK "}");
    fixture_assert_run("nts-time-server", "--config c.json", 1, "not sealed to this node");
}

Test(keyring_life, ke_server_takes_what_is_signed_and_sealed_to_it, .init = ke_open_files,
     .fini = ke_close, .timeout = TEST_TIMEOUT_S)
{
    fixture_assert_run("nts-keys", "keygen --out signer", 0, "Ed25519");
    fixture_assert_run("nts-keys", "keygen --type node --out node", 0, "X25519");
    sign_and_seal("signer.key", "node.pub");
    ke_start(SIGNED_AND_SEALED);
    ke_expect_ok15("80010002000080040002000f80000000");
    size_t from = server_log_end(&ke_server);
    replace_with(2, NULL, "node.pub");
    server_await_log(&ke_server, "keyring.refused cause=unsigned", from);
    ke_expect_ok15("80010002000080040002000f80000000");
    from = server_log_end(&ke_server);
    dump(&ke_server);
    server_await_log(&ke_server, "counters.keyring_loads ok=1 unsigned=1", from);
}

/* --- ways in which a file changes --- */

LIFE_TEST(file_written_in_place_is_taken_when_it_is_whole)
{
    time_server_up_with(PLAIN);
    size_t from = server_log_end(&time_server);
    int fd = open(fixture_path("keyring.json"), O_WRONLY | O_TRUNC);
    static const char head[] = "{\"format\": \"nts-keyring/1\", ";
    static const char tail[] = "\"generation\": 2, \"keys\": []}";
    cr_assert_eq(write(fd, head, sizeof(head) - 1), (ssize_t)sizeof(head) - 1);
    assert_log(from, "keyring.refused cause=keyring_form"); /* seen on the way, without a notice */
    assert_served();
    cr_assert_eq(write(fd, tail, sizeof(tail) - 1), (ssize_t)sizeof(tail) - 1);
    close(fd);
    assert_log(from, "keyring.loaded generation=2 keys=0 active=none");
}

LIFE_TEST(file_that_is_gone_is_refused_once_and_taken_when_it_is_back)
{
    time_server_up_with(PLAIN);
    size_t from = server_log_end(&time_server);
    cr_assert_eq(rename(fixture_path("keyring.json"), fixture_path("away.json")), 0);
    assert_log(from, "keyring.refused cause=file");
    sleep(2);
    dump(&time_server);
    assert_log(from, "counters.keyring_loads ok=1 file=1");
    assert_served();
    cr_assert_eq(rename(fixture_path("away.json"), fixture_path("keyring.json")), 0);
    assert_log(from, "keyring.loaded generation=1 ");
}

LIFE_TEST(revoked_key_is_refused_as_soon_as_the_file_is_there)
{
    char arguments[128];
    struct session_keys keys = session_keys_of(15);
    struct packet p = query(&keys, 0);
    time_server_up_with(PLAIN);
    assert_nts(&p, &keys, 1);
    size_t from = server_log_end(&time_server);
    snprintf(arguments, sizeof(arguments), "revoke %08x --keyring keyring.json", FIXTURE_NEW_KEY);
    fixture_assert_run("nts-keys", arguments, 0, "removed");
    assert_log(from, "keyring.loaded generation=2 ");
    assert_nak(&p);
    assert_log(from, "keyring.active_key id=aaaa0000 layout=chrony-siv before=bbbb0001");
}

/* --- what is told --- */

LIFE_TEST(cookies_are_counted_by_the_age_of_their_key)
{
    const struct master_key_spec specs[] = {fixture_spec(0x10, KEY_LAYOUT_CHRONY_SIV, -3000, 10000),
                                            old_key(), new_key(),
                                            fixture_spec(0x11, KEY_LAYOUT_CHRONY_SIV, 1000, 10000)};
    struct session_keys keys = session_keys_of(15);
    fixture_write_keyring(2, specs, 4);
    time_server_up_with(PLAIN);
    static const size_t num_of[] = {1, 2, 3,
                                    4}; /* of each key: older, previous, active, upcoming */
    for (size_t key = 0; key < 4; key++) {
        for (size_t i = 0; i < num_of[key]; i++) {
            struct packet p = {0};
            put_header(&p);
            put_unique_id(&p, 32);
            put_cookie_of(&p, &keys, &specs[key]);
            put_authenticator(&p, &keys);
            assert_nts(&p, &keys, 1);
        }
    }
    size_t from = server_log_end(&time_server);
    dump(&time_server);
    assert_log(from, "counters.cookies_opened active=3 previous=2 older=1 upcoming=4");
    assert_log(from, "keyring.status generation=2 keys=4 active=bbbb0001 layout=chrony-siv "
                     "next_activation_s=");
}

LIFE_TEST(key_that_takes_over_by_time_is_told)
{
    int64_t activate_in_s = 2;
    do {
        const struct master_key_spec specs[] = {
            old_key(), fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, activate_in_s, 10000)};
        server_stop(&time_server); /* that started too late for it */
        time_server.pid = 0;
        fixture_write_keyring(2, specs, 2);
        time_server_up_with(PLAIN);
        activate_in_s *= 2;
    } while (strstr(time_server.log, "active=aaaa0000") == NULL);
    cr_assert_null(strstr(time_server.log, "keyring.no_upcoming_key"), "%s", time_server.log);
    assert_log(0, "keyring.active_key id=bbbb0001 layout=chrony-siv before=aaaa0000");
    assert_log(0, "keyring.no_upcoming_key"); /* for that was the last */
}

/* Writes a keyring with one key, which expires. Returns a request with a cookie under it. */
static struct packet write_last_key(const struct session_keys *keys, int64_t expire_in_s)
{
    const struct master_key_spec last =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -100, expire_in_s);
    struct packet p = {0};
    put_header(&p);
    put_unique_id(&p, 32);
    put_cookie_of(&p, keys, &last);
    put_authenticator(&p, keys);
    fixture_write_keyring(2, &last, 1);
    return p;
}

LIFE_TEST(keyring_that_runs_out_is_warned_of_and_in_the_end_an_error)
{
    struct session_keys keys = session_keys_of(15);
    struct packet p;
    struct packet reply;
    int64_t expire_in_s = 3;
    do {
        server_stop(&time_server); /* whose key expired too early */
        time_server.pid = 0;
        p = write_last_key(&keys, expire_in_s);
        time_server_up_with(PLAIN);
        reply = ask(&p);
        expire_in_s *= 2;
    } while (!server_await_either(&time_server, "keyring.near_end", "keyring.no_active_key", 0) ||
             header_of(&reply).stratum == 0);
    open_reply(&p, &reply, &keys);
    assert_log(0, "keyring.no_active_key");
    assert_nak(&p);
    size_t from = server_log_end(&time_server);
    write_keyring(3);
    assert_log(from, "keyring.active_key id=bbbb0001 layout=chrony-siv before=none");
}

Test(keyring_life, ke_server_whose_last_key_expires_says_so_and_answers_error_2,
     .init = ke_open_files, .fini = ke_close, .timeout = TEST_TIMEOUT_S)
{
    size_t from;
    int64_t expire_in_s = 3;
    uint64_t generation = 2;
    ke_start("");
    do {
        from = server_log_end(&ke_server);
        const struct master_key_spec last =
            fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -100, expire_in_s);
        fixture_write_keyring(generation++, &last, 1);
        expire_in_s *= 2;
    } while (!server_await_either(&ke_server, "keyring.near_end", "keyring.no_active_key", from));
    server_await_log(&ke_server, "keyring.no_active_key", from);
    ke_expect("80010002000080040002000f80000000", "80020002000280000000");
}

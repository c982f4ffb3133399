/* nts-keys as an operator runs it: what it refuses, what it leaves alone, what it prints. */
#include "fixture.h"

#include "base/clock_time.h"
#include "keys/keyring_document.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOOL_TEST(name)                                                                            \
    Test(keys_tool, name, .init = fixture_open, .fini = fixture_close, .timeout = TEST_TIMEOUT_S)

static void assert_keys(const char *arguments, int exit_status, const char *text)
{
    fixture_assert_run("nts-keys", arguments, exit_status, text);
}

/* What the file holds; valid until the next call. */
static const char *content_of(const char *name)
{
    static char text[65536];
    FILE *file = fopen(fixture_path(name), "r");
    cr_assert_not_null(file, "%s is not there", name);
    size_t len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

static void make_keyring(void)
{
    assert_keys("init --keyring k.json", 0, "added");
}

/* The keyring as the tool left it. */
static struct keyring_document *document_of(const char *name)
{
    struct error error;
    struct keyring_document *document = keyring_document_create();
    const char *text = content_of(name);
    cr_assert_eq(keyring_document_parse(document, text, strlen(text), name, &error), NTS_OK, "%s",
                 error.text);
    return document;
}

/* --- bad input --- */

#define SECRET "2323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043"
#define KEY(id, layout, secret, activate, expire)                                                  \
    "{\"id\":\"" id "\",\"layout\":\"" layout "\",\"secret\":\"" secret                            \
    "\",\"activate_at\":\"" activate "\",\"expire_at\":\"" expire "\"}"
#define RING(keys) "{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[" keys "]}"
#define T1         "2026-11-22T00:00:00Z"
#define T2         "2099-12-13T00:00:00Z"
#define GOOD       KEY("b01dface", "chrony-siv", SECRET, T1, T2)

/* Each command that reads a keyring says what is wrong, by file and reason, and changes nothing. */
static void assert_refused_by_all(const char *text)
{
    static const char *const commands[] = {
        "show --keyring k.json",
        "verify --keyring k.json",
        "rotate --keyring k.json",
        "rotate --keyring k.json --dry-run",
        "revoke b01dface --keyring k.json",
        "sign --keyring k.json --signing-key signer.key",
        "seal --keyring k.json --to node.pub --out out.json",
        "open --keyring k.json --node-key node.key --out out.json",
        "export --keyring k.json --format chrony --out out.json",
        "import --keyring k.json --format chrony ntskeys",
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        assert_keys(commands[i], 1, text);
        cr_assert_neq(access(fixture_path("out.json"), F_OK), 0, "%s wrote", commands[i]);
        cr_assert_neq(access(fixture_path("k.json.new"), F_OK), 0, "%s left", commands[i]);
    }
}

static void make_helpers(void)
{
    assert_keys("keygen --out signer", 0, "Ed25519");
    assert_keys("keygen --type node --out node", 0, "X25519");
    assert_keys("init --keyring other.json", 0, "added");
    assert_keys("export --keyring other.json --out ntskeys", 0, "NKS0");
}

TOOL_TEST(bad_content_is_refused_by_every_command)
{
    static const struct {
        const char *json;
        const char *text;
    } wrong[] = {
        {"", "k.json: not a JSON object"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[{\"id\"",
         "k.json: not a JSON object"},
        {RING(GOOD "," KEY("b01dface", "netnod", SECRET, T1, T2)), "k.json: keys: id b01dface is "
                                                                   "there twice"},
        {RING(GOOD "," KEY("b01dfacf", "chrony-siv", SECRET, T1, T2)),
         "k.json: keys: b01dface and b01dfacf activate at once"},
        {RING(KEY("b01dface", "chrony-siv", SECRET, T2, T1)),
         "k.json: keys[0].expire_at: not later than activate_at"},
        {RING(KEY("b01dface", "sealing-wax", SECRET, T1, T2)), "k.json: keys[0].layout: expected"},
        {RING(KEY("b01dface", "chrony-siv", "2323", T1, T2)),
         "k.json: keys[0].secret: expected 64 hexadecimal digits"},
        {RING(KEY("b01dface", "chrony-gcmsiv", SECRET, T1, T2)),
         "k.json: keys[0].secret: expected 32 hexadecimal digits"},
    };
    make_helpers();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fixture_write("k.json", wrong[i].json);
        assert_refused_by_all(wrong[i].text);
        cr_assert_str_eq(content_of("k.json"), wrong[i].json);
    }
}

TOOL_TEST(bad_files_are_refused_by_every_command)
{
    make_helpers();
    fixture_write("k.json", RING(GOOD));
    cr_assert_eq(chmod(fixture_path("k.json"), 0640), 0);
    assert_refused_by_all("k.json: mode is 0640, expected no access for group or others");
    cr_assert_eq(chmod(fixture_path("k.json"), 0600), 0);
    cr_assert_eq(truncate(fixture_path("k.json"), 2 << 20), 0);
    assert_refused_by_all("k.json: 2097152 octets, expected at most 1048576");
    cr_assert_eq(unlink(fixture_path("k.json")), 0);
    cr_assert_eq(mkfifo(fixture_path("k.json"), 0600), 0);
    assert_refused_by_all("k.json: not a regular file");
    cr_assert_eq(unlink(fixture_path("k.json")), 0);
    cr_assert_eq(mkdir(fixture_path("k.json"), 0700), 0);
    assert_refused_by_all("k.json: not a regular file");
    cr_assert_eq(rmdir(fixture_path("k.json")), 0);
    assert_keys("show --keyring k.json", 1, "k.json: cannot open: No such file");
    assert_keys("rotate --keyring k.json", 1, "k.json: cannot open: No such file");
    assert_keys("rotate --keyring none/k.json", 1, "none/k.json: cannot open its directory");
}

TOOL_TEST(other_files_that_are_bad_are_refused_by_name)
{
    make_helpers();
    make_keyring();
    assert_keys("sign --keyring k.json --signing-key node.key", 1, "node.key: ");
    assert_keys("sign --keyring k.json --signing-key none.key", 1, "none.key: cannot open");
    assert_keys("seal --keyring k.json --to signer.pub", 1, "signer.pub: ");
    assert_keys("show --keyring k.json --signer node.pub", 1, "node.pub: ");
    assert_keys("show --keyring k.json --signer signer.pub", 1, "k.json: carries no signature");
    assert_keys("open --keyring k.json --node-key node.key", 1, "k.json: is not sealed");
    assert_keys("import --keyring k.json --format chrony signer.pub", 1,
                "signer.pub: mode is 0644");
    assert_keys("import --keyring k.json --format chrony k.json", 1, "k.json: ");
    assert_keys("verify --keyring k.json --fleet none", 1, "none: cannot open");
    assert_keys("keygen --out signer", 1, "signer.key: exists already");
    assert_keys("init --keyring k.json", 1, "k.json: exists already, and is left as it is");
    assert_keys("init --keyring k.json --dry-run", 1, "k.json: exists already");
}

TOOL_TEST(command_line_is_strict)
{
    static const struct {
        const char *arguments;
        const char *text;
    } wrong[] = {
        {"", "command: got 'nothing'"},
        {"spin --keyring k.json", "command: got 'spin', expected one that --help lists"},
        {"rotate", "--keyring: got 'nothing', expected a file"},
        {"rotate --keyring k.json --frob", "--frob"},
        {"rotate --keyring k.json extra", "rotate: got 'extra', expected no further argument"},
        {"rotate --keyring k.json --fleet f", "rotate has no option --fleet"},
        {"show --keyring k.json --dry-run", "show has no option --dry-run"},
        {"revoke --keyring k.json", "revoke: got 'nothing', expected ID"},
        {"init --keyring k.json --layout wax", "--layout: got 'wax', expected chrony-siv"},
        {"init --keyring k.json --interval 1", "--interval: got '1', expected a duration"},
        {"init --keyring k.json --interval 0s", "--interval: got '0s', expected a duration"},
        {"init --keyring k.json --interval -1d", "--interval: got '-1d', expected a duration"},
        {"init --keyring k.json --lead 2d --ahead 1d", "--ahead: "},
        {"seal --keyring k.json", "--to: got 'nothing'"},
        {"sign --keyring k.json", "--signing-key: got 'nothing'"},
        {"open --keyring k.json", "--node-key: got 'nothing'"},
        {"keygen", "--out: got 'nothing'"},
        {"keygen --type rsa --out x", "--type: got 'rsa', expected signer or node"},
        {"export --keyring k.json --format pem", "--format: got 'pem', expected chrony"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_keys(wrong[i].arguments, 2, wrong[i].text);
    }
    assert_keys("--help", 0, "revoke ID");
    assert_keys("rotate --help", 0, "--open-after D");
    assert_keys("--version", 0, "BoringSSL");
}

/* --- what it does --- */

TOOL_TEST(rotate_twice_does_nothing_more)
{
    char first[65536];
    make_keyring();
    assert_keys("rotate --keyring k.json --ahead 5d", 0, "added");
    strcpy(first, content_of("k.json"));
    assert_keys("rotate --keyring k.json --ahead 5d", 0, "nothing to do");
    assert_keys("rotate --keyring k.json --json", 0, "\"changed\": false");
    cr_assert_str_eq(content_of("k.json"), first);
}

TOOL_TEST(dry_runs_write_nothing)
{
    char before[65536];
    make_helpers();
    make_keyring();
    strcpy(before, content_of("k.json"));
    assert_keys("rotate --keyring k.json --ahead 5d --dry-run", 0, "nothing is written");
    assert_keys("sign --keyring k.json --signing-key signer.key --dry-run", 0,
                "nothing is written");
    assert_keys("import --keyring k.json --format chrony ntskeys --dry-run", 0,
                "nothing is written");
    assert_keys("init --keyring x --dry-run", 0, "nothing is written");
    assert_keys("import --keyring x --format chrony ntskeys --dry-run", 0, "nothing is written");
    assert_keys("seal --keyring k.json --to node.pub --out x --dry-run", 0, "nothing is written");
    assert_keys("export --keyring k.json --out x --dry-run", 0, "nothing is written");
    assert_keys("keygen --out x --dry-run", 0, "nothing is written");
    cr_assert_str_eq(content_of("k.json"), before);
    cr_assert_neq(access(fixture_path("x"), F_OK), 0);
    cr_assert_neq(access(fixture_path("x.key"), F_OK), 0);
}

/* Ids are random, but for the slots in which chrony keeps keys. */
TOOL_TEST(ids_count_up_in_their_two_low_bits)
{
    make_keyring();
    assert_keys("rotate --keyring k.json --ahead 9d", 0, "added");
    struct keyring_document *document = document_of("k.json");
    cr_assert_geq(document->num_keys, 9);
    for (size_t i = 1; i < document->num_keys; i++) {
        cr_assert_eq((document->keys[i].id - document->keys[i - 1].id) & 3, 1);
        cr_assert_neq(document->keys[i].id >> 2, document->keys[i - 1].id >> 2);
    }
    keyring_document_free(document);
}

/* By default a key opens cookies for two weeks after it stopped sealing. */
TOOL_TEST(keys_open_for_two_weeks_after_they_stopped_sealing)
{
    make_keyring();
    struct keyring_document *document = document_of("k.json");
    for (size_t i = 0; i + 1 < document->num_keys; i++) {
        cr_assert_eq(document->keys[i + 1].activate_at_s - document->keys[i].activate_at_s, 86400);
        cr_assert_geq(document->keys[i].expire_at_s,
                      document->keys[i + 1].activate_at_s + 14 * 86400);
    }
    keyring_document_free(document);
}

/* What expired is removed, but not all of it without a question: it may be the clock that is wrong.
 */
TOOL_TEST(rotate_stops_when_every_key_has_expired)
{
    const struct master_key_spec specs[] = {
        fixture_spec(0x10, KEY_LAYOUT_CHRONY_SIV, -400, -100),
        fixture_spec(0x11, KEY_LAYOUT_CHRONY_SIV, -300, -50),
    };
    fixture_write_keyring_to("k.json", 7, specs, 2);
    assert_keys("rotate --keyring k.json", 1, "k.json: every key has expired");
    assert_keys("verify --keyring k.json", 1, "no key is active");
    assert_keys("rotate --keyring k.json --force", 0, "removed   00000010");
    assert_keys("show --keyring k.json --json", 0, "\"generation\": 8");
}

TOOL_TEST(verify_tells_what_is_wrong)
{
    const struct master_key_spec one = fixture_spec(0x10, KEY_LAYOUT_CHRONY_SIV, -400, 50);
    const struct master_key_spec two[] = {
        fixture_spec(0x10, KEY_LAYOUT_CHRONY_SIV, -400, 86400),
        fixture_spec(0x15, KEY_LAYOUT_CHRONY_SIV, 1000, 30 * 86400),
    };
    make_keyring();
    assert_keys("verify --keyring k.json", 0, "k.json: generation 1, ");
    assert_keys("verify --keyring k.json --json", 0, "\"result\": \"ok\"");
    fixture_write_keyring_to("one.json", 7, &one, 1);
    assert_keys("verify --keyring one.json", 0, "no key is upcoming");
    assert_keys("verify --keyring one.json --json", 0, "the last key expires in");
    fixture_write_keyring_to("two.json", 7, two, 2);
    assert_keys("verify --keyring two.json", 0, "at the least for 23 h");
    assert_keys("verify --keyring two.json --lead 1h --open-after 12h", 0,
                "two.json: generation 7, 2 keys: ok");
}

TOOL_TEST(a_change_removes_the_signature_unless_it_signs)
{
    make_helpers();
    assert_keys("init --keyring k.json --signing-key signer.key", 0, "signed");
    assert_keys("show --keyring k.json --signer signer.pub", 0, "signed 20");
    assert_keys("rotate --keyring k.json --ahead 5d", 0, "its signature is gone");
    assert_keys("show --keyring k.json --signer signer.pub", 1, "carries no signature");
    assert_keys("rotate --keyring k.json --ahead 9d --signing-key signer.key", 0, "signed");
    assert_keys("show --keyring k.json --signer signer.pub", 0, "signed 20");
}

TOOL_TEST(secrets_are_not_shown)
{
    make_keyring();
    struct keyring_document *document = document_of("k.json");
    char secret[17];
    snprintf(secret, sizeof(secret), "%02x%02x%02x%02x", document->keys[0].secret[0],
             document->keys[0].secret[1], document->keys[0].secret[2], document->keys[0].secret[3]);
    static const char *const commands[] = {"show", "show --json", "verify", "verify --json",
                                           "rotate --ahead 5d --json"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char command[256];
        snprintf(command, sizeof(command), "%s/nts-keys %s --keyring %s | grep -q %s",
                 fixture_bin_directory(), commands[i], fixture_path("k.json"), secret);
        cr_assert_neq(system(command), 0, "%s shows a secret", commands[i]);
    }
    keyring_document_free(document);
}

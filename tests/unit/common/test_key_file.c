#include "crypto/key_file.h"
#include "crypto/secret_mem.h"
#include "support/octets.h"
#include "support/patience.h"
#include "support/scratch.h"

#include <sys/stat.h>
#include <unistd.h>

TestSuite(key_file, .init = scratch_make, .fini = scratch_remove, .timeout = TEST_TIMEOUT_S);

/* RFC 8410, sections 10.1 and 10.3. */
#define PRIVATE_BASE64 "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC"
#define PUBLIC_BASE64  "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
#define PRIVATE_HEX    "d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842"
#define PUBLIC_HEX     "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"

#define PEM(name, base64) "-----BEGIN " name "-----\n" base64 "\n-----END " name "-----\n"
#define PRIVATE_PEM       PEM("PRIVATE KEY", PRIVATE_BASE64)
#define PUBLIC_PEM        PEM("PUBLIC KEY", PUBLIC_BASE64)
#define X25519_PUBLIC_PEM                                                                          \
    PEM("PUBLIC KEY", "MCowBQYDK2VuAyEAhSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=")

static const char *const algorithms[] = {[KEY_ED25519] = "ed25519", [KEY_X25519] = "x25519"};

static struct public_keys keys; /* too large for the stack */

static const char *write_text(const char *name, const char *text, mode_t mode)
{
    return scratch_write(name, text, strlen(text), mode);
}

/* What a shell command prints. */
static void assert_prints(const char *command, const uint8_t octets[RAW_KEY_LEN])
{
    char hex[2 * RAW_KEY_LEN + 1];
    hex_encode(hex, octets, RAW_KEY_LEN);
    cr_assert_eq(scratch_run("test \"$(%s | tail -c 32 | od -An -v -tx1 | tr -d ' \\n')\" = %s",
                             command, hex),
                 0, "%s: %s", command, hex);
}

static void assert_private_refused(const char *path, enum key_kind kind, const char *part)
{
    static const uint8_t zero[RAW_KEY_LEN];
    struct error error = {""};
    uint8_t private_key[RAW_KEY_LEN];
    memset(private_key, 1, sizeof(private_key));
    cr_assert_eq(key_file_read_private(private_key, NULL, path, kind, &error), NTS_ERR_FILE, "%s",
                 part);
    cr_assert_eq(strncmp(error.text, path, strlen(path)), 0, "names the file: %s", error.text);
    cr_assert_not_null(strstr(error.text, part), "%s, not: %s", part, error.text);
    cr_assert_null(strstr(error.text, "MC4C"), "no secret in a message");
    cr_assert_arr_eq(private_key, zero, sizeof(zero), "nothing leaks on error");
}

static void assert_public_refused(const char *path, enum key_kind kind, const char *part)
{
    struct error error = {""};
    keys.num = 1;
    cr_assert_eq(key_file_read_public(&keys, path, kind, &error), NTS_ERR_FILE, "%s", part);
    cr_assert_eq(strncmp(error.text, path, strlen(path)), 0, "names the file: %s", error.text);
    cr_assert_not_null(strstr(error.text, part), "%s, not: %s", part, error.text);
    cr_assert_null(strstr(error.text, "MC4C"), "no secret in a message");
    cr_assert_eq(keys.num, 1, "nothing is added on error");
}

Test(key_file, fingerprint_is_the_start_of_the_sha256)
{
    const uint8_t zero[RAW_KEY_LEN] = {0};
    char text[KEY_FINGERPRINT_LEN + 1];
    key_fingerprint(text, zero);
    cr_assert_str_eq(text, "66687aadf862bd77");
    key_fingerprint(text, octets_of("01" PRIVATE_HEX).data);
    cr_assert_str_neq(text, "66687aadf862bd77");
}

Test(key_file, reads_the_keys_of_rfc_8410)
{
    struct error error;
    uint8_t private_key[RAW_KEY_LEN];
    uint8_t public_key[RAW_KEY_LEN];
    const char *path = write_text("key", PRIVATE_PEM, 0600);
    cr_assert_eq(key_file_read_private(private_key, public_key, path, KEY_ED25519, &error), NTS_OK,
                 "%s", error.text);
    assert_octets(private_key, RAW_KEY_LEN, PRIVATE_HEX);
    assert_octets(public_key, RAW_KEY_LEN, PUBLIC_HEX);
    cr_assert_eq(key_file_read_private(private_key, NULL, path, KEY_ED25519, &error), NTS_OK);
    path = write_text("key.pub", PUBLIC_PEM, 0644);
    cr_assert_eq(key_file_read_public(&keys, path, KEY_ED25519, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(keys.num, 1);
    assert_octets(keys.keys[0].octets, RAW_KEY_LEN, PUBLIC_HEX);
}

Test(key_file, reads_what_openssl_writes)
{
    struct error error;
    uint8_t private_key[RAW_KEY_LEN];
    uint8_t public_key[RAW_KEY_LEN];
    for (size_t kind = 0; kind < 2; kind++) {
        cr_assert_eq(scratch_run("umask 077 && openssl genpkey -algorithm %s -out key && "
                                 "openssl pkey -in key -pubout -out key.pub",
                                 algorithms[kind]),
                     0);
        cr_assert_eq(key_file_read_private(private_key, public_key, scratch_path("key"),
                                           (enum key_kind)kind, &error),
                     NTS_OK, "%s", error.text);
        keys.num = 0;
        cr_assert_eq(
            key_file_read_public(&keys, scratch_path("key.pub"), (enum key_kind)kind, &error),
            NTS_OK, "%s", error.text);
        assert_prints("openssl pkey -in key -outform DER", private_key);
        assert_prints("openssl pkey -in key -pubout -outform DER", public_key);
        cr_assert_eq(keys.num, 1);
        cr_assert_arr_eq(keys.keys[0].octets, public_key, RAW_KEY_LEN);
        assert_private_refused(scratch_path("key"), (enum key_kind)(1 - kind), "expected");
        assert_public_refused(scratch_path("key.pub"), (enum key_kind)(1 - kind), "expected");
    }
}

Test(key_file, openssl_reads_what_create_writes)
{
    struct error error;
    struct stat st;
    uint8_t created[RAW_KEY_LEN];
    uint8_t private_key[RAW_KEY_LEN];
    uint8_t public_key[RAW_KEY_LEN];
    umask(0077); /* the modes do not depend on it */
    for (size_t kind = 0; kind < 2; kind++) {
        cr_assert_eq(key_file_create(created, scratch_path("key"), scratch_path("key.pub"),
                                     (enum key_kind)kind, &error),
                     NTS_OK, "%s", error.text);
        cr_assert_eq(stat(scratch_path("key"), &st), 0);
        cr_assert_eq(st.st_mode & 07777, 0600);
        cr_assert_eq(stat(scratch_path("key.pub"), &st), 0);
        cr_assert_eq(st.st_mode & 07777, 0644);
        cr_assert_eq(scratch_run("openssl pkey -in key | cmp - key"), 0, "the same octets");
        cr_assert_eq(scratch_run("openssl pkey -in key -pubout | cmp - key.pub"), 0);
        cr_assert_eq(scratch_run("openssl pkey -in key -noout -text | grep -qi '^%s private'",
                                 algorithms[kind]),
                     0);
        cr_assert_eq(key_file_read_private(private_key, public_key, scratch_path("key"),
                                           (enum key_kind)kind, &error),
                     NTS_OK, "%s", error.text);
        cr_assert_arr_eq(public_key, created, RAW_KEY_LEN);
        assert_prints("openssl pkey -in key -outform DER", private_key);
        cr_assert_eq(scratch_run("rm key key.pub"), 0);
    }
}

Test(key_file, no_two_created_keys_are_the_same)
{
    struct error error;
    uint8_t a[RAW_KEY_LEN];
    uint8_t b[RAW_KEY_LEN];
    cr_assert_eq(key_file_create(a, scratch_path("a"), scratch_path("a.pub"), KEY_X25519, &error),
                 NTS_OK);
    cr_assert_eq(key_file_create(b, scratch_path("b"), scratch_path("b.pub"), KEY_X25519, &error),
                 NTS_OK);
    cr_assert_neq(memcmp(a, b, RAW_KEY_LEN), 0);
}

Test(key_file, create_leaves_nothing_behind_and_never_overwrites)
{
    struct error error;
    uint8_t public_key[RAW_KEY_LEN];
    write_text("old", "old\n", 0600);
    cr_assert_eq(symlink("nowhere", scratch_path("link")), 0);
    const struct {
        const char *private_name;
        const char *public_name;
        const char *part; /* of the error */
        const char *gone; /* must not be there */
    } rows[] = {
        {"old", "new.pub", "old: exists already", "new.pub"},
        {"new", "old", "old: exists already", "new"},
        {"new", "new", "new: exists already", "new"},
        {"link", "new.pub", "link: exists already", "nowhere"},
        {"new", "link", "link: exists already", "new"},
        {"no/new", "new.pub", "no/new: No such file", "new.pub"},
        {"new", "no/new.pub", "no/new.pub: No such file", "new"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        cr_assert_eq(key_file_create(public_key, scratch_path(rows[i].private_name),
                                     scratch_path(rows[i].public_name), KEY_ED25519, &error),
                     NTS_ERR_FILE, "case %zu", i);
        cr_assert_not_null(strstr(error.text, rows[i].part), "case %zu: %s", i, error.text);
        cr_assert_not(scratch_has(rows[i].gone), "case %zu", i);
    }
    cr_assert_eq(scratch_run("test \"$(cat old)\" = old"), 0);
    cr_assert_eq(key_file_create(public_key, scratch_path("new"), scratch_path("new.pub"),
                                 KEY_ED25519, &error),
                 NTS_OK);
}

Test(key_file, refuses_what_is_no_private_key)
{
    static const struct {
        const char *text;
        const char *part; /* of the error */
    } rows[] = {
        {"", "holds no PEM, expected \"PRIVATE KEY\" (Ed25519)"},
        {"\n", "holds no PEM"},
        {"a password, perhaps\n", "holds no PEM"},
        {PRIVATE_BASE64, "holds no PEM"},
        {PUBLIC_PEM, "holds \"PUBLIC KEY\", expected \"PRIVATE KEY\""},
        {PUBLIC_PEM PRIVATE_PEM, "holds \"PUBLIC KEY\""},
        {PRIVATE_PEM PUBLIC_PEM, "holds \"PUBLIC KEY\""},
        {PRIVATE_PEM PRIVATE_PEM, "holds several keys"},
        {PEM("CERTIFICATE", PRIVATE_BASE64), "holds \"CERTIFICATE\""},
        {PEM("EC PRIVATE KEY", PRIVATE_BASE64), "holds \"EC PRIVATE KEY\""},
        {PEM("private\033[31m key", PRIVATE_BASE64), "holds \"?\""},
        {PEM("ENCRYPTED PRIVATE KEY", PRIVATE_BASE64), "is encrypted"},
        {PEM("PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n" PRIVATE_BASE64),
         "is encrypted"},
        {PEM("PRIVATE KEY", "!!!!"), "not PEM"},
        {PEM("PRIVATE KEY", "AAAA"), "PRIVATE KEY number 1 cannot be read"},
        {PEM("PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdQ=="),
         "cannot be read"},
        {PEM("PRIVATE KEY", PRIVATE_BASE64 "AAAA"), "octets behind its end"},
        {PEM("PRIVATE KEY", PRIVATE_BASE64) "----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
         "1 blocks are whole, but 1 begin and 2 end"},
        {"-----BEGIN PRIVATE KEY-----\n" PRIVATE_BASE64 "\n-----END PUBLIC KEY-----\n", "not PEM"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_private_refused(write_text("key", rows[i].text, 0600), KEY_ED25519, rows[i].part);
    }
    assert_private_refused(write_text("key", PRIVATE_PEM, 0600), KEY_X25519,
                           "is of the kind Ed25519, expected X25519");
}

Test(key_file, comments_around_a_key_are_no_key)
{
    struct error error;
    uint8_t private_key[RAW_KEY_LEN];
    const char *path = write_text("key", "signer of 2026\n" PRIVATE_PEM "keep it safe\n", 0600);
    cr_assert_eq(key_file_read_private(private_key, NULL, path, KEY_ED25519, &error), NTS_OK, "%s",
                 error.text);
    assert_octets(private_key, RAW_KEY_LEN, PRIVATE_HEX);
}

Test(key_file, refuses_each_truncation)
{
    static const char bundle[] = X25519_PUBLIC_PEM X25519_PUBLIC_PEM;
    size_t second = strlen(X25519_PUBLIC_PEM);
    /* Only the last end of line can go. */
    for (size_t len = 0; len < strlen(PRIVATE_PEM) - 1; len++) {
        assert_private_refused(scratch_write("key", PRIVATE_PEM, len, 0600), KEY_ED25519, "PEM");
    }
    for (size_t len = 0; len < strlen(bundle) - 1; len++) {
        if (len < second - 1 || len >= second + strlen("-----BEGIN ")) {
            assert_public_refused(scratch_write("key", bundle, len, 0644), KEY_X25519, "PEM");
        }
    }
}

Test(key_file, encrypted_keys_are_refused_without_a_prompt)
{
    /* The modern form, the old one, and standard input that would answer. */
    cr_assert_eq(scratch_run("umask 077 && openssl genpkey -algorithm ed25519 -aes-256-cbc "
                             "-pass pass:secret -out key"),
                 0);
    assert_private_refused(scratch_path("key"), KEY_ED25519, "is encrypted");
    cr_assert_eq(scratch_run("umask 077 && openssl genrsa -traditional -aes128 -passout "
                             "pass:secret -out old 1024 2>/dev/null"),
                 0);
    assert_private_refused(scratch_path("old"), KEY_ED25519, "is encrypted");
    cr_assert_eq(scratch_run("openssl pkey -in key -passin pass:secret -out plain && "
                             "chmod 600 plain"),
                 0);
    struct error error;
    uint8_t private_key[RAW_KEY_LEN];
    cr_assert_eq(
        key_file_read_private(private_key, NULL, scratch_path("plain"), KEY_ED25519, &error),
        NTS_OK, "%s", error.text);
}

Test(key_file, keys_of_other_algorithms_are_named)
{
    cr_assert_eq(scratch_run("umask 077 && "
                             "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 "
                             "-out rsa 2>/dev/null && openssl pkey -in rsa -pubout -out rsa.pub && "
                             "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 "
                             "-out ec && openssl pkey -in ec -pubout -out ec.pub && "
                             "openssl genpkey -algorithm ed448 -out ed448 && "
                             "openssl pkey -in ed448 -pubout -out ed448.pub"),
                 0);
    assert_private_refused(scratch_path("rsa"), KEY_ED25519, "kind RSA, expected Ed25519");
    assert_private_refused(scratch_path("ec"), KEY_X25519, "kind EC, expected X25519");
    assert_private_refused(scratch_path("ed448"), KEY_ED25519, "expected Ed25519");
    assert_public_refused(scratch_path("rsa.pub"), KEY_ED25519, "kind RSA, expected Ed25519");
    assert_public_refused(scratch_path("ec.pub"), KEY_X25519, "kind EC, expected X25519");
    assert_public_refused(scratch_path("ed448.pub"), KEY_ED25519, "expected Ed25519");
}

Test(key_file, files_must_be_regular_and_bounded)
{
    assert_private_refused(scratch_path("none"), KEY_ED25519, "cannot open: No such file");
    assert_public_refused(scratch_path("none"), KEY_ED25519, "cannot open: No such file");
    assert_private_refused(scratch_directory, KEY_ED25519, "not a regular file");
    assert_public_refused(scratch_directory, KEY_ED25519, "not a regular file");
    cr_assert_eq(mkfifo(scratch_path("fifo"), 0600), 0);
    assert_private_refused(scratch_path("fifo"), KEY_ED25519, "not a regular file");
    assert_public_refused(scratch_path("fifo"), KEY_ED25519, "not a regular file");
    write_text("key", PRIVATE_PEM, 0600);
    cr_assert_eq(truncate(scratch_path("key"), KEY_FILE_MAX_LEN + 1), 0);
    assert_private_refused(scratch_path("key"), KEY_ED25519, "expected at most 1048576");
    assert_public_refused(scratch_path("key"), KEY_ED25519, "expected at most 1048576");
    assert_public_refused("/dev/zero", KEY_ED25519, "not a regular file");
}

Test(key_file, a_private_key_must_be_private_and_a_public_one_need_not)
{
    struct error error;
    uint8_t private_key[RAW_KEY_LEN];
    static const mode_t modes[] = {0640, 0604, 0620, 0601};
    for (size_t i = 0; i < 4; i++) {
        assert_private_refused(write_text("key", PRIVATE_PEM, modes[i]), KEY_ED25519, "chmod 600");
    }
    const char *path = write_text("key", PRIVATE_PEM, 0400);
    cr_assert_eq(key_file_read_private(private_key, NULL, path, KEY_ED25519, &error), NTS_OK);
    path = write_text("key.pub", PUBLIC_PEM, 0666);
    cr_assert_eq(key_file_read_public(&keys, path, KEY_ED25519, &error), NTS_OK);
}

Test(key_file, a_bundle_adds_every_key_once)
{
    struct error error;
    uint8_t public_key[RAW_KEY_LEN];
    for (int i = 0; i < 5; i++) {
        char name[2][16];
        snprintf(name[0], sizeof(name[0]), "k%d", i);
        snprintf(name[1], sizeof(name[1]), "k%d.pub", i);
        cr_assert_eq(key_file_create(public_key, scratch_path(name[0]), scratch_path(name[1]),
                                     KEY_X25519, &error),
                     NTS_OK);
    }
    cr_assert_eq(scratch_run("(echo first; cat k0.pub; echo; cat k1.pub k0.pub; echo last) > a && "
                             "cat k[1-4].pub | sed 's/$/\\r/' > b"),
                 0);
    cr_assert_eq(key_file_read_public(&keys, scratch_path("a"), KEY_X25519, &error), NTS_OK, "%s",
                 error.text);
    cr_assert_eq(keys.num, 2);
    cr_assert_eq(key_file_read_public(&keys, scratch_path("b"), KEY_X25519, &error), NTS_OK, "%s",
                 error.text);
    cr_assert_eq(keys.num, 5);
    cr_assert_arr_eq(keys.keys[4].octets, public_key, RAW_KEY_LEN, "in the order of the files");
    cr_assert_eq(key_file_read_public(&keys, scratch_path("b"), KEY_X25519, &error), NTS_OK);
    cr_assert_eq(keys.num, 5);
}

Test(key_file, refuses_what_is_no_bundle_of_public_keys)
{
    static const struct {
        const char *text;
        const char *part; /* of the error */
    } rows[] = {
        {"", "holds no PEM, expected \"PUBLIC KEY\" (Ed25519)"},
        {"nothing\n", "holds no PEM"},
        {PUBLIC_BASE64, "holds no PEM"},
        {PRIVATE_PEM, "holds a private key, expected public keys only"},
        {PUBLIC_PEM PRIVATE_PEM, "holds a private key"},
        {PEM("ENCRYPTED PRIVATE KEY", PRIVATE_BASE64), "holds a private key"},
        {PEM("RSA PRIVATE KEY", PRIVATE_BASE64), "holds a private key"},
        {PEM("CERTIFICATE", PUBLIC_BASE64), "holds \"CERTIFICATE\""},
        {PUBLIC_PEM X25519_PUBLIC_PEM, "PUBLIC KEY number 2 is of the kind X25519"},
        {PEM("PUBLIC KEY", PRIVATE_BASE64), "PUBLIC KEY number 1 cannot be read"},
        {PEM("PUBLIC KEY", "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAx"),
         "cannot be read"},
        {PUBLIC_PEM "-----BEGIN PUBLIC KEY\n" PUBLIC_BASE64 "\n-----END PUBLIC KEY-----\n",
         "1 blocks are whole, but 2 begin and 2 end"},
        {PUBLIC_PEM "-----BEGIN PUBLIC KEY-----\n" PUBLIC_BASE64 "\n", "block number 2"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_public_refused(write_text("key", rows[i].text, 0644), KEY_ED25519, rows[i].part);
    }
}

Test(key_file, no_more_public_keys_than_there_is_room_for)
{
    struct error error;
    const char *path = write_text("key", PUBLIC_PEM, 0644);
    for (size_t i = 0; i < KEY_FILE_MAX_KEYS; i++) {
        memcpy(keys.keys[i].octets, &i, sizeof(i));
    }
    keys.num = KEY_FILE_MAX_KEYS;
    cr_assert_eq(key_file_read_public(&keys, path, KEY_ED25519, &error), NTS_ERR_FILE);
    cr_assert_not_null(strstr(error.text, "at most 1024"), "%s", error.text);
    keys.num = KEY_FILE_MAX_KEYS - 1;
    cr_assert_eq(key_file_read_public(&keys, path, KEY_ED25519, &error), NTS_OK);
    cr_assert_eq(keys.num, KEY_FILE_MAX_KEYS);
    cr_assert_eq(key_file_read_public(&keys, path, KEY_ED25519, &error), NTS_OK,
                 "it is there already");
}

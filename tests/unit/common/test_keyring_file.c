#include "base/clock_time.h"
#include "keys/envelope.h"
#include "keys/keyring_signature.h"
#include "service/keyring_watch.h"
#include "support/octets.h"
#include "support/patience.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_S    INT64_C(1795305600)
#define MASTER32 "2323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043"

static const struct keyring_access no_access = {NULL, NULL};

static struct master_key_spec spec_of(uint32_t id, enum key_layout layout, int64_t activate_at_s,
                                      int64_t expire_at_s)
{
    struct master_key_spec spec = {id, layout, activate_at_s, expire_at_s, {0}};
    memset(spec.secret, (int)(id & 0xff), sizeof(spec.secret));
    return spec;
}

/* A file in a directory of the test's own. */
static char directory[64];
static char path[128];

static void make_directory(void)
{
    strcpy(directory, "/tmp/nts-keys-test-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/keyring.json", directory);
}

static void remove_directory(void)
{
    char command[160];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

static void write_file(const char *to, const char *text)
{
    FILE *file = fopen(to, "w");
    cr_assert_not_null(file);
    fchmod(fileno(file), 0600);
    fputs(text, file);
    fclose(file);
}

#define KEY(id, activate, expire)                                                                  \
    "{\"id\":\"" id "\",\"layout\":\"chrony-siv\",\"secret\":\"" MASTER32                          \
    "\",\"activate_at\":\"" activate "\",\"expire_at\":\"" expire "\"}"
#define RING(generation, keys)                                                                     \
    "{\"format\":\"nts-keyring/1\",\"generation\":" generation ",\"keys\":[" keys "]}"
#define DAY1      "2026-11-22T00:00:00Z"
#define DAY2      "2026-12-13T00:00:00Z"
#define GOOD_KEY  KEY("b01dface", DAY1, DAY2)
#define GOOD_FILE RING("7", GOOD_KEY)

Test(keyring_file, loads_the_format_of_the_design, .init = make_directory, .fini = remove_directory)
{
    struct keyring *ring;
    struct error error;
    write_file(path, GOOD_FILE);
    cr_assert_eq(keyring_file_load(&ring, NULL, path, NULL, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(ring->generation, 7);
    cr_assert_eq(ring->num_keys, 1);
    cr_assert_eq(ring->keys[0].id, 0xb01dface);
    cr_assert_eq(ring->keys[0].activate_at_s, NOW_S);
    assert_octets(ring->keys[0].secret, 32, MASTER32);
    snapshot_unref(&ring->snapshot);
}

Test(keyring_file, refuses_with_file_key_and_expectation, .init = make_directory,
     .fini = remove_directory)
{
    static const struct {
        const char *text;
        const char *part; /* of the error */
    } wrong[] = {
        {"", "not a JSON object"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[{\"id\"", "not a JSON object"},
        {"[]", "not a JSON object"},
        {"{}", "format"},
        {"{\"format\":\"nts-keyring/2\",\"generation\":7,\"keys\":[]}", "format: expected"},
        {RING("0", ""), "generation: expected"},
        {RING("\"7\"", ""), "generation: expected"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":{}}", "keys: expected a list"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[],\"x\":1}", "unknown member"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"generation\":8,\"keys\":[]}",
         "not a JSON object"},
        {RING("7", "7"), "keys[0]: expected an object"},
        {RING("7", "{}"), "keys[0].id: missing"},
        {RING("7", GOOD_KEY "," KEY("B01DFACE", DAY1, DAY2)), "b01dface is there twice"},
        {RING("7", KEY("b01dfac", DAY1, DAY2)), "keys[0].id: expected 8"},
        {RING("7", GOOD_KEY "," KEY("b01dfac0", DAY2, DAY1)), "keys[1].expire_at: not later"},
        {RING("7", GOOD_KEY "," KEY("b01dfac0", DAY1, DAY2)), "b01dfac0 and b01dface activate at"},
        {RING("9007199254740992", ""), "generation: expected"},
        {RING("7", KEY("b01dface", DAY1, DAY1)), "keys[0].expire_at: not later"},
        {RING("7", KEY("b01dface", "tomorrow", DAY2)), "keys[0].activate_at: got tomorrow"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[{\"id\":\"b01dface\",\"layout\":"
         "\"sealing-wax\",\"secret\":\"00\",\"activate_at\":\"" DAY1 "\",\"expire_at\":\"" DAY2
         "\"}]}",
         "keys[0].layout: expected"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[{\"id\":\"b01dface\",\"layout\":"
         "\"chrony-gcmsiv\",\"secret\":\"" MASTER32 "\",\"activate_at\":\"" DAY1
         "\",\"expire_at\":\"" DAY2 "\"}]}",
         "keys[0].secret: expected 32 hexadecimal digits"},
        {"{\"format\":\"nts-keyring/1\",\"generation\":7,\"keys\":[{\"id\":\"b01dface\",\"layout\":"
         "\"chrony-siv\",\"secret\":\"" MASTER32 "\",\"activate_at\":\"" DAY1
         "\",\"expire_at\":\"" DAY2 "\",\"note\":\"x\"}]}",
         "keys[0].note: unknown member"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct keyring *ring = NULL;
        struct error error = {""};
        write_file(path, wrong[i].text);
        cr_assert_eq(keyring_file_load(&ring, NULL, path, NULL, &error), NTS_ERR_KEYRING_FORM,
                     "case %zu", i);
        cr_assert_not_null(strstr(error.text, wrong[i].part), "case %zu: %s", i, error.text);
        cr_assert_not_null(strstr(error.text, path), "names the file: %s", error.text);
        cr_assert_null(strstr(error.text, "2323c3d9"), "no secret in a message");
    }
}

static void assert_unusable(const char *part)
{
    struct keyring *ring;
    struct error error = {""};
    cr_assert_eq(keyring_file_load(&ring, NULL, path, NULL, &error), NTS_ERR_FILE);
    cr_assert_not_null(strstr(error.text, part), "%s", error.text);
}

Test(keyring_file, takes_a_credential_that_an_access_list_lets_us_read, .init = make_directory,
     .fini = remove_directory)
{
    char credentials[sizeof(path)];
    struct keyring *ring;
    struct error error;
    strcpy(credentials, path);
    *strrchr(credentials, '/') = '\0';
    write_file(path, GOOD_FILE);
    chmod(path, 0440);
    assert_unusable("mode is 0440");
    setenv("CREDENTIALS_DIRECTORY", credentials, 1);
    cr_assert_eq(keyring_file_load(&ring, NULL, path, NULL, &error), NTS_OK, "%s", error.text);
    snapshot_unref(&ring->snapshot);
    chmod(path, 0444);
    assert_unusable("mode is 0444");
    chmod(path, 0460);
    assert_unusable("mode is 0460");
    credentials[strlen(credentials) - 1] = '\0'; /* beside it is not in it */
    setenv("CREDENTIALS_DIRECTORY", credentials, 1);
    chmod(path, 0440);
    assert_unusable("mode is 0440");
}

Test(keyring_file, refuses_what_is_not_a_private_regular_file, .init = make_directory,
     .fini = remove_directory)
{
    assert_unusable("cannot open");
    write_file(path, GOOD_FILE);
    chmod(path, 0640);
    assert_unusable("mode is 0640");
    chmod(path, 0604);
    assert_unusable("mode is 0604");
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    assert_unusable("not a regular file"); /* and does not wait for a writer */
    unlink(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    assert_unusable("not a regular file");
    rmdir(path);
    write_file(path, GOOD_FILE);
    cr_assert_eq(truncate(path, KEYRING_FILE_MAX_LEN + 1), 0);
    assert_unusable("expected at most");
}

/* A document of two keys, in memory that document_free gives back. */
static struct keyring_document *document_of(uint64_t generation)
{
    struct keyring_document *document = keyring_document_create();
    document->generation = generation;
    document->num_keys = 2;
    document->keys[0] = spec_of(0x00000004, KEY_LAYOUT_CHRONY_GCMSIV, NOW_S, NOW_S + 10);
    document->keys[1] = spec_of(0xfffffffd, KEY_LAYOUT_NETNOD, NOW_S + 5, NOW_S + 20);
    return document;
}

static enum nts_status write_document(uint64_t generation, enum keyring_write how,
                                      struct error *error)
{
    struct keyring_document *document = document_of(generation);
    struct keyring_lock lock;
    cr_assert_eq(keyring_file_lock(&lock, path, error), NTS_OK, "%s", error->text);
    enum nts_status status = keyring_file_write(&lock, document, how, error);
    keyring_file_unlock(&lock);
    keyring_document_free(document);
    return status;
}

static void assert_generation(uint64_t generation)
{
    struct keyring *ring;
    struct error error;
    cr_assert_eq(keyring_file_load(&ring, NULL, path, NULL, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(ring->generation, generation);
    snapshot_unref(&ring->snapshot);
}

Test(keyring_file, create_writes_what_load_reads_and_never_overwrites, .init = make_directory,
     .fini = remove_directory)
{
    struct keyring *ring;
    struct error error;
    struct stat st;
    cr_assert_eq(write_document(3, KEYRING_CREATE, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(keyring_file_load(&ring, &st, path, NULL, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(st.st_nlink, 1, "the temporary file is gone");
    cr_assert_eq(ring->generation, 3);
    cr_assert_eq(keyring_find(ring, 4)->layout, KEY_LAYOUT_CHRONY_GCMSIV);
    cr_assert_eq(keyring_find(ring, 0xfffffffd)->expire_at_s, NOW_S + 20);
    cr_assert_eq(keyring_find(ring, 4)->secret[15], 4);
    snapshot_unref(&ring->snapshot);
    cr_assert_eq(write_document(4, KEYRING_CREATE, &error), NTS_ERR_FILE);
    cr_assert_not_null(strstr(error.text, "exists already"));
    assert_generation(3);
}

Test(keyring_file, replace_keeps_owner_and_mode, .init = make_directory, .fini = remove_directory)
{
    struct error error;
    struct stat st;
    write_file(path, GOOD_FILE);
    chmod(path, 0400);
    if (geteuid() == 0) {
        cr_assert_eq(chown(path, 65534, 65533), 0);
    }
    cr_assert_eq(write_document(8, KEYRING_REPLACE, &error), NTS_OK, "%s", error.text);
    assert_generation(8);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0400);
    cr_assert_eq(st.st_uid, geteuid() == 0 ? 65534 : geteuid());
    cr_assert(geteuid() != 0 || st.st_gid == 65533);
}

Test(keyring_file, replace_follows_a_symbolic_link, .init = make_directory,
     .fini = remove_directory)
{
    struct error error;
    struct stat st;
    char target[160];
    snprintf(target, sizeof(target), "%s/target", directory);
    write_file(target, GOOD_FILE);
    cr_assert_eq(symlink("target", path), 0);
    cr_assert_eq(write_document(8, KEYRING_REPLACE, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(lstat(path, &st), 0);
    cr_assert(S_ISLNK(st.st_mode), "the link stays a link");
    assert_generation(8);
}

/* What a killed run has left is in nobody's way, even if it is the keyring's other name. */
Test(keyring_file, writing_removes_what_an_earlier_run_has_left, .init = make_directory,
     .fini = remove_directory)
{
    struct error error;
    struct stat st;
    char temporary[160];
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    write_file(path, GOOD_FILE);
    cr_assert_eq(link(path, temporary), 0);
    cr_assert_eq(write_document(8, KEYRING_REPLACE, &error), NTS_OK, "%s", error.text);
    assert_generation(8);
    cr_assert_neq(stat(temporary, &st), 0);
}

/* An envelope in any JSON has its own errors: see the envelope's tests. */
Test(keyring_file, sealed_file_may_lie_open_but_needs_a_key, .init = make_directory,
     .fini = remove_directory)
{
    struct keyring *ring;
    struct error error = {""};
    write_file(path, "{\"format\": \"nts-keyring-sealed/1\"}");
    chmod(path, 0644);
    cr_assert_eq(keyring_file_load(&ring, NULL, path, NULL, &error), NTS_ERR_NOT_RECIPIENT);
    cr_assert_not_null(strstr(error.text, "no node key is given"), "%s", error.text);
}

/* Sets up a signer, the node of an envelope, and a keyring file with what they make of it. */
static char signer[160];
static char node[160];

static enum nts_status load_with(const struct keyring_access *access, struct error *error)
{
    struct keyring *ring;
    enum nts_status status = keyring_file_load(&ring, NULL, path, access, error);
    if (status == NTS_OK) {
        snapshot_unref(&ring->snapshot);
    }
    return status;
}

static void make_signed_and_sealed(bool is_signed, bool is_sealed, uint64_t shown_generation)
{
    struct error error;
    char private_path[160];
    char public_path[160];
    struct public_keys *nodes = calloc(1, sizeof(*nodes));
    uint8_t seed[RAW_KEY_LEN];
    uint8_t public_key[RAW_KEY_LEN];
    snprintf(private_path, sizeof(private_path), "%s/signer.key", directory);
    snprintf(signer, sizeof(signer), "%s/signer.pub", directory);
    snprintf(node, sizeof(node), "%s/node.key", directory);
    snprintf(public_path, sizeof(public_path), "%s/node.pub", directory);
    cr_assert_eq(key_file_create(public_key, private_path, signer, KEY_ED25519, &error), NTS_OK);
    cr_assert_eq(key_file_create(public_key, node, public_path, KEY_X25519, &error), NTS_OK);
    cr_assert_eq(key_file_read_private(seed, NULL, private_path, KEY_ED25519, &error), NTS_OK);
    cr_assert_eq(key_file_read_public(nodes, public_path, KEY_X25519, &error), NTS_OK);

    int64_t now_s = real_time_ns() / NS_PER_S;
    struct keyring_document *document = document_of(3);
    if (is_signed) {
        cr_assert_eq(keyring_sign(document, seed, now_s, now_s + 100), NTS_OK);
    }
    char *text = keyring_document_format(document);
    char *envelope = NULL;
    if (is_sealed) {
        cr_assert_eq(
            envelope_seal(&envelope, text, shown_generation, nodes, ENVELOPE_AES_128_GCM, &error),
            NTS_OK, "%s", error.text);
    }
    write_file(path, is_sealed ? envelope : text);
    free(envelope);
    keyring_text_free(text);
    keyring_document_free(document);
    free(nodes);
}

Test(keyring_file, signed_and_sealed_file_is_read_by_its_node, .init = make_directory,
     .fini = remove_directory)
{
    struct error error = {""};
    make_signed_and_sealed(true, true, 3);
    const struct keyring_access access = {signer, node};
    cr_assert_eq(load_with(&access, &error), NTS_OK, "%s", error.text);
    const struct keyring_access no_key = {signer, NULL};
    cr_assert_eq(load_with(&no_key, &error), NTS_ERR_NOT_RECIPIENT);
    const struct keyring_access wrong_kind = {signer, signer};
    cr_assert_eq(load_with(&wrong_kind, &error), NTS_ERR_FILE);
    cr_assert_not_null(strstr(error.text, "signer.pub"), "%s", error.text);
}

/* Who carries envelopes goes by what they show: it must be what is inside. */
Test(keyring_file, envelope_that_shows_another_generation_is_refused, .init = make_directory,
     .fini = remove_directory)
{
    struct error error = {""};
    make_signed_and_sealed(true, true, 4);
    const struct keyring_access access = {signer, node};
    cr_assert_eq(load_with(&access, &error), NTS_ERR_ENVELOPE_FORM, "%s", error.text);
}

Test(keyring_file, unsigned_file_is_refused_where_a_signer_is_asked_for, .init = make_directory,
     .fini = remove_directory)
{
    struct error error = {""};
    make_signed_and_sealed(false, true, 3);
    const struct keyring_access access = {signer, node};
    cr_assert_eq(load_with(&access, &error), NTS_ERR_UNSIGNED, "%s", error.text);
    const struct keyring_access any = {NULL, node};
    cr_assert_eq(load_with(&any, &error), NTS_OK, "%s", error.text);
}

/* Waits for a notification, at most as long as a test may hang, and asks whether it matters. */
static bool is_changed(struct keyring_watch *watch)
{
    struct pollfd polled = {.fd = keyring_watch_fd(watch), .events = POLLIN};
    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1, "nothing was notified");
    return keyring_watch_changed(watch);
}

Test(keyring_watch, sees_renames_and_keeps_to_the_generation, .init = make_directory,
     .fini = remove_directory)
{
    struct keyring_watch watch;
    struct keyring *ring = NULL;
    struct error error;
    char other[160];
    snprintf(other, sizeof(other), "%s/new", directory);
    write_file(path, GOOD_FILE);
    cr_assert_eq(keyring_watch_open(&watch, path, &no_access, &error), NTS_OK);
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK);
    snapshot_unref(&ring->snapshot);
    cr_assert_not(keyring_watch_changed(&watch));

    write_file(other, RING("8", GOOD_KEY));
    rename(other, path);
    cr_assert(is_changed(&watch));
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK);
    cr_assert_eq(ring->generation, 8);
    snapshot_unref(&ring->snapshot);

    write_file(other, RING("7", GOOD_KEY));
    rename(other, path);
    cr_assert(is_changed(&watch));
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_ERR_STALE);
    cr_assert_not(keyring_watch_changed(&watch), "a refused file is refused once");

    unlink(path);
    cr_assert(is_changed(&watch), "gone is a change");
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_ERR_FILE);
    cr_assert_not(keyring_watch_changed(&watch));
    write_file(path, RING("9", GOOD_KEY));
    cr_assert(is_changed(&watch), "and so is back");
    keyring_watch_close(&watch);
}

/* ConfigMaps and Secrets of Kubernetes: file -> ..data/file, and ..data is swapped. */
Test(keyring_watch, sees_symlink_swaps, .init = make_directory, .fini = remove_directory)
{
    struct keyring_watch watch;
    struct keyring *ring = NULL;
    struct error error;
    char command[1024];
    snprintf(command, sizeof(command),
             "cd %s && mkdir one two && ln -s one ..data && ln -s ..data/keyring.json keyring.json",
             directory);
    cr_assert_eq(system(command), 0);
    char file[160];
    snprintf(file, sizeof(file), "%s/one/keyring.json", directory);
    write_file(file, GOOD_FILE);
    snprintf(file, sizeof(file), "%s/two/keyring.json", directory);
    write_file(file, RING("8", GOOD_KEY));

    cr_assert_eq(keyring_watch_open(&watch, path, &no_access, &error), NTS_OK);
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK, "%s", error.text);
    snapshot_unref(&ring->snapshot);
    snprintf(command, sizeof(command), "cd %s && ln -s two ..tmp && mv -T ..tmp ..data", directory);
    cr_assert_eq(system(command), 0);
    cr_assert(is_changed(&watch));
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK);
    cr_assert_eq(ring->generation, 8);
    snapshot_unref(&ring->snapshot);

    snprintf(file, sizeof(file), "%s/two/keyring.json", directory);
    write_file(file, RING("9", GOOD_KEY));
    cr_assert(is_changed(&watch), "in place, behind the links");
    keyring_watch_close(&watch);
}

/* A directory that is deleted and made anew takes its watch along. */
Test(keyring_watch, sees_a_directory_that_is_replaced, .init = make_directory,
     .fini = remove_directory)
{
    struct keyring_watch watch;
    struct keyring *ring = NULL;
    struct error error;
    char file[160];
    char command[512];
    snprintf(command, sizeof(command), "mkdir %s/run", directory);
    cr_assert_eq(system(command), 0);
    snprintf(file, sizeof(file), "%s/run/keyring.json", directory);
    write_file(file, GOOD_FILE);
    cr_assert_eq(keyring_watch_open(&watch, file, &no_access, &error), NTS_OK);
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK);
    snapshot_unref(&ring->snapshot);
    snprintf(command, sizeof(command), "cd %s && mv run old && mkdir run", directory);
    cr_assert_eq(system(command), 0);
    /* Nothing notifies of that; who looks now and then sees it. */
    cr_assert(keyring_watch_changed(&watch));
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_ERR_FILE);
    write_file(file, RING("8", GOOD_KEY));
    cr_assert(is_changed(&watch), "the new directory is watched");
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK, "%s", error.text);
    snapshot_unref(&ring->snapshot);
    keyring_watch_close(&watch);
}

/* What is written in place can be met half-way: refused then, and taken when it is whole. */
Test(keyring_watch, half_written_file_is_refused_until_it_is_whole, .init = make_directory,
     .fini = remove_directory)
{
    struct keyring_watch watch;
    struct keyring *ring = NULL;
    struct error error;
    static const char text[] = RING("8", GOOD_KEY);
    write_file(path, GOOD_FILE);
    cr_assert_eq(keyring_watch_open(&watch, path, &no_access, &error), NTS_OK);
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK);
    snapshot_unref(&ring->snapshot);
    FILE *file = fopen(path, "w");
    for (size_t len = 0; len < sizeof(text) - 2; len++) {
        fputc(text[len], file);
        fflush(file);
        cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_ERR_KEYRING_FORM, "%zu", len);
    }
    fputc(text[sizeof(text) - 2], file);
    fclose(file);
    cr_assert(is_changed(&watch));
    cr_assert_eq(keyring_watch_load(&watch, &ring, &error), NTS_OK);
    cr_assert_eq(ring->generation, 8);
    snapshot_unref(&ring->snapshot);
    keyring_watch_close(&watch);
}

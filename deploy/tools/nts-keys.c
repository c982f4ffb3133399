/* nts-keys: the operator's tool for the master keys of the farm. */
#include "base/clock_time.h"
#include "crypto/boringssl.h"
#include "crypto/secret_mem.h"
#include "keys/keyring_file.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S_PER_DAY 86400

/* Keys of `init`: one seals for a day, the next follows it, and each opens cookies for two weeks
 * after it stopped sealing. */
#define ROTATE_INTERVAL_S S_PER_DAY
#define OPEN_AFTER_S      (14 * S_PER_DAY)
#define NUM_INIT_KEYS     2

struct arguments {
    const char *command;
    const char *keyring_path;
    enum key_layout layout;
    bool json;
};

static void print_help(FILE *out)
{
    fputs("nts-keys - create and inspect the master keys of an NTS farm\n\n"
          "Usage: nts-keys init --keyring FILE [--layout NAME]\n"
          "       nts-keys show --keyring FILE [--json]\n\n"
          "  init               create a keyring with an active and an upcoming key, mode 0600;\n"
          "                     a file that exists is never overwritten\n"
          "  show               print the keyring without its secrets\n\n"
          "  -k, --keyring FILE the keyring file\n"
          "      --layout NAME  how the keys seal cookies: chrony-siv (default), chrony-gcmsiv,\n"
          "                     netnod\n"
          "      --json         print JSON\n"
          "  -h, --help         print this help\n"
          "  -V, --version      print the version\n",
          out);
}

/* Random, but for the two low bits, which count up from key to key: chrony keeps a key in the slot
 * that its id modulo 4 names. */
static uint32_t new_id(uint32_t low_bits)
{
    uint32_t id;
    RAND_bytes((uint8_t *)&id, sizeof(id));
    return (id & ~UINT32_C(3)) | (low_bits & 3);
}

static int fail(const struct error *error)
{
    fprintf(stderr, "nts-keys: %s\n", error->text);
    return 1;
}

static int run_init(const struct arguments *arguments)
{
    struct error error;
    int64_t now_s = real_time_ns() / NS_PER_S;
    struct master_key_spec *specs = secret_alloc(NUM_INIT_KEYS * sizeof(*specs));
    if (specs == NULL) {
        fputs("nts-keys: out of memory\n", stderr);
        return 1;
    }
    uint32_t first_id = new_id(0);
    for (size_t i = 0; i < NUM_INIT_KEYS; i++) {
        specs[i].id = i == 0 ? first_id : new_id((uint32_t)i);
        specs[i].layout = arguments->layout;
        specs[i].activate_at_s = now_s + (int64_t)i * ROTATE_INTERVAL_S;
        specs[i].expire_at_s = specs[i].activate_at_s + ROTATE_INTERVAL_S + OPEN_AFTER_S;
        RAND_bytes(specs[i].secret, key_layout_secret_len(arguments->layout));
    }
    enum nts_status status =
        keyring_file_create(arguments->keyring_path, 1, specs, NUM_INIT_KEYS, &error);
    uint32_t ids[NUM_INIT_KEYS] = {specs[0].id, specs[1].id};
    secret_free(specs);
    if (status != NTS_OK) {
        return fail(&error);
    }
    printf("%s: created, key %08" PRIx32 " seals now, %08" PRIx32 " from tomorrow\n",
           arguments->keyring_path, ids[0], ids[1]);
    return 0;
}

/* What a key does at this moment, in one word. */
static const char *key_state(const struct keyring *ring, const struct master_key *key,
                             int64_t now_s)
{
    if (!master_key_opens(key, now_s)) {
        return "expired";
    }
    if (key->activate_at_s > now_s) {
        return "upcoming";
    }
    return key == keyring_active_key(ring, now_s) ? "active" : "opens";
}

static void show_text(const struct keyring *ring, int64_t now_s)
{
    printf("generation %" PRIu64 ", %zu keys\n", ring->generation, ring->num_keys);
    for (size_t i = 0; i < ring->num_keys; i++) {
        const struct master_key *key = &ring->keys[i];
        char activate_at[RFC3339_LEN + 1];
        char expire_at[RFC3339_LEN + 1];
        rfc3339_format(activate_at, key->activate_at_s);
        rfc3339_format(expire_at, key->expire_at_s);
        printf("%08" PRIx32 "  %-8s  %-13s  activates %s  expires %s\n", key->id,
               key_state(ring, key, now_s), key_layout_name(key->layout), activate_at, expire_at);
    }
}

static void show_json(const struct keyring *ring, int64_t now_s)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < ring->num_keys; i++) {
        const struct master_key *key = &ring->keys[i];
        char id[2 * MASTER_KEY_ID_LEN + 1];
        char activate_at[RFC3339_LEN + 1];
        char expire_at[RFC3339_LEN + 1];
        snprintf(id, sizeof(id), "%08" PRIx32, key->id);
        rfc3339_format(activate_at, key->activate_at_s);
        rfc3339_format(expire_at, key->expire_at_s);
        json_array_append_new(keys, json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "state",
                                              key_state(ring, key, now_s), "layout",
                                              key_layout_name(key->layout), "activate_at",
                                              activate_at, "expire_at", expire_at));
    }
    json_t *root =
        json_pack("{s:I, s:o}", "generation", (json_int_t)ring->generation, "keys", keys);
    json_dumpf(root, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(root);
}

static int run_show(const struct arguments *arguments)
{
    struct error error;
    struct keyring *ring;
    if (keyring_file_load(&ring, NULL, arguments->keyring_path, &error) != NTS_OK) {
        return fail(&error);
    }
    int64_t now_s = real_time_ns() / NS_PER_S;
    if (arguments->json) {
        show_json(ring, now_s);
    } else {
        show_text(ring, now_s);
    }
    snapshot_unref(&ring->snapshot);
    return 0;
}

/* Returns -1 to go on, else the exit status. */
static int parse_arguments(struct arguments *arguments, int argc, char **argv)
{
    enum { FLAG_LAYOUT = 256, FLAG_JSON };
    static const struct option flags[] = {
        {"keyring", required_argument, NULL, 'k'}, {"layout", required_argument, NULL, FLAG_LAYOUT},
        {"json", no_argument, NULL, FLAG_JSON},    {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},       {NULL, 0, NULL, 0},
    };
    *arguments = (struct arguments){.layout = KEY_LAYOUT_CHRONY_SIV};
    int flag;
    while ((flag = getopt_long(argc, argv, "k:hV", flags, NULL)) != -1) {
        switch (flag) {
        case 'k':
            arguments->keyring_path = optarg;
            break;
        case FLAG_LAYOUT:
            if (!key_layout_find(&arguments->layout, optarg)) {
                fprintf(stderr,
                        "nts-keys: --layout: got '%s', expected chrony-siv, chrony-gcmsiv or "
                        "netnod\n",
                        optarg);
                return 2;
            }
            break;
        case FLAG_JSON:
            arguments->json = true;
            break;
        case 'h':
            print_help(stdout);
            return 0;
        case 'V':
            printf("nts-keys %s, %s\n", NTS_VERSION, boringssl_version());
            return 0;
        default:
            fputs("Try 'nts-keys --help'.\n", stderr);
            return 2;
        }
    }
    if (optind + 1 != argc) {
        print_help(stderr);
        return 2;
    }
    arguments->command = argv[optind];
    if (arguments->keyring_path == NULL) {
        fputs("nts-keys: --keyring FILE is needed\n", stderr);
        return 2;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    int exit_status = parse_arguments(&arguments, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    if (strcmp(arguments.command, "init") == 0) {
        return run_init(&arguments);
    }
    if (strcmp(arguments.command, "show") == 0) {
        return run_show(&arguments);
    }
    fprintf(stderr, "nts-keys: unknown command '%s'\nTry 'nts-keys --help'.\n", arguments.command);
    return 2;
}

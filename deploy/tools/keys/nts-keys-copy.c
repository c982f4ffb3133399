/* The commands that make something else of a keyring, and key pairs. */
#include "base/clock_time.h"
#include "crypto/secret_file.h"
#include "crypto/secret_mem.h"
#include "nts-keys.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_standard_output(const struct keys_arguments *arguments)
{
    return arguments->out == NULL || strcmp(arguments->out, "-") == 0;
}

/* Where the text goes is where the report cannot: that is then on standard error, or nowhere. */
static enum nts_status check_output(const struct keys_arguments *arguments, bool is_secret,
                                    struct error *error)
{
    if (!is_standard_output(arguments) || arguments->dry_run) {
        return NTS_OK;
    }
    if (arguments->json) {
        return error_set(error, NTS_ERR_CONFIG, "%s: --json needs --out FILE", arguments->command);
    }
    if (is_secret && arguments->out == NULL && isatty(STDOUT_FILENO)) {
        return error_set(error, NTS_ERR_CONFIG,
                         "%s: writes secrets, which do not belong on a terminal: give --out FILE",
                         arguments->command);
    }
    return NTS_OK;
}

static enum nts_status write_output(const struct keys_arguments *arguments, const char *text,
                                    size_t len, struct error *error)
{
    if (arguments->dry_run) {
        return NTS_OK;
    }
    if (is_standard_output(arguments)) {
        return fwrite(text, 1, len, stdout) == len && fflush(stdout) == 0
                   ? NTS_OK
                   : error_set(error, NTS_ERR_FILE, "standard output: %s", strerror(errno));
    }
    struct keyring_lock lock;
    enum nts_status status = keyring_file_lock(&lock, arguments->out, error);
    if (status == NTS_OK) {
        status = keyring_text_write(&lock, text, len, KEYRING_REPLACE, error);
        keyring_file_unlock(&lock);
    }
    return status;
}

/* Reports as JSON or, with the same content, as a line for people. */
static void report(const struct keys_arguments *arguments, json_t *json, const char *format, ...)
    NTS_PRINTF(3, 4);

static void report(const struct keys_arguments *arguments, json_t *json, const char *format, ...)
{
    if (arguments->json) {
        json_object_set_new(json, "dry_run", json_boolean(arguments->dry_run));
        keys_print_json(json);
        return;
    }
    json_decref(json);
    va_list args;
    va_start(args, format);
    FILE *out = is_standard_output(arguments) ? stderr : stdout;
    vfprintf(out, format, args);
    fputs(arguments->dry_run ? ", dry run: nothing is written\n" : "\n", out);
    va_end(args);
}

static const char *target_name(const struct keys_arguments *arguments)
{
    return is_standard_output(arguments) ? "standard output" : arguments->out;
}

/* Reads the keyring, lets `make` work on it, and cleans up. */
typedef enum nts_status make_step(const struct keyring_document *document,
                                  const struct keys_arguments *arguments, struct error *error);

static int run_copy(const struct keys_arguments *arguments, bool is_secret, make_step *make)
{
    struct error error;
    struct keyring_document *document = keyring_document_create();
    if (document == NULL) {
        return keys_no_memory();
    }
    enum nts_status status = check_output(arguments, is_secret, &error);
    if (status == NTS_OK) {
        status = keyring_file_read(document, NULL, arguments->keyring, &arguments->access, &error);
    }
    if (status == NTS_OK) {
        status = make(document, arguments, &error);
    }
    keyring_document_free(document);
    return status == NTS_OK ? KEYS_DONE : keys_fail(&error);
}

/* --- export --- */

static enum nts_status make_export(const struct keyring_document *document,
                                   const struct keys_arguments *arguments, struct error *error)
{
    struct chrony_keys keys;
    char text[CHRONY_KEYS_MAX_LEN];
    size_t num_filled = 0;
    enum nts_status status = chrony_keys_export(&keys, &num_filled, document, keys_now_s(), error);
    if (status == NTS_OK) {
        status = chrony_keys_format(text, &keys, arguments->chrony_format, error);
    }
    if (status == NTS_OK) {
        status = write_output(arguments, text, strlen(text), error);
    }
    if (status == NTS_OK) {
        json_t *ids = json_array();
        for (size_t i = 0; i < CHRONY_NUM_KEYS; i++) {
            json_array_append_new(ids, keys_id_json(keys.keys[i].id));
        }
        report(arguments,
               json_pack("{s:s, s:s, s:s#, s:o, s:I}", "file", arguments->keyring, "out",
                         target_name(arguments), "format", text, 4, "keys", ids, "filled",
                         (json_int_t)num_filled),
               "%s: %.4s, key %08" PRIx32 " is current, %08" PRIx32
               " is next; %zu of the 4 slots are filled with keys that nobody uses",
               target_name(arguments), text, keys.keys[CHRONY_CURRENT].id,
               keys.keys[CHRONY_CURRENT + 1].id, num_filled);
    }
    secret_wipe(&keys, sizeof(keys));
    secret_wipe(text, sizeof(text));
    return status;
}

int keys_export(const struct keys_arguments *arguments)
{
    return run_copy(arguments, true, make_export);
}

/* --- seal and open --- */

static enum nts_status read_recipients(struct public_keys *nodes,
                                       const struct keys_arguments *arguments, struct error *error)
{
    enum nts_status status = NTS_OK;
    for (size_t i = 0; i < arguments->num_recipients && status == NTS_OK; i++) {
        status = key_file_read_public(nodes, arguments->recipients[i], KEY_X25519, error);
    }
    return status;
}

static json_t *fingerprints_to_json(const struct public_keys *nodes)
{
    json_t *list = json_array();
    for (size_t i = 0; i < nodes->num; i++) {
        char text[KEY_FINGERPRINT_LEN + 1];
        key_fingerprint(text, nodes->keys[i].octets);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static enum nts_status seal_to(const struct public_keys *nodes,
                               const struct keyring_document *document,
                               const struct keys_arguments *arguments, struct error *error)
{
    char *content = keyring_document_format(document);
    char *text = NULL;
    if (content == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status =
        envelope_seal(&text, content, document->generation, nodes, arguments->aead, error);
    keyring_text_free(content);
    if (status != NTS_OK) {
        return status;
    }
    size_t len = strlen(text);
    status =
        len <= KEYRING_FILE_MAX_LEN
            ? write_output(arguments, text, len, error)
            : error_set(error, NTS_ERR_NO_SPACE,
                        "the envelope has %zu octets, and %d are the most that a server reads: "
                        "seal to fewer nodes at a time",
                        len, KEYRING_FILE_MAX_LEN);
    free(text);
    if (status == NTS_OK) {
        report(arguments,
               json_pack("{s:s, s:s, s:I, s:s, s:o, s:b}", "file", arguments->keyring, "out",
                         target_name(arguments), "generation", (json_int_t)document->generation,
                         "aead", envelope_aead_name(arguments->aead), "nodes",
                         fingerprints_to_json(nodes), "signed", document->signature.is_present),
               "%s: generation %" PRIu64 ", sealed to %zu node%s%s", target_name(arguments),
               document->generation, nodes->num, nodes->num == 1 ? "" : "s",
               document->signature.is_present
                   ? ""
                   : "; not signed: who can replace the envelope can choose the keys");
    }
    return status;
}

static enum nts_status make_envelope(const struct keyring_document *document,
                                     const struct keys_arguments *arguments, struct error *error)
{
    struct public_keys *nodes = calloc(1, sizeof(*nodes));
    if (nodes == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status = read_recipients(nodes, arguments, error);
    if (status == NTS_OK) {
        status = seal_to(nodes, document, arguments, error);
    }
    free(nodes);
    return status;
}

int keys_seal(const struct keys_arguments *arguments)
{
    return run_copy(arguments, false, make_envelope);
}

static enum nts_status refuse_what_is_not_sealed(const char *path, struct error *error)
{
    struct secret_file file;
    enum nts_status status = secret_file_read_any(&file, path, KEYRING_FILE_MAX_LEN, error);
    if (status == NTS_OK && !envelope_is(file.text, file.len)) {
        status = error_set(error, NTS_ERR_ENVELOPE_FORM, "%s: is not sealed", path);
    }
    secret_free(file.text);
    return status;
}

static enum nts_status make_opened(const struct keyring_document *document,
                                   const struct keys_arguments *arguments, struct error *error)
{
    enum nts_status status = refuse_what_is_not_sealed(arguments->keyring, error);
    if (status != NTS_OK) {
        return status;
    }
    char *text = keyring_document_format(document);
    if (text == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    size_t len = strlen(text);
    text[len] = '\n'; /* in place of the NUL */
    status = write_output(arguments, text, len + 1, error);
    keyring_text_free(text);
    if (status == NTS_OK) {
        report(arguments,
               json_pack("{s:s, s:s, s:I, s:b}", "file", arguments->keyring, "out",
                         target_name(arguments), "generation", (json_int_t)document->generation,
                         "signed", document->signature.is_present),
               "%s: generation %" PRIu64, target_name(arguments), document->generation);
    }
    return status;
}

int keys_open(const struct keys_arguments *arguments)
{
    return run_copy(arguments, true, make_opened);
}

/* --- keygen --- */

int keys_keygen(const struct keys_arguments *arguments)
{
    struct error error;
    uint8_t public_key[RAW_KEY_LEN];
    char fingerprint[KEY_FINGERPRINT_LEN + 1] = "";
    char *private_path = NULL;
    char *public_path = NULL;
    if (asprintf(&private_path, "%s.key", arguments->out) < 0 ||
        asprintf(&public_path, "%s.pub", arguments->out) < 0) {
        return keys_no_memory();
    }
    enum nts_status status = NTS_OK;
    if (!arguments->dry_run) {
        status = key_file_create(public_key, private_path, public_path, arguments->kind, &error);
        if (status == NTS_OK) {
            key_fingerprint(fingerprint, public_key);
        }
    }
    if (status == NTS_OK) {
        report(arguments,
               json_pack("{s:s, s:s, s:s, s:s}", "type",
                         arguments->kind == KEY_ED25519 ? "signer" : "node", "private_key",
                         private_path, "public_key", public_path, "fingerprint", fingerprint),
               "%s and %s: %s %s", private_path, public_path, key_kind_name(arguments->kind),
               fingerprint);
    }
    free(private_path);
    free(public_path);
    return status == NTS_OK ? KEYS_DONE : keys_fail(&error);
}

/* The commands that change a keyring. Each is one step: lock, read, change, sign, write in place of
 * the old file; a run that is killed in between has changed nothing. */
#include "base/clock_time.h"
#include "base/cursor.h"
#include "base/hex.h"
#include "crypto/secret_file.h"
#include "crypto/secret_mem.h"
#include "keys/keyring_signature.h"
#include "nts-keys.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a command does to the document that is there, or to an empty one. */
struct edit {
    const struct keys_arguments *arguments;
    struct keyring_lock lock;
    bool exists;
    struct keyring_document *document;
    struct key_change change;
    bool has_signed;
    bool was_signed;
    int64_t now_s;
};

typedef enum nts_status edit_step(struct edit *edit, struct error *error);

enum need { NEEDS_FILE, NEEDS_NO_FILE, NEEDS_NOTHING };

static enum nts_status read_document(struct edit *edit, enum need need, struct error *error)
{
    const char *path = edit->arguments->keyring;
    struct stat st;
    edit->exists = lstat(path, &st) == 0;
    if (edit->exists && need == NEEDS_NO_FILE) {
        return error_set(error, NTS_ERR_FILE, "%s: exists already, and is left as it is", path);
    }
    if (!edit->exists && need != NEEDS_FILE && errno == ENOENT) {
        return NTS_OK;
    }
    return keyring_file_read(edit->document, NULL, path, &edit->arguments->access, error);
}

/* When the last of all keys expires. */
static int64_t last_expiry_s(const struct keyring_document *document)
{
    int64_t last_s = 0;
    for (size_t i = 0; i < document->num_keys; i++) {
        last_s = document->keys[i].expire_at_s > last_s ? document->keys[i].expire_at_s : last_s;
    }
    return last_s;
}

static enum nts_status sign(struct edit *edit, struct error *error)
{
    const struct keys_arguments *arguments = edit->arguments;
    uint8_t private_key[RAW_KEY_LEN];
    enum nts_status status =
        key_file_read_private(private_key, NULL, arguments->signing_key, KEY_ED25519, error);
    if (status != NTS_OK) {
        return status;
    }
    int64_t expires_at_s = arguments->valid_for_s > 0 ? edit->now_s + arguments->valid_for_s
                                                      : last_expiry_s(edit->document);
    if (expires_at_s <= edit->now_s) {
        status =
            error_set(error, NTS_ERR_KEYRING_FORM,
                      "%s: every key has expired, there is nothing to sign", arguments->keyring);
    } else {
        status = keyring_sign(edit->document, private_key, edit->now_s, expires_at_s);
        if (status != NTS_OK) {
            error_set(error, status, "%s: %s", arguments->keyring, status_text(status));
        }
    }
    secret_wipe(private_key, sizeof(private_key));
    edit->has_signed = status == NTS_OK;
    return status;
}

/* --- what was done --- */

static json_t *ids_to_json(const uint32_t *ids, size_t num)
{
    json_t *list = json_array();
    for (size_t i = 0; i < num; i++) {
        json_array_append_new(list, keys_id_json(ids[i]));
    }
    return list;
}

static void print_change_json(const struct edit *edit)
{
    const struct key_change *change = &edit->change;
    keys_print_json(
        json_pack("{s:s, s:I, s:b, s:b, s:o, s:o, s:o, s:o, s:b}", "file", edit->arguments->keyring,
                  "generation", (json_int_t)edit->document->generation, "changed",
                  !key_change_is_none(change) || edit->has_signed, "dry_run",
                  edit->arguments->dry_run, "added", ids_to_json(change->added, change->num_added),
                  "removed", ids_to_json(change->removed, change->num_removed), "extended",
                  ids_to_json(change->extended, change->num_extended), "promoted",
                  change->has_promoted ? keys_id_json(change->promoted) : json_null(), "signed",
                  edit->document->signature.is_present));
}

static void print_key(const struct edit *edit, const char *what, uint32_t id)
{
    const struct keyring_document *document = edit->document;
    size_t i = keyring_document_find(document, id);
    if (i == document->num_keys) {
        printf("  %-9s %08" PRIx32 "\n", what, id);
        return;
    }
    char activate_at[RFC3339_LEN + 1];
    char expire_at[RFC3339_LEN + 1];
    rfc3339_format(activate_at, document->keys[i].activate_at_s);
    rfc3339_format(expire_at, document->keys[i].expire_at_s);
    printf("  %-9s %08" PRIx32 "  %-13s  activates %s  expires %s\n", what, id,
           key_layout_name(document->keys[i].layout), activate_at, expire_at);
}

static void print_change_text(const struct edit *edit)
{
    const struct key_change *change = &edit->change;
    bool is_changed = !key_change_is_none(change) || edit->has_signed;
    printf("%s: generation %" PRIu64 "%s%s\n", edit->arguments->keyring, edit->document->generation,
           is_changed ? "" : ", nothing to do",
           edit->arguments->dry_run ? ", dry run: nothing is written" : "");
    for (size_t i = 0; i < change->num_removed; i++) {
        print_key(edit, "removed", change->removed[i]);
    }
    for (size_t i = 0; i < change->num_added; i++) {
        print_key(edit, "added", change->added[i]);
    }
    for (size_t i = 0; i < change->num_extended; i++) {
        print_key(edit, "extended", change->extended[i]);
    }
    if (change->has_promoted) {
        print_key(edit, "promoted", change->promoted);
    }
    if (edit->has_signed) {
        char expires_at[RFC3339_LEN + 1];
        rfc3339_format(expires_at, edit->document->signature.expires_at_s);
        printf("  signed    until %s\n", expires_at);
    }
}

static void print_change(const struct edit *edit)
{
    if (edit->arguments->json) {
        print_change_json(edit);
    } else {
        print_change_text(edit);
    }
    if (edit->was_signed && !edit->document->signature.is_present) {
        fprintf(stderr,
                "nts-keys: %s: its signature is gone with the change: sign it again before it is "
                "distributed\n",
                edit->arguments->keyring);
    }
}

/* --- the way of every change --- */

static enum nts_status run_locked(struct edit *edit, enum need need, edit_step *step,
                                  struct error *error)
{
    const struct keys_arguments *arguments = edit->arguments;
    enum nts_status status = read_document(edit, need, error);
    if (status != NTS_OK) {
        return status;
    }
    edit->was_signed = edit->document->signature.is_present;
    status = step(edit, error);
    if (status != NTS_OK) {
        return status;
    }
    bool is_changed = !key_change_is_none(&edit->change);
    if (arguments->signing_key != NULL && (is_changed || !edit->was_signed)) {
        status = sign(edit, error);
        if (status != NTS_OK) {
            return status;
        }
    }
    if (arguments->dry_run || (!is_changed && !edit->has_signed)) {
        return NTS_OK;
    }
    return keyring_file_write(&edit->lock, edit->document,
                              edit->exists ? KEYRING_REPLACE : KEYRING_CREATE, error);
}

static int run_edit(const struct keys_arguments *arguments, enum need need, edit_step *step)
{
    struct error error;
    struct edit edit = {
        .arguments = arguments,
        .lock = {.directory_fd = -1},
        .document = keyring_document_create(),
        .now_s = keys_now_s(),
    };
    if (edit.document == NULL) {
        return keys_no_memory();
    }
    /* Nothing is written in a dry run, so no other run has to wait for it. */
    enum nts_status status =
        arguments->dry_run ? NTS_OK : keyring_file_lock(&edit.lock, arguments->keyring, &error);
    if (status == NTS_OK) {
        status = run_locked(&edit, need, step, &error);
        keyring_file_unlock(&edit.lock);
    }
    if (status == NTS_OK) {
        print_change(&edit);
    }
    keyring_document_free(edit.document);
    return status == NTS_OK ? KEYS_DONE : keys_fail(&error);
}

/* Puts words to the statuses of the schedule. */
static enum nts_status explain(const struct edit *edit, enum nts_status status, struct error *error)
{
    if (status == NTS_ERR_NO_SPACE) {
        return error_set(error, status,
                         "%s: would have more than %d keys: choose a longer --interval, or a "
                         "shorter --ahead or --open-after",
                         edit->arguments->keyring, KEYRING_MAX_KEYS);
    }
    return status;
}

/* --- init, rotate, revoke --- */

static enum nts_status init_step(struct edit *edit, struct error *error)
{
    const struct keys_arguments *arguments = edit->arguments;
    return explain(edit,
                   key_schedule_init(edit->document, &edit->change, arguments->layout,
                                     &arguments->policy, edit->now_s),
                   error);
}

int keys_init(const struct keys_arguments *arguments)
{
    return run_edit(arguments, NEEDS_NO_FILE, init_step);
}

/* A clock that is far ahead lets every key expire. Rotating then would make keys that activate in
 * that future, and leave the servers with none today. */
static enum nts_status refuse_if_all_expired(const struct edit *edit, struct error *error)
{
    const struct keyring_document *document = edit->document;
    if (edit->arguments->force || document->num_keys == 0 ||
        last_expiry_s(document) > edit->now_s) {
        return NTS_OK;
    }
    char now[RFC3339_LEN + 1];
    rfc3339_format(now, edit->now_s);
    return error_set(error, NTS_ERR_KEYRING_FORM,
                     "%s: every key has expired, if it is %s as the clock of this host says; if it "
                     "is, go on with --force",
                     edit->arguments->keyring, now);
}

static enum nts_status rotate_step(struct edit *edit, struct error *error)
{
    const struct keys_arguments *arguments = edit->arguments;
    struct keyring_document *document = edit->document;
    enum key_layout layout = arguments->layout;
    enum nts_status status = refuse_if_all_expired(edit, error);
    if (status != NTS_OK) {
        return status;
    }
    if (!arguments->has_layout && document->num_keys > 0) {
        layout = document->keys[document->num_keys - 1].layout;
    }
    return explain(
        edit, key_schedule_rotate(document, &edit->change, layout, &arguments->policy, edit->now_s),
        error);
}

int keys_rotate(const struct keys_arguments *arguments)
{
    return run_edit(arguments, NEEDS_FILE, rotate_step);
}

static enum nts_status revoke_step(struct edit *edit, struct error *error)
{
    const struct keys_arguments *arguments = edit->arguments;
    uint8_t octets[MASTER_KEY_ID_LEN];
    if (!hex_decode(octets, sizeof(octets), arguments->operand)) {
        return error_set(error, NTS_ERR_CONFIG, "revoke: got '%s', expected 8 hexadecimal digits",
                         arguments->operand);
    }
    uint32_t id = load_u32(octets);
    enum nts_status status =
        key_schedule_revoke(edit->document, &edit->change, id, &arguments->policy, edit->now_s);
    if (status == NTS_ERR_KEY_UNKNOWN) {
        return error_set(error, status, "%s: has no key %08" PRIx32, arguments->keyring, id);
    }
    return explain(edit, status, error);
}

int keys_revoke(const struct keys_arguments *arguments)
{
    return run_edit(arguments, NEEDS_FILE, revoke_step);
}

/* --- import, sign --- */

static enum nts_status import_step(struct edit *edit, struct error *error)
{
    const struct keys_arguments *arguments = edit->arguments;
    struct secret_file file;
    struct chrony_keys keys;
    enum nts_status status =
        secret_file_read(&file, arguments->operand, CHRONY_KEYS_MAX_LEN, error);
    if (status != NTS_OK) {
        return status;
    }
    status = chrony_keys_parse(&keys, file.text, file.len, arguments->operand, error);
    if (status == NTS_OK) {
        keys.written_at_s = file.identity.st_mtim.tv_sec;
        status = chrony_keys_import(edit->document, &edit->change, &keys, &arguments->policy,
                                    edit->now_s, error);
    }
    secret_wipe(&keys, sizeof(keys));
    secret_free(file.text);
    return status;
}

int keys_import(const struct keys_arguments *arguments)
{
    return run_edit(arguments, NEEDS_NOTHING, import_step);
}

static enum nts_status sign_step(struct edit *edit, struct error *error)
{
    (void)error;
    edit->was_signed = false; /* whatever there is, it is signed anew */
    return NTS_OK;
}

int keys_sign(const struct keys_arguments *arguments)
{
    return run_edit(arguments, NEEDS_FILE, sign_step);
}

/* nts-keys show: the keyring without its secrets. */
#include "base/clock_time.h"
#include "crypto/secret_file.h"
#include "crypto/secret_mem.h"
#include "nts-keys.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *time_json(int64_t time_s)
{
    char text[RFC3339_LEN + 1];
    rfc3339_format(text, time_s);
    return json_string(text);
}

static void show_json(const struct keyring_document *document, int64_t now_s)
{
    json_t *keys = json_array();
    json_t *signature = json_null();
    for (size_t i = 0; i < document->num_keys; i++) {
        const struct master_key_spec *key = &document->keys[i];
        json_array_append_new(keys,
                              json_pack("{s:o, s:s, s:s, s:o, s:o}", "id", keys_id_json(key->id),
                                        "state", keys_key_state(document, i, now_s), "layout",
                                        key_layout_name(key->layout), "activate_at",
                                        time_json(key->activate_at_s), "expire_at",
                                        time_json(key->expire_at_s)));
    }
    if (document->signature.is_present) {
        signature = json_pack("{s:s, s:o, s:o}", "algorithm", "ed25519", "signed_at",
                              time_json(document->signature.signed_at_s), "expires_at",
                              time_json(document->signature.expires_at_s));
    }
    keys_print_json(json_pack("{s:I, s:o, s:o}", "generation", (json_int_t)document->generation,
                              "signature", signature, "keys", keys));
}

static void show_text(const struct keyring_document *document, int64_t now_s)
{
    char activate_at[RFC3339_LEN + 1];
    char expire_at[RFC3339_LEN + 1];
    printf("generation %" PRIu64 ", %zu keys", document->generation, document->num_keys);
    if (document->signature.is_present) {
        rfc3339_format(activate_at, document->signature.signed_at_s);
        rfc3339_format(expire_at, document->signature.expires_at_s);
        printf(", signed %s until %s", activate_at, expire_at);
    }
    putchar('\n');
    for (size_t i = 0; i < document->num_keys; i++) {
        const struct master_key_spec *key = &document->keys[i];
        rfc3339_format(activate_at, key->activate_at_s);
        rfc3339_format(expire_at, key->expire_at_s);
        printf("%08" PRIx32 "  %-8s  %-13s  activates %s  expires %s\n", key->id,
               keys_key_state(document, i, now_s), key_layout_name(key->layout), activate_at,
               expire_at);
    }
}

static void show_head_json(const struct envelope_head *head)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < head->num_nodes; i++) {
        json_array_append_new(nodes, json_string(head->nodes[i]));
    }
    keys_print_json(json_pack("{s:s, s:I, s:s, s:o}", "format", ENVELOPE_FORMAT, "generation",
                              (json_int_t)head->generation, "aead", envelope_aead_name(head->aead),
                              "nodes", nodes));
}

static void show_head_text(const struct envelope_head *head)
{
    printf("sealed, generation %" PRIu64 " as it says, %s, to %zu node%s\n", head->generation,
           envelope_aead_name(head->aead), head->num_nodes, head->num_nodes == 1 ? "" : "s");
    for (size_t i = 0; i < head->num_nodes; i++) {
        printf("node %s\n", head->nodes[i]);
    }
}

/* An envelope and no key for it: what it says in clear. Returns -1 if it is no envelope. */
static int show_envelope(const struct keys_arguments *arguments)
{
    struct error error;
    struct secret_file file;
    int exit_status = -1;
    if (secret_file_read_any(&file, arguments->keyring, KEYRING_FILE_MAX_LEN, &error) != NTS_OK) {
        return keys_fail(&error);
    }
    if (envelope_is(file.text, file.len)) {
        struct envelope_head *head = calloc(1, sizeof(*head));
        if (head == NULL) {
            exit_status = keys_no_memory();
        } else if (envelope_read_head(head, file.text, file.len, arguments->keyring, &error) !=
                   NTS_OK) {
            exit_status = keys_fail(&error);
        } else {
            exit_status = KEYS_DONE;
            if (arguments->json) {
                show_head_json(head);
            } else {
                show_head_text(head);
            }
        }
        free(head);
    }
    secret_free(file.text);
    return exit_status;
}

int keys_show(const struct keys_arguments *arguments)
{
    struct error error;
    if (arguments->access.node_key == NULL) {
        int exit_status = show_envelope(arguments);
        if (exit_status >= 0) {
            return exit_status;
        }
    }
    struct keyring_document *document = keyring_document_create();
    if (document == NULL) {
        return keys_no_memory();
    }
    enum nts_status status =
        keyring_file_read(document, NULL, arguments->keyring, &arguments->access, &error);
    if (status == NTS_OK && arguments->json) {
        show_json(document, keys_now_s());
    } else if (status == NTS_OK) {
        show_text(document, keys_now_s());
    }
    keyring_document_free(document);
    return status == NTS_OK ? KEYS_DONE : keys_fail(&error);
}

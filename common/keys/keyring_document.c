#include "keys/keyring_document.h"

#include "base/clock_time.h"
#include "base/hex.h"
#include "crypto/secret_mem.h"
#include "keys/strict_json.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void keyring_text_free(char *text)
{
    strict_json_free(text);
}

struct keyring_document *keyring_document_create(void)
{
    return secret_alloc(sizeof(struct keyring_document));
}

void keyring_document_free(struct keyring_document *document)
{
    secret_free(document);
}

/* --- reading --- */

static enum nts_status parse_time(int64_t *time_s, json_t *value, const char *member,
                                  const struct json_place *place)
{
    if (!json_is_string(value) || !rfc3339_parse(time_s, json_string_value(value))) {
        char text[128];
        snprintf(text, sizeof(text), "got %.40s, expected a time like \"2026-11-22T00:00:00Z\"",
                 json_is_string(value) ? json_string_value(value) : "no string");
        return strict_json_error(place, member, text);
    }
    return NTS_OK;
}

static enum nts_status parse_id(uint32_t *id, json_t *value, const struct json_place *place)
{
    uint8_t octets[MASTER_KEY_ID_LEN];
    enum nts_status status = strict_json_hex(octets, sizeof(octets), value, "id", place);
    if (status == NTS_OK) {
        *id = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 |
              octets[3];
    }
    return status;
}

static enum nts_status parse_secret(struct master_key_spec *spec, json_t *layout, json_t *secret,
                                    const struct json_place *place)
{
    if (!json_is_string(layout) || !key_layout_find(&spec->layout, json_string_value(layout))) {
        return strict_json_error(place, "layout",
                                 "expected \"chrony-siv\", \"chrony-gcmsiv\" or \"netnod\"");
    }
    return strict_json_hex(spec->secret, key_layout_secret_len(spec->layout), secret, "secret",
                           place);
}

static enum nts_status parse_key(struct master_key_spec *spec, json_t *object,
                                 const struct json_place *place)
{
    static const char *const names[] = {"id", "layout", "secret", "activate_at", "expire_at"};
    json_t *values[5];
    enum nts_status status = strict_json_members(values, names, 5, 0, object, place);
    if (status == NTS_OK) {
        status = parse_id(&spec->id, values[0], place);
    }
    if (status == NTS_OK) {
        status = parse_secret(spec, values[1], values[2], place);
    }
    if (status == NTS_OK) {
        status = parse_time(&spec->activate_at_s, values[3], names[3], place);
    }
    if (status == NTS_OK) {
        status = parse_time(&spec->expire_at_s, values[4], names[4], place);
    }
    if (status == NTS_OK && spec->expire_at_s <= spec->activate_at_s) {
        status = strict_json_error(place, "expire_at", "not later than activate_at");
    }
    return status;
}

/* The rules between keys. Sorts them. */
static enum nts_status check_keys(struct keyring_document *document, const struct json_place *place)
{
    keyring_document_sort(document);
    for (size_t i = 0; i < document->num_keys; i++) {
        const struct master_key_spec *key = &document->keys[i];
        char text[64];
        for (size_t j = i + 1; j < document->num_keys; j++) {
            const struct master_key_spec *other = &document->keys[j];
            if (other->id == key->id) {
                snprintf(text, sizeof(text), "id %08" PRIx32 " is there twice", key->id);
                return strict_json_error(place, "keys", text);
            }
            if (other->activate_at_s == key->activate_at_s && other->layout == key->layout) {
                snprintf(text, sizeof(text), "%08" PRIx32 " and %08" PRIx32 " activate at once",
                         key->id, other->id);
                return strict_json_error(place, "keys", text);
            }
        }
    }
    return NTS_OK;
}

static enum nts_status parse_keys(struct keyring_document *document, json_t *keys,
                                  const struct json_place *top)
{
    struct json_place place = *top;
    if (!json_is_array(keys) || json_array_size(keys) > KEYRING_MAX_KEYS) {
        char text[64];
        snprintf(text, sizeof(text), "expected a list of at most %d keys", KEYRING_MAX_KEYS);
        return strict_json_error(top, "keys", text);
    }
    document->num_keys = json_array_size(keys);
    for (size_t i = 0; i < document->num_keys; i++) {
        json_t *object = json_array_get(keys, i);
        snprintf(place.object, sizeof(place.object), "keys[%zu].", i);
        if (!json_is_object(object)) {
            return error_set(top->error, NTS_ERR_KEYRING_FORM, "%s: keys[%zu]: expected an object",
                             top->path, i);
        }
        enum nts_status status = parse_key(&document->keys[i], object, &place);
        if (status != NTS_OK) {
            return status;
        }
    }
    return check_keys(document, top);
}

static enum nts_status parse_signature(struct keyring_signature *signature, json_t *object,
                                       const struct json_place *top)
{
    static const char *const names[] = {"algorithm", "signed_at", "expires_at", "value"};
    json_t *values[4];
    struct json_place place = *top;
    if (!json_is_object(object)) {
        return strict_json_error(top, "signature", "expected an object");
    }
    snprintf(place.object, sizeof(place.object), "signature.");
    enum nts_status status = strict_json_members(values, names, 4, 0, object, &place);
    if (status == NTS_OK &&
        (!json_is_string(values[0]) || strcmp(json_string_value(values[0]), "ed25519") != 0)) {
        status = strict_json_error(&place, names[0], "expected \"ed25519\"");
    }
    if (status == NTS_OK) {
        status = parse_time(&signature->signed_at_s, values[1], names[1], &place);
    }
    if (status == NTS_OK) {
        status = parse_time(&signature->expires_at_s, values[2], names[2], &place);
    }
    if (status == NTS_OK && signature->expires_at_s <= signature->signed_at_s) {
        status = strict_json_error(&place, names[2], "not later than signed_at");
    }
    if (status == NTS_OK) {
        status = strict_json_hex(signature->value, SIGNATURE_LEN, values[3], names[3], &place);
    }
    signature->is_present = status == NTS_OK;
    return status;
}

static enum nts_status parse_top(struct keyring_document *document, json_t *root,
                                 const struct json_place *place)
{
    static const char *const names[] = {"format", "generation", "keys", "signature"};
    json_t *values[4];
    /* The format comes first: in a file of another one, the other members mean nothing. */
    json_t *format = json_object_get(root, names[0]);
    if (!json_is_string(format) || strcmp(json_string_value(format), KEYRING_FILE_FORMAT) != 0) {
        return strict_json_error(place, names[0], "expected \"" KEYRING_FILE_FORMAT "\"");
    }
    enum nts_status status = strict_json_members(values, names, 4, 1, root, place);
    if (status != NTS_OK) {
        return status;
    }
    if (!json_is_integer(values[1]) || json_integer_value(values[1]) < 1 ||
        json_integer_value(values[1]) > (json_int_t)KEYRING_MAX_GENERATION) {
        return strict_json_error(place, names[1], "expected an integer from 1 to 2^53 - 1");
    }
    document->generation = (uint64_t)json_integer_value(values[1]);
    status = parse_keys(document, values[2], place);
    if (status == NTS_OK && values[3] != NULL) {
        status = parse_signature(&document->signature, values[3], place);
    }
    return status;
}

enum nts_status keyring_document_parse(struct keyring_document *document, const char *text,
                                       size_t len, const char *path, struct error *error)
{
    const struct json_place place = {.path = path, .status = NTS_ERR_KEYRING_FORM, .error = error};
    json_t *root;
    secret_wipe(document, sizeof(*document));
    enum nts_status status = strict_json_load(&root, text, len, &place);
    if (status != NTS_OK) {
        return status;
    }
    status = parse_top(document, root, &place);
    json_decref(root);
    if (status != NTS_OK) {
        secret_wipe(document, sizeof(*document));
    }
    return status;
}

/* --- writing --- */

static json_t *key_to_json(const struct master_key_spec *spec)
{
    char id[2 * MASTER_KEY_ID_LEN + 1];
    char secret[2 * MASTER_KEY_MAX_SECRET + 1];
    char activate_at[RFC3339_LEN + 1];
    char expire_at[RFC3339_LEN + 1];
    snprintf(id, sizeof(id), "%08" PRIx32, spec->id);
    hex_encode(secret, spec->secret, key_layout_secret_len(spec->layout));
    rfc3339_format(activate_at, spec->activate_at_s);
    rfc3339_format(expire_at, spec->expire_at_s);
    json_t *key =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "layout", key_layout_name(spec->layout),
                  "secret", secret, "activate_at", activate_at, "expire_at", expire_at);
    secret_wipe(secret, sizeof(secret));
    return key;
}

static json_t *signature_to_json(const struct keyring_signature *signature, bool with_value)
{
    char signed_at[RFC3339_LEN + 1];
    char expires_at[RFC3339_LEN + 1];
    char value[2 * SIGNATURE_LEN + 1];
    rfc3339_format(signed_at, signature->signed_at_s);
    rfc3339_format(expires_at, signature->expires_at_s);
    hex_encode(value, signature->value, SIGNATURE_LEN);
    json_t *json = json_pack("{s:s, s:s, s:s}", "algorithm", "ed25519", "signed_at", signed_at,
                             "expires_at", expires_at);
    if (with_value) {
        json_object_set_new(json, "value", json_string(value));
    }
    return json;
}

static char *document_dump(const struct keyring_document *document, bool with_value, size_t flags)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < document->num_keys; i++) {
        json_array_append_new(keys, key_to_json(&document->keys[i]));
    }
    json_t *root = json_pack("{s:s, s:I, s:o}", "format", KEYRING_FILE_FORMAT, "generation",
                             (json_int_t)document->generation, "keys", keys);
    if (document->signature.is_present) {
        json_object_set_new(root, "signature", signature_to_json(&document->signature, with_value));
    }
    char *text = json_dumps(root, flags);
    json_decref(root);
    return text;
}

char *keyring_document_format(const struct keyring_document *document)
{
    return document_dump(document, true, JSON_INDENT(2));
}

char *keyring_document_signed_text(const struct keyring_document *document)
{
    /* All of it is ASCII, and every number an integer below 2^53: so jansson's compact form with
     * sorted members is that of RFC 8785. */
    return document_dump(document, false, JSON_COMPACT | JSON_SORT_KEYS);
}

/* --- looking things up --- */

static int compare_keys(const void *a, const void *b)
{
    const struct master_key_spec *left = a;
    const struct master_key_spec *right = b;
    if (left->activate_at_s != right->activate_at_s) {
        return left->activate_at_s < right->activate_at_s ? -1 : 1;
    }
    return left->id < right->id ? -1 : left->id > right->id;
}

void keyring_document_sort(struct keyring_document *document)
{
    qsort(document->keys, document->num_keys, sizeof(document->keys[0]), compare_keys);
}

size_t keyring_document_find(const struct keyring_document *document, uint32_t id)
{
    size_t i = 0;
    while (i < document->num_keys && document->keys[i].id != id) {
        i++;
    }
    return i;
}

size_t keyring_document_active(const struct keyring_document *document, int64_t now_s)
{
    for (size_t i = document->num_keys; i-- > 0;) {
        const struct master_key_spec *key = &document->keys[i];
        if (key->activate_at_s <= now_s && now_s < key->expire_at_s) {
            return i;
        }
    }
    return document->num_keys;
}

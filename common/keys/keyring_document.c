#include "keys/keyring_document.h"

#include "base/clock_time.h"
#include "base/hex.h"
#include "crypto/secret_mem.h"
#include "keys/strict_json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void keyring_text_free(char *text)
{
    secret_free(text);
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

static enum nts_status parse_time(int64_t *time_s, const struct json_slice *value,
                                  const char *member, const struct json_place *place)
{
    char time_text[RFC3339_LEN + 1];
    if (json_slice_string(time_text, sizeof(time_text), value) != RFC3339_LEN ||
        !rfc3339_parse(time_s, time_text)) {
        char got[41] = "no string";
        char text[128];
        if (*value->start == '"') {
            json_slice_string(got, sizeof(got), value);
        }
        snprintf(text, sizeof(text), "got %s, expected a time like \"2026-11-22T00:00:00Z\"", got);
        return strict_json_error(place, member, text);
    }
    return NTS_OK;
}

static enum nts_status parse_id(uint32_t *id, const struct json_slice *value,
                                const struct json_place *place)
{
    uint8_t octets[MASTER_KEY_ID_LEN];
    enum nts_status status = strict_json_hex(octets, sizeof(octets), value, "id", place);
    if (status == NTS_OK) {
        *id = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 |
              octets[3];
    }
    return status;
}

static enum nts_status parse_secret(struct master_key_spec *spec, const struct json_slice *layout,
                                    const struct json_slice *secret, const struct json_place *place)
{
    char name[32];
    if (json_slice_string(name, sizeof(name), layout) == SIZE_MAX ||
        !key_layout_find(&spec->layout, name)) {
        return strict_json_error(place, "layout",
                                 "expected \"chrony-siv\", \"chrony-gcmsiv\" or \"netnod\"");
    }
    return strict_json_hex(spec->secret, key_layout_secret_len(spec->layout), secret, "secret",
                           place);
}

static enum nts_status parse_key(struct master_key_spec *spec, const struct json_slice *object,
                                 const struct json_place *place)
{
    static const char *const names[] = {"id", "layout", "secret", "activate_at", "expire_at"};
    static const struct json_members members = {.names = names, .num = 5};
    struct json_slice values[5];
    enum nts_status status = strict_json_members(values, &members, object, place);
    if (status == NTS_OK) {
        status = parse_id(&spec->id, &values[0], place);
    }
    if (status == NTS_OK) {
        status = parse_secret(spec, &values[1], &values[2], place);
    }
    if (status == NTS_OK) {
        status = parse_time(&spec->activate_at_s, &values[3], names[3], place);
    }
    if (status == NTS_OK) {
        status = parse_time(&spec->expire_at_s, &values[4], names[4], place);
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

static enum nts_status parse_keys(struct keyring_document *document, const struct json_slice *keys,
                                  const struct json_place *top)
{
    struct json_place place = *top;
    struct json_slice object;
    struct json_slice rest = *keys;
    size_t num = 0;
    bool is_right = json_slice_is_list(keys);
    while (is_right && json_slice_next(&object, NULL, &rest)) {
        is_right = ++num <= KEYRING_MAX_KEYS;
    }
    if (!is_right) {
        char text[64];
        snprintf(text, sizeof(text), "expected a list of at most %d keys", KEYRING_MAX_KEYS);
        return strict_json_error(top, "keys", text);
    }
    document->num_keys = num;
    rest = *keys;
    for (size_t i = 0; json_slice_next(&object, NULL, &rest); i++) {
        snprintf(place.object, sizeof(place.object), "keys[%zu].", i);
        if (!json_slice_is_object(&object)) {
            return error_set(top->error, NTS_ERR_KEYRING_FORM, "%s: keys[%zu]: expected an object",
                             top->path, i);
        }
        enum nts_status status = parse_key(&document->keys[i], &object, &place);
        if (status != NTS_OK) {
            return status;
        }
    }
    return check_keys(document, top);
}

static enum nts_status parse_signature(struct keyring_signature *signature,
                                       const struct json_slice *object,
                                       const struct json_place *top)
{
    static const char *const names[] = {"algorithm", "signed_at", "expires_at", "value"};
    static const struct json_members members = {.names = names, .num = 4};
    struct json_slice values[4];
    struct json_place place = *top;
    if (!json_slice_is_object(object)) {
        return strict_json_error(top, "signature", "expected an object");
    }
    snprintf(place.object, sizeof(place.object), "signature.");
    enum nts_status status = strict_json_members(values, &members, object, &place);
    if (status == NTS_OK && !json_slice_equals(&values[0], "ed25519")) {
        status = strict_json_error(&place, names[0], "expected \"ed25519\"");
    }
    if (status == NTS_OK) {
        status = parse_time(&signature->signed_at_s, &values[1], names[1], &place);
    }
    if (status == NTS_OK) {
        status = parse_time(&signature->expires_at_s, &values[2], names[2], &place);
    }
    if (status == NTS_OK && signature->expires_at_s <= signature->signed_at_s) {
        status = strict_json_error(&place, names[2], "not later than signed_at");
    }
    if (status == NTS_OK) {
        status = strict_json_hex(signature->value, SIGNATURE_LEN, &values[3], names[3], &place);
    }
    signature->is_present = status == NTS_OK;
    return status;
}

static enum nts_status parse_top(struct keyring_document *document, const struct json_slice *root,
                                 const struct json_place *place)
{
    static const char *const names[] = {"format", "generation", "keys", "signature"};
    static const struct json_members members = {.names = names, .num = 4, .num_optional = 1};
    struct json_slice values[4];
    int64_t generation;
    /* The format comes first: in a file of another one, the other members mean nothing. */
    if (!json_slice_member(&values[0], root, names[0]) ||
        !json_slice_equals(&values[0], KEYRING_FILE_FORMAT)) {
        return strict_json_error(place, names[0], "expected \"" KEYRING_FILE_FORMAT "\"");
    }
    enum nts_status status = strict_json_members(values, &members, root, place);
    if (status != NTS_OK) {
        return status;
    }
    if (!json_slice_integer(&generation, &values[1]) || generation < 1 ||
        generation > (int64_t)KEYRING_MAX_GENERATION) {
        return strict_json_error(place, names[1], "expected an integer from 1 to 2^53 - 1");
    }
    document->generation = (uint64_t)generation;
    status = parse_keys(document, &values[2], place);
    if (status == NTS_OK && values[3].start != NULL) {
        status = parse_signature(&document->signature, &values[3], place);
    }
    return status;
}

enum nts_status keyring_document_parse(struct keyring_document *document, const char *text,
                                       size_t len, const char *path, struct error *error)
{
    const struct json_place place = {.path = path, .status = NTS_ERR_KEYRING_FORM, .error = error};
    struct json_slice root;
    secret_wipe(document, sizeof(*document));
    enum nts_status status = strict_json_parse(&root, text, len, &place);
    if (status == NTS_OK) {
        status = parse_top(document, &root, &place);
    }
    if (status != NTS_OK) {
        secret_wipe(document, sizeof(*document));
    }
    return status;
}

/* --- writing --- */

/* Room for a key, and for all around the keys, in either form. */
#define MAX_KEY_TEXT_LEN (256 + 2 * MASTER_KEY_MAX_SECRET)
#define MAX_TOP_TEXT_LEN (512 + 2 * SIGNATURE_LEN)

/* A text that grows in memory which was allocated for its greatest length, and is wiped: no copy of
 * a secret stays behind, as one would where memory grows. */
struct secret_text {
    char *text;
    size_t len;
    size_t capacity;
};

static bool begin_text(struct secret_text *out, const struct keyring_document *document)
{
    out->len = 0;
    out->capacity = MAX_TOP_TEXT_LEN + document->num_keys * MAX_KEY_TEXT_LEN;
    out->text = secret_alloc(out->capacity);
    return out->text != NULL;
}

NTS_PRINTF(2, 3)
static void append(struct secret_text *out, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int len = vsnprintf(out->text + out->len, out->capacity - out->len, format, values);
    va_end(values);
    assert(len >= 0 && (size_t)len < out->capacity - out->len);
    out->len += (size_t)len;
}

/* The strings of a key as they stand in the file. */
struct key_text {
    char secret[2 * MASTER_KEY_MAX_SECRET + 1];
    char activate_at[RFC3339_LEN + 1];
    char expire_at[RFC3339_LEN + 1];
};

static void format_key(struct key_text *text, const struct master_key_spec *spec)
{
    hex_encode(text->secret, spec->secret, key_layout_secret_len(spec->layout));
    rfc3339_format(text->activate_at, spec->activate_at_s);
    rfc3339_format(text->expire_at, spec->expire_at_s);
}

static void append_file_keys(struct secret_text *out, const struct keyring_document *document)
{
    struct key_text text;
    for (size_t i = 0; i < document->num_keys; i++) {
        const struct master_key_spec *spec = &document->keys[i];
        format_key(&text, spec);
        append(out, "%s\n    {\n      \"id\": \"%08" PRIx32 "\",\n      \"layout\": \"%s\",\n",
               i > 0 ? "," : "", spec->id, key_layout_name(spec->layout));
        append(out, "      \"secret\": \"%s\",\n      \"activate_at\": \"%s\",\n", text.secret,
               text.activate_at);
        append(out, "      \"expire_at\": \"%s\"\n    }", text.expire_at);
    }
    secret_wipe(&text, sizeof(text));
    append(out, document->num_keys > 0 ? "\n  ]" : "]");
}

char *keyring_document_format(const struct keyring_document *document)
{
    const struct keyring_signature *signature = &document->signature;
    struct secret_text out;
    if (!begin_text(&out, document)) {
        return NULL;
    }
    append(&out,
           "{\n  \"format\": \"" KEYRING_FILE_FORMAT "\",\n  \"generation\": %" PRIu64
           ",\n  \"keys\": [",
           document->generation);
    append_file_keys(&out, document);
    if (signature->is_present) {
        char signed_at[RFC3339_LEN + 1];
        char expires_at[RFC3339_LEN + 1];
        char value[2 * SIGNATURE_LEN + 1];
        rfc3339_format(signed_at, signature->signed_at_s);
        rfc3339_format(expires_at, signature->expires_at_s);
        hex_encode(value, signature->value, SIGNATURE_LEN);
        append(&out, ",\n  \"signature\": {\n    \"algorithm\": \"ed25519\",\n");
        append(&out,
               "    \"signed_at\": \"%s\",\n    \"expires_at\": \"%s\",\n"
               "    \"value\": \"%s\"\n  }",
               signed_at, expires_at, value);
    }
    append(&out, "\n}");
    return out.text;
}

char *keyring_document_signed_text(const struct keyring_document *document)
{
    /* RFC 8785: members sorted, no white space. All of it is ASCII, and every number an integer
     * below 2^53. */
    struct key_text text;
    struct secret_text out;
    if (!begin_text(&out, document)) {
        return NULL;
    }
    append(&out, "{\"format\":\"" KEYRING_FILE_FORMAT "\",\"generation\":%" PRIu64 ",\"keys\":[",
           document->generation);
    for (size_t i = 0; i < document->num_keys; i++) {
        const struct master_key_spec *spec = &document->keys[i];
        format_key(&text, spec);
        append(&out, "%s{\"activate_at\":\"%s\",\"expire_at\":\"%s\",\"id\":\"%08" PRIx32 "\",",
               i > 0 ? "," : "", text.activate_at, text.expire_at, spec->id);
        append(&out, "\"layout\":\"%s\",\"secret\":\"%s\"}", key_layout_name(spec->layout),
               text.secret);
    }
    secret_wipe(&text, sizeof(text));
    append(&out, "]");
    if (document->signature.is_present) {
        char signed_at[RFC3339_LEN + 1];
        char expires_at[RFC3339_LEN + 1];
        rfc3339_format(signed_at, document->signature.signed_at_s);
        rfc3339_format(expires_at, document->signature.expires_at_s);
        append(
            &out,
            ",\"signature\":{\"algorithm\":\"ed25519\",\"expires_at\":\"%s\",\"signed_at\":\"%s\"}",
            expires_at, signed_at);
    }
    append(&out, "}");
    return out.text;
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

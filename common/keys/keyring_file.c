#include "keys/keyring_file.h"

#include "base/clock_time.h"
#include "base/hex.h"
#include "crypto/secret_file.h"
#include "crypto/secret_mem.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file's text passes through jansson's memory: let it wipe whatever it frees. Set before main,
 * because memory of one allocator must not be freed by the other. */
struct json_block {
    _Alignas(16) size_t total_len;
};

static void *json_malloc_sized(size_t size)
{
    struct json_block *block = malloc(sizeof(*block) + size);
    if (block == NULL) {
        return NULL;
    }
    block->total_len = sizeof(*block) + size;
    return block + 1;
}

static void json_free_wiped(void *memory)
{
    if (memory != NULL) {
        struct json_block *block = (struct json_block *)memory - 1;
        secret_wipe(block, block->total_len);
        free(block);
    }
}

__attribute__((constructor)) static void json_wipes_what_it_frees(void)
{
    json_set_alloc_funcs(json_malloc_sized, json_free_wiped);
}

/* Where in the file an error is, for its text. */
struct place {
    const char *path;
    size_t key_at;
    struct error *error;
};

static enum nts_status key_error(const struct place *place, const char *member, const char *text)
{
    return error_set(place->error, NTS_ERR_FILE, "%s: keys[%zu].%s: %s", place->path, place->key_at,
                     member, text);
}

static enum nts_status parse_time(int64_t *time_s, const struct place *place, json_t *value,
                                  const char *member)
{
    if (!json_is_string(value) || !rfc3339_parse(time_s, json_string_value(value))) {
        char text[128];
        snprintf(text, sizeof(text), "got %.40s, expected a time like \"2026-11-22T00:00:00Z\"",
                 json_is_string(value) ? json_string_value(value) : "no string");
        return key_error(place, member, text);
    }
    return NTS_OK;
}

static enum nts_status parse_id(uint32_t *id, const struct place *place, json_t *value)
{
    uint8_t octets[MASTER_KEY_ID_LEN];
    if (!json_is_string(value) || !hex_decode(octets, sizeof(octets), json_string_value(value))) {
        return key_error(place, "id", "expected 8 hexadecimal digits");
    }
    *id = (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8 |
          octets[3];
    return NTS_OK;
}

static enum nts_status parse_key(struct master_key_spec *spec, const struct place *place,
                                 json_t *object)
{
    static const char *const members[] = {"id", "layout", "secret", "activate_at", "expire_at"};
    json_t *values[5];
    if (!json_is_object(object)) {
        return error_set(place->error, NTS_ERR_FILE, "%s: keys[%zu]: expected an object",
                         place->path, place->key_at);
    }
    for (size_t i = 0; i < 5; i++) {
        values[i] = json_object_get(object, members[i]);
        if (values[i] == NULL) {
            return key_error(place, members[i], "missing");
        }
    }
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        bool known = false;
        for (size_t i = 0; i < 5; i++) {
            known = known || strcmp(name, members[i]) == 0;
        }
        if (!known) {
            char member[64];
            snprintf(member, sizeof(member), "%.60s", name);
            return key_error(place, member, "unknown member");
        }
    }

    enum nts_status status = parse_id(&spec->id, place, values[0]);
    if (status != NTS_OK) {
        return status;
    }
    if (!json_is_string(values[1]) ||
        !key_layout_find(&spec->layout, json_string_value(values[1]))) {
        return key_error(place, "layout",
                         "expected \"chrony-siv\", \"chrony-gcmsiv\" or \"netnod\"");
    }
    size_t secret_len = key_layout_secret_len(spec->layout);
    if (!json_is_string(values[2]) ||
        !hex_decode(spec->secret, secret_len, json_string_value(values[2]))) {
        char text[96];
        snprintf(text, sizeof(text), "expected %zu hexadecimal digits for layout %s",
                 2 * secret_len, key_layout_name(spec->layout));
        return key_error(place, "secret", text);
    }
    status = parse_time(&spec->activate_at_s, place, values[3], "activate_at");
    if (status != NTS_OK) {
        return status;
    }
    status = parse_time(&spec->expire_at_s, place, values[4], "expire_at");
    if (status != NTS_OK) {
        return status;
    }
    if (spec->expire_at_s <= spec->activate_at_s) {
        return key_error(place, "expire_at", "not later than activate_at");
    }
    return NTS_OK;
}

/* The members of the outermost object. */
static enum nts_status parse_top(uint64_t *generation, json_t **keys, const char *path,
                                 json_t *root, struct error *error)
{
    json_t *format = json_object_get(root, "format");
    json_t *generation_value = json_object_get(root, "generation");
    *keys = json_object_get(root, "keys");
    if (!json_is_string(format) || strcmp(json_string_value(format), KEYRING_FILE_FORMAT) != 0) {
        return error_set(error, NTS_ERR_FILE, "%s: format: expected \"" KEYRING_FILE_FORMAT "\"",
                         path);
    }
    if (!json_is_integer(generation_value) || json_integer_value(generation_value) < 1) {
        return error_set(error, NTS_ERR_FILE, "%s: generation: expected an integer from 1", path);
    }
    if (!json_is_array(*keys) || json_array_size(*keys) > KEYRING_MAX_KEYS) {
        return error_set(error, NTS_ERR_FILE, "%s: keys: expected an array of at most %d keys",
                         path, KEYRING_MAX_KEYS);
    }
    if (json_object_size(root) != 3) {
        return error_set(error, NTS_ERR_FILE,
                         "%s: unknown member beside format, generation and keys", path);
    }
    *generation = (uint64_t)json_integer_value(generation_value);
    return NTS_OK;
}

static int compare_ids(const void *a, const void *b)
{
    uint32_t left = ((const struct master_key_spec *)a)->id;
    uint32_t right = ((const struct master_key_spec *)b)->id;
    return left < right ? -1 : left > right;
}

static enum nts_status parse_keys(struct master_key_spec *specs, const char *path, json_t *keys,
                                  struct error *error)
{
    struct place place = {.path = path, .error = error};
    size_t num = json_array_size(keys);
    for (place.key_at = 0; place.key_at < num; place.key_at++) {
        enum nts_status status =
            parse_key(&specs[place.key_at], &place, json_array_get(keys, place.key_at));
        if (status != NTS_OK) {
            return status;
        }
    }
    qsort(specs, num, sizeof(*specs), compare_ids);
    for (size_t i = 1; i < num; i++) {
        if (specs[i].id == specs[i - 1].id) {
            return error_set(error, NTS_ERR_FILE, "%s: keys: id %08" PRIx32 " is there twice", path,
                             specs[i].id);
        }
    }
    return NTS_OK;
}

enum nts_status keyring_file_load(struct keyring **ring, struct stat *identity, const char *path,
                                  struct error *error)
{
    struct secret_file file;
    json_t *root = NULL;
    json_t *keys = NULL;
    struct master_key_spec *specs = NULL;
    uint64_t generation = 0;

    enum nts_status status = secret_file_read(&file, path, KEYRING_FILE_MAX_LEN, error);
    if (status != NTS_OK) {
        return status;
    }
    json_error_t json_error;
    root = json_loadb(file.text, file.len, JSON_REJECT_DUPLICATES, &json_error);
    if (!json_is_object(root)) {
        /* jansson quotes the text near the fault, which may be a secret: give only the place. */
        status =
            error_set(error, NTS_ERR_FILE, "%s: not a JSON object (line %d, column %d)", path,
                      root == NULL ? json_error.line : 1, root == NULL ? json_error.column : 1);
        goto done;
    }
    status = parse_top(&generation, &keys, path, root, error);
    if (status != NTS_OK) {
        goto done;
    }
    size_t num = json_array_size(keys);
    specs = secret_alloc((num + 1) * sizeof(*specs));
    if (specs == NULL) {
        status = error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
        goto done;
    }
    status = parse_keys(specs, path, keys, error);
    if (status != NTS_OK) {
        goto done;
    }
    *ring = keyring_create(generation, specs, num);
    if (*ring == NULL) {
        status = error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
        goto done;
    }
    if (identity != NULL) {
        *identity = file.identity;
    }

done:
    secret_free(specs);
    json_decref(root);
    secret_free(file.text);
    return status;
}

#include "keys/strict_json.h"

#include "base/hex.h"
#include "crypto/secret_mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text passes through jansson's memory: let it wipe whatever it frees. Set before main, because
 * memory of one allocator must not be freed by the other. */
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

void strict_json_free(char *text)
{
    json_free_wiped(text);
}

enum nts_status strict_json_load(json_t **root, const char *text, size_t len,
                                 const struct json_place *place)
{
    json_error_t json_error = {.line = 1, .column = 1};
    *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &json_error);
    if (json_is_object(*root)) {
        return NTS_OK;
    }
    /* jansson quotes the text near the fault, which may be a secret: give only the place. */
    error_set(place->error, place->status, "%s: not a JSON object (line %d, column %d)",
              place->path, *root == NULL ? json_error.line : 1,
              *root == NULL ? json_error.column : 1);
    json_decref(*root);
    *root = NULL;
    return place->status;
}

enum nts_status strict_json_error(const struct json_place *place, const char *member,
                                  const char *text)
{
    return error_set(place->error, place->status, "%s: %s%.60s: %s", place->path, place->object,
                     member, text);
}

enum nts_status strict_json_members(json_t **values, const char *const *names, size_t num,
                                    size_t num_optional, json_t *object,
                                    const struct json_place *place)
{
    for (size_t i = 0; i < num; i++) {
        values[i] = json_object_get(object, names[i]);
        if (values[i] == NULL && i + num_optional < num) {
            return strict_json_error(place, names[i], "missing");
        }
    }
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        bool known = false;
        for (size_t i = 0; i < num; i++) {
            known = known || strcmp(name, names[i]) == 0;
        }
        if (!known) {
            return strict_json_error(place, name, "unknown member");
        }
    }
    return NTS_OK;
}

enum nts_status strict_json_hex(uint8_t *octets, size_t len, json_t *value, const char *member,
                                const struct json_place *place)
{
    if (!json_is_string(value) || !hex_decode(octets, len, json_string_value(value))) {
        char text[64];
        snprintf(text, sizeof(text), "expected %zu hexadecimal digits", 2 * len);
        return strict_json_error(place, member, text);
    }
    return NTS_OK;
}

#include "keys/strict_json.h"

#include "base/hex.h"
#include "crypto/secret_mem.h"

#include <assert.h>
#include <stdio.h>

enum nts_status strict_json_parse(struct json_slice *root, const char *text, size_t len,
                                  const struct json_place *place)
{
    struct json_position fault = {.line = 1, .column = 1};
    if (json_slice_parse(root, text, len, &fault) && json_slice_is_object(root)) {
        return NTS_OK;
    }
    /* The text near the fault may be a secret: the error gives only the place. */
    return error_set(place->error, place->status, "%s: not a JSON object (line %d, column %d)",
                     place->path, fault.line, fault.column);
}

enum nts_status strict_json_error(const struct json_place *place, const char *member,
                                  const char *text)
{
    return error_set(place->error, place->status, "%s: %s%.60s: %s", place->path, place->object,
                     member, text);
}

static bool is_known(const struct json_members *members, const struct json_slice *name)
{
    for (size_t i = 0; i < members->num; i++) {
        if (json_slice_equals(name, members->names[i])) {
            return true;
        }
    }
    return false;
}

enum nts_status strict_json_members(struct json_slice *values, const struct json_members *members,
                                    const struct json_slice *object, const struct json_place *place)
{
    for (size_t i = 0; i < members->num; i++) {
        if (!json_slice_member(&values[i], object, members->names[i])) {
            values[i] = (struct json_slice){0};
            if (i + members->num_optional < members->num) {
                return strict_json_error(place, members->names[i], "missing");
            }
        }
    }
    struct json_slice name;
    struct json_slice value;
    struct json_slice rest = *object;
    while (json_slice_next(&value, &name, &rest)) {
        if (!is_known(members, &name)) {
            char text[64];
            json_slice_string(text, sizeof(text), &name);
            return strict_json_error(place, text, "unknown member");
        }
    }
    return NTS_OK;
}

enum nts_status strict_json_hex(uint8_t *octets, size_t len, const struct json_slice *value,
                                const char *member, const struct json_place *place)
{
    char digits[2 * STRICT_JSON_MAX_HEX + 1];
    assert(len <= STRICT_JSON_MAX_HEX);
    bool is_right = json_slice_string(digits, sizeof(digits), value) == 2 * len &&
                    hex_decode(octets, len, digits);
    secret_wipe(digits, sizeof(digits));
    if (!is_right) {
        char text[64];
        snprintf(text, sizeof(text), "expected %zu hexadecimal digits", 2 * len);
        return strict_json_error(place, member, text);
    }
    return NTS_OK;
}

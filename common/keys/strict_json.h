/* Strict reading of JSON that may hold secrets: every member known and there once, and errors that
 * name the place and what was expected but quote no value. Values are slices of the caller's text,
 * which the caller wipes. */
#ifndef NTS_KEYS_STRICT_JSON_H
#define NTS_KEYS_STRICT_JSON_H

#include "base/json_slice.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* Where in a file a member is, and how an error there is reported. */
struct json_place {
    const char *path;
    char object[32];        /* "keys[3].", "signature.", or empty at the top */
    enum nts_status status; /* of every error of the format */
    struct error *error;
};

/* strict_json_parse checks `len` octets that must be one object. Returns place->status with text if
 * they are not. */
NTS_MUST_CHECK enum nts_status strict_json_parse(struct json_slice *root, const char *text,
                                                 size_t len, const struct json_place *place);

/* strict_json_error sets the text "path: object.member: text" and returns place->status. */
enum nts_status strict_json_error(const struct json_place *place, const char *member,
                                  const char *text);

/* The members that an object has to have, and no others. */
struct json_members {
    const char *const *names;
    size_t num;
    size_t num_optional; /* of the last ones */
};

/* strict_json_members fills `values` with the members of `object`; those that are optional and
 * absent have NULL as start. */
NTS_MUST_CHECK enum nts_status strict_json_members(struct json_slice *values,
                                                   const struct json_members *members,
                                                   const struct json_slice *object,
                                                   const struct json_place *place);

/* strict_json_hex reads a string of exactly 2 * len hexadecimal digits, len at most
 * STRICT_JSON_MAX_HEX. */
#define STRICT_JSON_MAX_HEX 128
NTS_MUST_CHECK enum nts_status strict_json_hex(uint8_t *octets, size_t len,
                                               const struct json_slice *value, const char *member,
                                               const struct json_place *place);

#endif

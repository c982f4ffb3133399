/* Strict reading of JSON that may hold secrets: every member known and there once, errors that name
 * the place and what was expected but quote no value, and memory that is wiped when jansson frees
 * it. */
#ifndef NTS_KEYS_STRICT_JSON_H
#define NTS_KEYS_STRICT_JSON_H

#include "base/status.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Where in a file a member is, and how an error there is told. */
struct json_place {
    const char *path;
    char object[32];        /* "keys[3].", "signature.", or empty at the top */
    enum nts_status status; /* of every error of the format */
    struct error *error;
};

/* strict_json_load parses `len` octets that must be one object. Give back with json_decref. Returns
 * place->status with text, and then NULL in `*root`. */
NTS_MUST_CHECK enum nts_status strict_json_load(json_t **root, const char *text, size_t len,
                                                const struct json_place *place);

/* strict_json_error sets the text "path: object.member: text" and returns place->status. */
enum nts_status strict_json_error(const struct json_place *place, const char *member,
                                  const char *text);

/* strict_json_members fills `values`, borrowed, with the members of `object` that `names` lists; no
 * other may be there, and none missing but for the last `num_optional`, which are NULL then. */
NTS_MUST_CHECK enum nts_status strict_json_members(json_t **values, const char *const *names,
                                                   size_t num, size_t num_optional, json_t *object,
                                                   const struct json_place *place);

/* strict_json_hex reads a string of exactly 2 * len hexadecimal digits. */
NTS_MUST_CHECK enum nts_status strict_json_hex(uint8_t *octets, size_t len, json_t *value,
                                               const char *member, const struct json_place *place);

/* strict_json_free wipes and frees what json_dumps returned; NULL is allowed. */
void strict_json_free(char *text);

#endif

/* JSON (RFC 8259) read in place: a value is a slice of the caller's text. Nothing is copied but by
 * json_slice_string, and nothing is allocated, so that secrets in the text stay where the caller
 * can wipe them. Strict: no duplicate members, no octets behind the value, valid UTF-8 alone. */
#ifndef NTS_BASE_JSON_SLICE_H
#define NTS_BASE_JSON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_SLICE_MAX_DEPTH   16 /* of objects and lists in each other */
#define JSON_SLICE_MAX_MEMBERS 32 /* of one object */

/* A value of a text that json_slice_parse has accepted, without white space around it. */
struct json_slice {
    const char *start;
    const char *end;
};

/* Where a text is no JSON, counted from 1; columns are octets. */
struct json_position {
    int line;
    int column;
};

/* json_slice_parse checks the `len` octets at `text` and returns the value that they are. False
 * with the position of the fault if they are no JSON value, or exceed the limits above. */
bool json_slice_parse(struct json_slice *value, const char *text, size_t len,
                      struct json_position *fault);

bool json_slice_is_object(const struct json_slice *value);
bool json_slice_is_list(const struct json_slice *value);

/* json_slice_next moves on to the next element of a list, or member of an object, whose name is in
 * `*name` then (NULL for lists). `*rest` is the list or object itself at first. False at the end.
 */
bool json_slice_next(struct json_slice *value, struct json_slice *name, struct json_slice *rest);

/* json_slice_member finds a member of an object. False if it is not there, or `object` is none. */
bool json_slice_member(struct json_slice *value, const struct json_slice *object, const char *name);

/* json_slice_integer reads a number without fraction and exponent. False for anything else. */
bool json_slice_integer(int64_t *integer, const struct json_slice *value);

/* json_slice_string decodes a string into `capacity` octets, NUL included, and returns its length;
 * SIZE_MAX if it is no string or longer, with as much as fits in `text`. No string contains NUL.
 * The decoded text is never longer than the slice. */
size_t json_slice_string(char *text, size_t capacity, const struct json_slice *value);

/* json_slice_equals tells whether a value is the string `text`. */
bool json_slice_equals(const struct json_slice *value, const char *text);

#endif

#include "keys/chrony_keys.h"

#include "base/hex.h"
#include "crypto/secret_mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FORMAT_NKS0 "NKS0"
#define FORMAT_NKS1 "NKS1"

#define MAX_FIELDS 3
#define AGE_DIGITS 10 /* before the point, and after it */
#define MAX_AGE_S  (3650.0 * 86400)

/* The layouts that chrony has, by the number of its AEAD. */
static const struct {
    const char *aead;
    enum key_layout layout;
} chrony_layouts[] = {{"15", KEY_LAYOUT_CHRONY_SIV}, {"30", KEY_LAYOUT_CHRONY_GCMSIV}};

#define NUM_LAYOUTS (sizeof(chrony_layouts) / sizeof(chrony_layouts[0]))

/* NULL for a layout that chrony does not have. */
static const char *layout_aead(enum key_layout layout)
{
    for (size_t i = 0; i < NUM_LAYOUTS; i++) {
        if (chrony_layouts[i].layout == layout) {
            return chrony_layouts[i].aead;
        }
    }
    return NULL;
}

bool chrony_has_layout(enum key_layout layout)
{
    return layout_aead(layout) != NULL;
}

/* --- reading --- */

struct field {
    const char *at;
    size_t len;
};

/* The text that is left, line by line. */
struct lines {
    const char *at;
    const char *end;
    unsigned number; /* of the line read last */
    const char *path;
    struct error *error;
};

static enum nts_status line_error(const struct lines *lines, const char *expected)
{
    return error_set(lines->error, NTS_ERR_KEYRING_FORM, "%s: line %u: expected %s", lines->path,
                     lines->number, expected);
}

static bool field_is(const struct field *field, const char *text)
{
    return field->len == strlen(text) && memcmp(field->at, text, field->len) == 0;
}

/* Takes the next line; false if it is not `num` fields with one space between them. */
static bool take_line(struct lines *lines, struct field *fields, size_t num)
{
    lines->number++;
    if (lines->at == lines->end) {
        return false;
    }
    const char *newline = memchr(lines->at, '\n', (size_t)(lines->end - lines->at));
    const char *line_end = newline == NULL ? lines->end : newline;
    const char *at = lines->at;
    lines->at = newline == NULL ? lines->end : newline + 1;
    for (size_t i = 0; i < num; i++) {
        const char *space = memchr(at, ' ', (size_t)(line_end - at));
        const char *field_end = space == NULL ? line_end : space;
        if ((space == NULL) != (i == num - 1)) {
            return false;
        }
        fields[i] = (struct field){at, (size_t)(field_end - at)};
        at = space == NULL ? line_end : space + 1;
    }
    return true;
}

static bool parse_layout(enum key_layout *layout, const struct field *field)
{
    for (size_t i = 0; i < NUM_LAYOUTS; i++) {
        if (field_is(field, chrony_layouts[i].aead)) {
            *layout = chrony_layouts[i].layout;
            return true;
        }
    }
    return false;
}

static size_t count_digits(const char *at, const char *end)
{
    const char *digit = at;
    while (digit < end && *digit >= '0' && *digit <= '9') {
        digit++;
    }
    return (size_t)(digit - at);
}

/* By hand: strtod would take signs, exponents, "nan" and the locale's point. */
static bool parse_age(double *age_s, const struct field *field)
{
    const char *end = field->at + field->len;
    size_t num_whole = count_digits(field->at, end);
    size_t num_fraction = 0;
    if (num_whole < field->len) {
        const char *point = field->at + num_whole;
        num_fraction = count_digits(point + 1, end);
        if (*point != '.' || num_fraction == 0 || num_whole + 1 + num_fraction != field->len) {
            return false;
        }
    }
    if (num_whole == 0 || num_whole > AGE_DIGITS || num_fraction > AGE_DIGITS) {
        return false;
    }
    double value = 0;
    double unit = 1;
    for (size_t i = 0; i < field->len; i++) {
        if (i != num_whole) {
            value = value * 10 + (field->at[i] - '0');
            unit *= i > num_whole ? 10 : 1;
        }
    }
    *age_s = value / unit;
    return *age_s <= MAX_AGE_S;
}

/* Decodes exactly 2 * len digits; they may be a secret's. */
static bool parse_hex(uint8_t *octets, size_t len, const struct field *field)
{
    char digits[2 * MASTER_KEY_MAX_SECRET + 1] = "";
    if (field->len != 2 * len) {
        return false;
    }
    memcpy(digits, field->at, field->len);
    bool is_hex = hex_decode(octets, len, digits);
    secret_wipe(digits, sizeof(digits));
    return is_hex;
}

/* The fields of a key's line, id and secret; its layout is known. */
static enum nts_status parse_key(struct chrony_key *key, const struct field *fields,
                                 const struct lines *lines)
{
    char text[96];
    uint8_t id[MASTER_KEY_ID_LEN];
    size_t secret_len = key_layout_secret_len(key->layout);
    if (!parse_hex(id, sizeof(id), &fields[0])) {
        return line_error(lines, "an id of 8 hexadecimal digits first");
    }
    if (!parse_hex(key->secret, secret_len, &fields[1])) {
        snprintf(text, sizeof(text), "a key of %zu hexadecimal digits for AEAD %s", 2 * secret_len,
                 layout_aead(key->layout));
        return line_error(lines, text);
    }
    key->id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    return NTS_OK;
}

static enum nts_status parse_lines(struct chrony_keys *keys, struct lines *lines)
{
    struct field fields[MAX_FIELDS];
    enum key_layout layout = KEY_LAYOUT_CHRONY_SIV;
    if (!take_line(lines, fields, 1) ||
        (!field_is(&fields[0], FORMAT_NKS0) && !field_is(&fields[0], FORMAT_NKS1))) {
        return line_error(lines, FORMAT_NKS0 " or " FORMAT_NKS1);
    }
    bool is_nks0 = field_is(&fields[0], FORMAT_NKS0);
    if (!take_line(lines, fields, is_nks0 ? 2 : 1)) {
        return line_error(lines, is_nks0 ? "AEAD and age, like \"15 7200.0\"" : "the age alone");
    }
    if (is_nks0 && !parse_layout(&layout, &fields[0])) {
        return line_error(lines, "AEAD 15 or 30");
    }
    if (!parse_age(&keys->age_s, &fields[is_nks0 ? 1 : 0])) {
        return line_error(lines, "the age in seconds, at most ten years, like 7200.0");
    }
    for (size_t i = 0; i < CHRONY_NUM_KEYS; i++) {
        struct chrony_key *key = &keys->keys[i];
        if (!take_line(lines, fields, is_nks0 ? 2 : 3)) {
            return line_error(lines, is_nks0 ? "id and key" : "id, key and AEAD");
        }
        if (!is_nks0 && !parse_layout(&layout, &fields[2])) {
            return line_error(lines, "AEAD 15 or 30 last");
        }
        key->layout = layout;
        enum nts_status status = parse_key(key, fields, lines);
        if (status != NTS_OK) {
            return status;
        }
        if (i > 0 && (key->id - key[-1].id) % CHRONY_NUM_KEYS != 1) {
            return line_error(lines, "an id that follows the one before it, modulo 4");
        }
    }
    lines->number++;
    return lines->at == lines->end ? NTS_OK : line_error(lines, "the end of the file");
}

enum nts_status chrony_keys_parse(struct chrony_keys *keys, const char *text, size_t len,
                                  const char *path, struct error *error)
{
    struct lines lines = {.at = text, .end = text + len, .path = path, .error = error};
    secret_wipe(keys, sizeof(*keys));
    if (len >= CHRONY_KEYS_MAX_LEN) {
        return error_set(error, NTS_ERR_KEYRING_FORM, "%s: expected less than %d octets", path,
                         CHRONY_KEYS_MAX_LEN);
    }
    enum nts_status status = parse_lines(keys, &lines);
    if (status != NTS_OK) {
        secret_wipe(keys, sizeof(*keys));
    }
    return status;
}

/* --- writing --- */

enum nts_status chrony_keys_format(char text[CHRONY_KEYS_MAX_LEN], const struct chrony_keys *keys,
                                   enum chrony_format format, struct error *error)
{
    bool is_mixed = false;
    bool is_siv = true;
    for (size_t i = 0; i < CHRONY_NUM_KEYS; i++) {
        assert(chrony_has_layout(keys->keys[i].layout));
        is_mixed = is_mixed || keys->keys[i].layout != keys->keys[0].layout;
        is_siv = is_siv && keys->keys[i].layout == KEY_LAYOUT_CHRONY_SIV;
    }
    if (format == CHRONY_FORMAT_AUTO) {
        format = is_siv ? CHRONY_FORMAT_NKS0 : CHRONY_FORMAT_NKS1;
    }
    if (format == CHRONY_FORMAT_NKS0 && is_mixed) {
        return error_set(error, NTS_ERR_KEYRING_FORM,
                         "keys of layouts %s and %s do not fit in a file of format " FORMAT_NKS0,
                         key_layout_name(KEY_LAYOUT_CHRONY_SIV),
                         key_layout_name(KEY_LAYOUT_CHRONY_GCMSIV));
    }

    bool is_nks0 = format == CHRONY_FORMAT_NKS0;
    size_t len = (size_t)snprintf(
        text, CHRONY_KEYS_MAX_LEN, "%s\n%s%s%.1f\n", is_nks0 ? FORMAT_NKS0 : FORMAT_NKS1,
        is_nks0 ? layout_aead(keys->keys[0].layout) : "", is_nks0 ? " " : "", keys->age_s);
    for (size_t i = 0; i < CHRONY_NUM_KEYS; i++) {
        const struct chrony_key *key = &keys->keys[i];
        len += (size_t)snprintf(text + len, CHRONY_KEYS_MAX_LEN - len, "%08" PRIX32 " ", key->id);
        /* In capitals, as chrony does. */
        for (size_t j = 0; j < key_layout_secret_len(key->layout); j++) {
            len += (size_t)snprintf(text + len, CHRONY_KEYS_MAX_LEN - len, "%02X", key->secret[j]);
        }
        len += (size_t)snprintf(text + len, CHRONY_KEYS_MAX_LEN - len, "%s%s\n", is_nks0 ? "" : " ",
                                is_nks0 ? "" : layout_aead(key->layout));
    }
    return NTS_OK;
}

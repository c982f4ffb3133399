#include "keys/envelope_form.h"

#include "base/hex.h"
#include "keys/keyring_document.h"
#include "keys/strict_json.h"

#include <inttypes.h>
#include <openssl/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    size_t key_len;
} aeads[ENVELOPE_NUM_AEADS] = {
    [ENVELOPE_AES_128_GCM] = {"aes-128-gcm", 16},
    [ENVELOPE_CHACHA20_POLY1305] = {"chacha20-poly1305", 32},
};

const char *envelope_aead_name(enum envelope_aead aead)
{
    return aeads[aead].name;
}

bool envelope_aead_find(enum envelope_aead *aead, const char *name)
{
    for (size_t i = 0; i < ENVELOPE_NUM_AEADS; i++) {
        if (strcmp(aeads[i].name, name) == 0) {
            *aead = (enum envelope_aead)i;
            return true;
        }
    }
    return false;
}

size_t envelope_content_key_len(enum envelope_aead aead)
{
    return aeads[aead].key_len;
}

bool envelope_is(const char *text, size_t len)
{
    struct json_slice root;
    struct json_slice format;
    struct json_position fault;
    if (json_slice_parse(&root, text, len, &fault) &&
        (json_slice_is_object(&root) || json_slice_is_list(&root))) {
        return json_slice_member(&format, &root, "format") &&
               json_slice_equals(&format, ENVELOPE_FORMAT);
    }
    /* Damaged. If it names the format it is not a damaged keyring. */
    return memmem(text, len, "\"" ENVELOPE_FORMAT "\"", strlen(ENVELOPE_FORMAT) + 2) != NULL;
}

struct envelope *envelope_create(void)
{
    return calloc(1, sizeof(struct envelope));
}

void envelope_free(struct envelope *envelope)
{
    if (envelope != NULL) {
        free(envelope->ciphertext);
        free(envelope);
    }
}

size_t envelope_find_node(const struct envelope_head *head, const char *fingerprint)
{
    size_t i = 0;
    while (i < head->num_nodes && strcmp(head->nodes[i], fingerprint) != 0) {
        i++;
    }
    return i;
}

/* --- reading --- */

static const char *const top_names[] = {"format",     "generation", "aead",
                                        "recipients", "nonce",      "ciphertext"};
static const char *const recipient_names[] = {"node", "enc", "key"};

/* There is one way to write an octet. */
static enum nts_status parse_hex(uint8_t *octets, size_t len, const struct json_slice *value,
                                 const char *member, const struct json_place *place)
{
    enum nts_status status = strict_json_hex(octets, len, value, member, place);
    char digits[2 * STRICT_JSON_MAX_HEX + 1];
    if (status == NTS_OK && json_slice_string(digits, sizeof(digits), value) != SIZE_MAX &&
        strpbrk(digits, "ABCDEF") != NULL) {
        status = strict_json_error(place, member, "expected lower case");
    }
    return status;
}

static enum nts_status parse_recipient(struct envelope *envelope, const struct json_slice *object,
                                       const struct json_place *place)
{
    struct envelope_head *head = &envelope->head;
    struct recipient *recipient = &envelope->recipients[head->num_nodes];
    uint8_t fingerprint[KEY_FINGERPRINT_LEN / 2];
    static const struct json_members members = {.names = recipient_names, .num = 3};
    struct json_slice values[3];
    enum nts_status status = strict_json_members(values, &members, object, place);
    if (status == NTS_OK) {
        status = parse_hex(fingerprint, sizeof(fingerprint), &values[0], recipient_names[0], place);
    }
    if (status == NTS_OK) {
        status = parse_hex(recipient->enc, RAW_KEY_LEN, &values[1], recipient_names[1], place);
    }
    if (status == NTS_OK) {
        status = parse_hex(recipient->key, aeads[head->aead].key_len + TAG_LEN, &values[2],
                           recipient_names[2], place);
    }
    if (status != NTS_OK) {
        return status;
    }
    char *node = head->nodes[head->num_nodes];
    json_slice_string(node, sizeof(head->nodes[0]), &values[0]);
    if (envelope_find_node(head, node) != head->num_nodes) {
        return strict_json_error(place, recipient_names[0], "is there twice");
    }
    head->num_nodes++;
    return NTS_OK;
}

static enum nts_status parse_recipients(struct envelope *envelope, const struct json_slice *list,
                                        const struct json_place *top)
{
    struct json_place place = *top;
    struct json_slice object;
    struct json_slice rest = *list;
    size_t num = 0;
    while (json_slice_is_list(list) && json_slice_next(&object, NULL, &rest)) {
        num++;
    }
    if (num == 0 || num > KEY_FILE_MAX_KEYS) {
        char text[64];
        snprintf(text, sizeof(text), "expected a list of 1 to %d recipients", KEY_FILE_MAX_KEYS);
        return strict_json_error(top, top_names[3], text);
    }
    rest = *list;
    for (size_t i = 0; json_slice_next(&object, NULL, &rest); i++) {
        if (!json_slice_is_object(&object)) {
            char member[32];
            snprintf(member, sizeof(member), "recipients[%zu]", i);
            return strict_json_error(top, member, "expected an object");
        }
        snprintf(place.object, sizeof(place.object), "recipients[%zu].", i);
        enum nts_status status = parse_recipient(envelope, &object, &place);
        if (status != NTS_OK) {
            return status;
        }
    }
    return NTS_OK;
}

/* Decodes base64, as it would be encoded again: the unused bits of the last digit are zero. */
static bool decode_base64(uint8_t *out, size_t *out_len, size_t max_out, const char *in,
                          size_t in_len)
{
    uint8_t last[5];
    if (EVP_DecodeBase64(out, out_len, max_out, (const uint8_t *)in, in_len) != 1 ||
        *out_len == 0) {
        return false;
    }
    size_t tail_len = (*out_len - 1) % 3 + 1;
    EVP_EncodeBlock(last, out + *out_len - tail_len, tail_len);
    return memcmp(last, in + in_len - 4, 4) == 0;
}

static enum nts_status parse_ciphertext(struct envelope *envelope, const struct json_slice *value,
                                        const struct json_place *place)
{
    size_t max_len;
    size_t capacity = (size_t)(value->end - value->start) + 1;
    char *base64 = malloc(capacity);
    if (base64 == NULL) {
        return error_set(place->error, NTS_ERR_NO_MEMORY, "%s: out of memory", place->path);
    }
    size_t text_len = json_slice_string(base64, capacity, value);
    bool is_right =
        text_len != SIZE_MAX && EVP_DecodedLength(&max_len, text_len) == 1 && max_len > 0;
    if (is_right) {
        envelope->ciphertext = malloc(max_len);
        if (envelope->ciphertext == NULL) {
            free(base64);
            return error_set(place->error, NTS_ERR_NO_MEMORY, "%s: out of memory", place->path);
        }
        is_right = decode_base64(envelope->ciphertext, &envelope->ciphertext_len, max_len, base64,
                                 text_len) &&
                   envelope->ciphertext_len >= TAG_LEN;
    }
    free(base64);
    return is_right
               ? NTS_OK
               : strict_json_error(place, top_names[5], "expected base64 of at least 16 octets");
}

static enum nts_status parse_top(struct envelope *envelope, const struct json_slice *root,
                                 const struct json_place *place)
{
    static const struct json_members members = {.names = top_names, .num = 6};
    struct envelope_head *head = &envelope->head;
    struct json_slice values[6];
    int64_t generation;
    char aead[32];
    /* The format comes first: in a file of another one, the other members mean nothing. */
    if (!json_slice_member(&values[0], root, top_names[0]) ||
        !json_slice_equals(&values[0], ENVELOPE_FORMAT)) {
        return strict_json_error(place, top_names[0], "expected \"" ENVELOPE_FORMAT "\"");
    }
    enum nts_status status = strict_json_members(values, &members, root, place);
    if (status != NTS_OK) {
        return status;
    }
    if (!json_slice_integer(&generation, &values[1]) || generation < 1 ||
        generation > (int64_t)KEYRING_MAX_GENERATION) {
        return strict_json_error(place, top_names[1], "expected an integer from 1 to 2^53 - 1");
    }
    head->generation = (uint64_t)generation;
    if (json_slice_string(aead, sizeof(aead), &values[2]) == SIZE_MAX ||
        !envelope_aead_find(&head->aead, aead)) {
        return strict_json_error(place, top_names[2],
                                 "expected \"aes-128-gcm\" or \"chacha20-poly1305\"");
    }
    status = parse_recipients(envelope, &values[3], place);
    if (status == NTS_OK) {
        status = parse_hex(envelope->nonce, NONCE_LEN, &values[4], top_names[4], place);
    }
    if (status == NTS_OK) {
        status = parse_ciphertext(envelope, &values[5], place);
    }
    return status;
}

enum nts_status envelope_parse(struct envelope **envelope, const char *text, size_t len,
                               const char *path, struct error *error)
{
    const struct json_place place = {.path = path, .status = NTS_ERR_ENVELOPE_FORM, .error = error};
    struct json_slice root;
    *envelope = NULL;
    enum nts_status status = strict_json_parse(&root, text, len, &place);
    if (status != NTS_OK) {
        return status;
    }
    *envelope = envelope_create();
    status = *envelope != NULL ? parse_top(*envelope, &root, &place)
                               : error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    if (status != NTS_OK) {
        envelope_free(*envelope);
        *envelope = NULL;
    }
    return status;
}

/* --- writing --- */

char *envelope_head_text(const struct envelope_head *head)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    /* RFC 8785: members sorted, no white space. */
    fprintf(out,
            "{\"aead\":\"%s\",\"format\":\"" ENVELOPE_FORMAT "\",\"generation\":%" PRIu64
            ",\"recipients\":[",
            aeads[head->aead].name, head->generation);
    for (size_t i = 0; i < head->num_nodes; i++) {
        fprintf(out, "%s\"%s\"", i > 0 ? "," : "", head->nodes[i]);
    }
    fputs("]}", out);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

static void write_recipients(FILE *out, const struct envelope *envelope)
{
    char enc[2 * RAW_KEY_LEN + 1];
    char key[2 * (CONTENT_KEY_MAX_LEN + TAG_LEN) + 1];
    for (size_t i = 0; i < envelope->head.num_nodes; i++) {
        const struct recipient *recipient = &envelope->recipients[i];
        hex_encode(enc, recipient->enc, RAW_KEY_LEN);
        hex_encode(key, recipient->key, aeads[envelope->head.aead].key_len + TAG_LEN);
        fprintf(out, "%s\n    {\"node\": \"%s\", \"enc\": \"%s\", \"key\": \"%s\"}",
                i > 0 ? "," : "", envelope->head.nodes[i], enc, key);
    }
}

char *envelope_format(const struct envelope *envelope)
{
    char *text = NULL;
    size_t len;
    size_t base64_len;
    char nonce[2 * NONCE_LEN + 1];
    if (EVP_EncodedLength(&base64_len, envelope->ciphertext_len) != 1) {
        return NULL;
    }
    char *base64 = malloc(base64_len);
    FILE *out = base64 != NULL ? open_memstream(&text, &len) : NULL;
    if (out == NULL) {
        free(base64);
        return NULL;
    }
    hex_encode(nonce, envelope->nonce, NONCE_LEN);
    EVP_EncodeBlock((uint8_t *)base64, envelope->ciphertext, envelope->ciphertext_len);
    fprintf(out,
            "{\n  \"format\": \"" ENVELOPE_FORMAT "\",\n  \"generation\": %" PRIu64
            ",\n  \"aead\": \"%s\",\n  \"recipients\": [",
            envelope->head.generation, aeads[envelope->head.aead].name);
    write_recipients(out, envelope);
    fprintf(out, "\n  ],\n  \"nonce\": \"%s\",\n  \"ciphertext\": \"%s\"\n}\n", nonce, base64);
    free(base64);
    bool failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

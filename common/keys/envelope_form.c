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
    json_error_t json_error;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &json_error);
    bool is;
    if (root != NULL) {
        json_t *format = json_object_get(root, "format");
        is = json_is_string(format) && strcmp(json_string_value(format), ENVELOPE_FORMAT) == 0;
    } else {
        /* Damaged. If it names the format it is not a damaged keyring. */
        is = memmem(text, len, "\"" ENVELOPE_FORMAT "\"", strlen(ENVELOPE_FORMAT) + 2) != NULL;
    }
    json_decref(root);
    return is;
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
static enum nts_status parse_hex(uint8_t *octets, size_t len, json_t *value, const char *member,
                                 const struct json_place *place)
{
    enum nts_status status = strict_json_hex(octets, len, value, member, place);
    if (status == NTS_OK && strpbrk(json_string_value(value), "ABCDEF") != NULL) {
        status = strict_json_error(place, member, "expected lower case");
    }
    return status;
}

static enum nts_status parse_recipient(struct envelope *envelope, json_t *object,
                                       const struct json_place *place)
{
    struct envelope_head *head = &envelope->head;
    struct recipient *recipient = &envelope->recipients[head->num_nodes];
    uint8_t fingerprint[KEY_FINGERPRINT_LEN / 2];
    json_t *values[3];
    enum nts_status status = strict_json_members(values, recipient_names, 3, 0, object, place);
    if (status == NTS_OK) {
        status = parse_hex(fingerprint, sizeof(fingerprint), values[0], recipient_names[0], place);
    }
    if (status == NTS_OK) {
        status = parse_hex(recipient->enc, RAW_KEY_LEN, values[1], recipient_names[1], place);
    }
    if (status == NTS_OK) {
        status = parse_hex(recipient->key, aeads[head->aead].key_len + TAG_LEN, values[2],
                           recipient_names[2], place);
    }
    if (status != NTS_OK) {
        return status;
    }
    if (envelope_find_node(head, json_string_value(values[0])) != head->num_nodes) {
        return strict_json_error(place, recipient_names[0], "is there twice");
    }
    strcpy(head->nodes[head->num_nodes++], json_string_value(values[0]));
    return NTS_OK;
}

static enum nts_status parse_recipients(struct envelope *envelope, json_t *list,
                                        const struct json_place *top)
{
    struct json_place place = *top;
    size_t num = json_array_size(list); /* 0 if it is no list */
    if (num == 0 || num > KEY_FILE_MAX_KEYS) {
        char text[64];
        snprintf(text, sizeof(text), "expected a list of 1 to %d recipients", KEY_FILE_MAX_KEYS);
        return strict_json_error(top, top_names[3], text);
    }
    for (size_t i = 0; i < num; i++) {
        json_t *object = json_array_get(list, i);
        if (!json_is_object(object)) {
            char member[32];
            snprintf(member, sizeof(member), "recipients[%zu]", i);
            return strict_json_error(top, member, "expected an object");
        }
        snprintf(place.object, sizeof(place.object), "recipients[%zu].", i);
        enum nts_status status = parse_recipient(envelope, object, &place);
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

static enum nts_status parse_ciphertext(struct envelope *envelope, json_t *value,
                                        const struct json_place *place)
{
    size_t max_len;
    size_t text_len = json_string_length(value); /* 0 if it is no string */
    if (EVP_DecodedLength(&max_len, text_len) == 1 && max_len > 0) {
        envelope->ciphertext = malloc(max_len);
        if (envelope->ciphertext == NULL) {
            return error_set(place->error, NTS_ERR_NO_MEMORY, "%s: out of memory", place->path);
        }
        if (decode_base64(envelope->ciphertext, &envelope->ciphertext_len, max_len,
                          json_string_value(value), text_len) &&
            envelope->ciphertext_len >= TAG_LEN) {
            return NTS_OK;
        }
    }
    return strict_json_error(place, top_names[5], "expected base64 of at least 16 octets");
}

static enum nts_status parse_top(struct envelope *envelope, json_t *root,
                                 const struct json_place *place)
{
    struct envelope_head *head = &envelope->head;
    json_t *values[6];
    /* The format comes first: in a file of another one, the other members mean nothing. */
    json_t *format = json_object_get(root, top_names[0]);
    if (!json_is_string(format) || strcmp(json_string_value(format), ENVELOPE_FORMAT) != 0) {
        return strict_json_error(place, top_names[0], "expected \"" ENVELOPE_FORMAT "\"");
    }
    enum nts_status status = strict_json_members(values, top_names, 6, 0, root, place);
    if (status != NTS_OK) {
        return status;
    }
    if (!json_is_integer(values[1]) || json_integer_value(values[1]) < 1 ||
        json_integer_value(values[1]) > (json_int_t)KEYRING_MAX_GENERATION) {
        return strict_json_error(place, top_names[1], "expected an integer from 1 to 2^53 - 1");
    }
    head->generation = (uint64_t)json_integer_value(values[1]);
    if (!json_is_string(values[2]) ||
        !envelope_aead_find(&head->aead, json_string_value(values[2]))) {
        return strict_json_error(place, top_names[2],
                                 "expected \"aes-128-gcm\" or \"chacha20-poly1305\"");
    }
    status = parse_recipients(envelope, values[3], place);
    if (status == NTS_OK) {
        status = parse_hex(envelope->nonce, NONCE_LEN, values[4], top_names[4], place);
    }
    if (status == NTS_OK) {
        status = parse_ciphertext(envelope, values[5], place);
    }
    return status;
}

enum nts_status envelope_parse(struct envelope **envelope, const char *text, size_t len,
                               const char *path, struct error *error)
{
    const struct json_place place = {.path = path, .status = NTS_ERR_ENVELOPE_FORM, .error = error};
    json_t *root;
    *envelope = NULL;
    enum nts_status status = strict_json_load(&root, text, len, &place);
    if (status != NTS_OK) {
        return status;
    }
    *envelope = envelope_create();
    status = *envelope != NULL ? parse_top(*envelope, root, &place)
                               : error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    json_decref(root);
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

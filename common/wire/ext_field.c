#include "wire/ext_field.h"

bool ext_field_next(struct reader *r, struct ext_field *field, const uint8_t *start)
{
    size_t left = reader_left(r);
    if (left <= EF_MAX_MAC_LEN) {
        /* RFC 7822, section 7.5.1.4: a field at the end is longer than any MAC. */
        reader_fail(r, NTS_ERR_LEGACY_MAC);
        return false;
    }
    field->offset = (size_t)(r->at - start);
    field->type = read_u16(r);
    size_t len = read_u16(r);
    if (len < EF_MIN_LEN || len % 4 != 0 || len > left) {
        reader_fail(r, NTS_ERR_EF_LENGTH);
        return false;
    }
    field->body_len = len - EF_HEADER_LEN;
    field->body = read_bytes(r, field->body_len);
    return true;
}

bool ext_field_next_encrypted(struct reader *r, struct ext_field *field)
{
    size_t left = reader_left(r);
    field->offset = 0;
    field->type = read_u16(r);
    size_t len = read_u16(r);
    if (len < EF_HEADER_LEN || len % 4 != 0 || len > left) {
        r->status = NTS_OK; /* a short read above is the same fault */
        reader_fail(r, NTS_ERR_ENCRYPTED_FORM);
        return false;
    }
    field->body_len = len - EF_HEADER_LEN;
    field->body = read_bytes(r, field->body_len);
    return true;
}

enum nts_status authenticator_parse(struct authenticator *out, const uint8_t *body, size_t body_len)
{
    struct reader r = reader_over(body, body_len);
    out->nonce_len = read_u16(&r);
    out->ciphertext_len = read_u16(&r);
    size_t padded_ciphertext_len = pad4(out->ciphertext_len);
    out->nonce = read_bytes(&r, pad4(out->nonce_len));
    out->ciphertext = read_bytes(&r, padded_ciphertext_len);
    if (reader_status(&r) != NTS_OK) {
        return NTS_ERR_AUTHENTICATOR_FORM;
    }
    out->nonce_room = pad4(out->nonce_len) + reader_left(&r);
    return NTS_OK;
}

void ext_field_write(struct writer *w, uint16_t type, const void *body, size_t body_len)
{
    uint8_t *space = ext_field_write_space(w, type, body_len);
    if (space != NULL && body_len > 0) {
        memcpy(space, body, body_len);
    }
}

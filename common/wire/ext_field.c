#include "wire/ext_field.h"

const struct ext_field_form ext_field_form_ntp4 = {
    .min_len = EF_MIN_LEN,
    .max_mac_len = EF_MAX_MAC_LEN,
    .is_padded = false,
};

/* Reads one field of at least `min_len` octets; fails the reader with `cause`. A reader that has
 * failed has nothing left. */
static inline bool take_field(struct reader *r, struct ext_field *field, size_t min_len,
                              bool is_padded, enum nts_status cause)
{
    size_t left = reader_left(r);
    const uint8_t *at = r->at;
    size_t len = left >= EF_HEADER_LEN ? load_u16(at + 2) : 0;
    size_t padded_len = is_padded ? pad4(len) : len;
    if (len < min_len || padded_len % 4 != 0 || padded_len > left) {
        reader_fail(r, cause);
        return false;
    }
    field->type = load_u16(at);
    field->body = at + EF_HEADER_LEN;
    field->body_len = len - EF_HEADER_LEN;
    r->at = at + padded_len;
    return true;
}

bool ext_field_next_as(struct reader *r, struct ext_field *field, const uint8_t *start,
                       const struct ext_field_form *form)
{
    if (reader_left(r) <= form->max_mac_len) {
        /* RFC 7822, section 7.5.1.4: a field at the end is longer than any MAC. */
        reader_fail(r, NTS_ERR_LEGACY_MAC);
        return false;
    }
    field->offset = (size_t)(r->at - start);
    return take_field(r, field, form->min_len, form->is_padded, NTS_ERR_EF_LENGTH);
}

bool ext_field_next(struct reader *r, struct ext_field *field, const uint8_t *start)
{
    return ext_field_next_as(r, field, start, &ext_field_form_ntp4);
}

bool ext_field_next_encrypted_as(struct reader *r, struct ext_field *field,
                                 const struct ext_field_form *form)
{
    field->offset = 0;
    return take_field(r, field, EF_HEADER_LEN, form->is_padded, NTS_ERR_ENCRYPTED_FORM);
}

bool ext_field_next_encrypted(struct reader *r, struct ext_field *field)
{
    return ext_field_next_encrypted_as(r, field, &ext_field_form_ntp4);
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
    if (body_len % 4 != 0) {
        write_zeros(w, 4 - body_len % 4);
    }
}

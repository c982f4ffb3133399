/* NTP extension fields (RFC 7822) and the body of the NTS Authenticator and Encrypted Extension
 * Fields field (RFC 8915, section 5.6). No crypto: an authenticator is taken apart, not opened. */
#ifndef NTS_WIRE_EXT_FIELD_H
#define NTS_WIRE_EXT_FIELD_H

#include "base/cursor.h"

/* RFC 8915, section 7.7. */
enum ext_field_type {
    EF_UNIQUE_IDENTIFIER = 0x0104,
    EF_NTS_COOKIE = 0x0204,
    EF_NTS_COOKIE_PLACEHOLDER = 0x0304,
    EF_NTS_AUTHENTICATOR = 0x0404,
};

#define EF_HEADER_LEN          4
#define EF_MIN_LEN             16 /* RFC 7822, section 7.5 */
#define EF_MAX_MAC_LEN         24 /* RFC 7822, section 7.5.1.4: no field at the end is as short */
#define EF_UNIQUE_ID_MIN_LEN   32 /* RFC 8915, section 5.3 */
#define EF_AUTHENTICATOR_EXTRA 8  /* field header, nonce length, ciphertext length */

struct ext_field {
    uint16_t type;
    const uint8_t *body; /* behind the field header */
    size_t body_len;
    size_t offset; /* of the field header, from `start` */
};

/* How a version of NTP reckons the lengths of its extension fields. A length counts the header. */
struct ext_field_form {
    uint16_t min_len;     /* of a field in clear, EF_HEADER_LEN or more, as encrypted ones have */
    uint16_t max_mac_len; /* a rest that is no longer is a legacy MAC; 0: the version has no MAC */
    bool is_padded; /* a length need not be a multiple of four: the zeros behind it do not count */
};

/* RFC 7822, section 7.5. */
extern const struct ext_field_form ext_field_form_ntp4;

/* ext_field_next reads one field of a packet of NTPv4, ext_field_next_as one of the given form.
 * Fails the reader with NTS_ERR_EF_LENGTH, or with NTS_ERR_LEGACY_MAC when what is left can only be
 * a MAC; false then. `start` is where offsets count from. */
bool ext_field_next(struct reader *r, struct ext_field *field, const uint8_t *start);
bool ext_field_next_as(struct reader *r, struct ext_field *field, const uint8_t *start,
                       const struct ext_field_form *form);

/* ext_field_next_encrypted reads one field of a decrypted plaintext of NTPv4, which may be as short
 * as its header (RFC 8915, section 5.6), ext_field_next_encrypted_as one of the given form. Fails
 * the reader with NTS_ERR_ENCRYPTED_FORM; false then. */
bool ext_field_next_encrypted(struct reader *r, struct ext_field *field);
bool ext_field_next_encrypted_as(struct reader *r, struct ext_field *field,
                                 const struct ext_field_form *form);

/* The octets inside an authenticator field. */
struct authenticator {
    const uint8_t *nonce;
    size_t nonce_len;
    const uint8_t *ciphertext; /* tag included, wherever the algorithm puts it */
    size_t ciphertext_len;
    size_t nonce_room; /* padded nonce plus Additional Padding: compared with N_REQ */
};

/* authenticator_parse takes a field body apart. NTS_ERR_AUTHENTICATOR_FORM if the inner lengths
 * pass the end of the field. */
NTS_MUST_CHECK enum nts_status authenticator_parse(struct authenticator *out, const uint8_t *body,
                                                   size_t body_len);

/* ext_field_write writes a field with the given body, and behind it the zeros up to the next
 * multiple of four, which its length does not count: NTPv4 has no field that needs any. */
void ext_field_write(struct writer *w, uint16_t type, const void *body, size_t body_len);

/* ext_field_write_space writes the header of a field and returns its body to be filled, or NULL. */
static inline uint8_t *ext_field_write_space(struct writer *w, uint16_t type, size_t body_len)
{
    write_u16(w, type);
    write_u16(w, (uint16_t)(body_len + EF_HEADER_LEN));
    return write_space(w, body_len);
}

#endif

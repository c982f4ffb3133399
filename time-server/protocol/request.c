#include "time-server/protocol/request.h"

#include "crypto/aead.h"

/* Fields of one kind seen so far, beside what the request keeps. */
struct seen {
    bool authenticator;
    bool placeholder;
    size_t placeholder_len;
    bool placeholders_differ;
};

static enum nts_status parse_header(struct request *request, const uint8_t *packet, size_t len)
{
    if (len < NTP_HEADER_LEN) {
        return NTS_ERR_TOO_SHORT;
    }
    if (len % 4 != 0) {
        return NTS_ERR_NOT_ALIGNED;
    }
    struct ntp_header header;
    ntp_header_read(&header, packet);
    if (header.version < 1 || header.version > 4) {
        return NTS_ERR_VERSION;
    }
    /* NTPv1 clients may send no mode at all (RFC 5905, section 14). Everything else that is not a
     * client request stays unanswered: modes 1, 6 and 7 are what reflection attacks are made of
     * (RFC 8633, section 3.4). */
    bool is_version_1_client = header.version == 1 && header.mode == NTP_MODE_RESERVED;
    if (header.mode != NTP_MODE_CLIENT && !is_version_1_client) {
        return NTS_ERR_MODE;
    }
    /* Extension fields exist from version 4 on; what follows an older header is a MAC. */
    if (header.version < 4 && len > NTP_HEADER_LEN) {
        return NTS_ERR_LEGACY_MAC;
    }
    request->version = header.version;
    request->poll = header.poll;
    request->transmit_time = header.transmit_time;
    return NTS_OK;
}

static enum nts_status take_unique_id(struct request *request, const struct ext_field *field)
{
    if (request->unique_id != NULL) {
        return NTS_ERR_NTS_DUPLICATE;
    }
    /* RFC 8915, section 5.3: at least 32 octets. */
    if (field->body_len < EF_UNIQUE_ID_MIN_LEN) {
        return NTS_ERR_UNIQUE_ID_SHORT;
    }
    request->unique_id = field->body;
    request->unique_id_len = field->body_len;
    return NTS_OK;
}

static enum nts_status take_cookie(struct request *request, const struct ext_field *field)
{
    /* RFC 8915, section 5.7: exactly one. */
    if (request->cookie != NULL) {
        return NTS_ERR_NTS_DUPLICATE;
    }
    request->cookie = field->body;
    request->cookie_len = field->body_len;
    return NTS_OK;
}

static void take_placeholder(struct request *request, struct seen *seen,
                             const struct ext_field *field)
{
    seen->placeholders_differ |= seen->placeholder && field->body_len != seen->placeholder_len;
    seen->placeholder = true;
    seen->placeholder_len = field->body_len;
    request->num_placeholders++;
}

static enum nts_status take_authenticator(struct request *request, struct seen *seen,
                                          const struct ext_field *field)
{
    seen->authenticator = true;
    request->ad_len = field->offset;
    enum nts_status status =
        authenticator_parse(&request->authenticator, field->body, field->body_len);
    if (status != NTS_OK) {
        return status;
    }
    if (request->authenticator.ciphertext_len < AEAD_TAG_LEN) {
        return NTS_ERR_AUTHENTICATOR_FORM;
    }
    /* RFC 5297, section 6: a nonce has at least one octet. */
    return request->authenticator.nonce_len > 0 ? NTS_OK : NTS_ERR_NONCE;
}

static enum nts_status take_field(struct request *request, struct seen *seen,
                                  const struct ext_field *field)
{
    /* RFC 8915, section 5.7: what follows the authenticator is not authenticated and not used. */
    if (seen->authenticator) {
        return NTS_OK;
    }
    switch (field->type) {
    case EF_UNIQUE_IDENTIFIER:
        return take_unique_id(request, field);
    case EF_NTS_COOKIE:
        return take_cookie(request, field);
    case EF_NTS_COOKIE_PLACEHOLDER:
        take_placeholder(request, seen, field);
        return NTS_OK;
    case EF_NTS_AUTHENTICATOR:
        return take_authenticator(request, seen, field);
    default:
        return NTS_OK; /* RFC 7822: an unknown field is ignored */
    }
}

/* The fields together: either no NTS at all, or all that NTS needs. */
static enum nts_status check_fields(struct request *request, const struct seen *seen)
{
    request->is_nts = seen->authenticator || request->cookie != NULL || seen->placeholder;
    if (!request->is_nts) {
        return NTS_OK;
    }
    if (!seen->authenticator || request->cookie == NULL || request->unique_id == NULL) {
        return NTS_ERR_NTS_INCOMPLETE;
    }
    /* RFC 8915, section 5.5: a placeholder is as long as the cookie it asks for. */
    if (seen->placeholders_differ ||
        (seen->placeholder && seen->placeholder_len != request->cookie_len)) {
        return NTS_ERR_PLACEHOLDER_LENGTH;
    }
    return NTS_OK;
}

enum nts_status request_parse(struct request *request, const uint8_t *packet, size_t len)
{
    *request = (struct request){.wire_len = len};
    enum nts_status status = parse_header(request, packet, len);
    if (status != NTS_OK) {
        return status;
    }
    struct seen seen = {0};
    struct ext_field field;
    struct reader r = reader_over(packet + NTP_HEADER_LEN, len - NTP_HEADER_LEN);
    while (reader_more(&r) && ext_field_next(&r, &field, packet)) {
        status = take_field(request, &seen, &field);
        if (status != NTS_OK) {
            return status;
        }
    }
    status = reader_status(&r);
    return status == NTS_OK ? check_fields(request, &seen) : status;
}

enum nts_status request_parse_encrypted(struct request *request, const uint8_t *plaintext,
                                        size_t len)
{
    struct reader r = reader_over(plaintext, len);
    struct ext_field field;
    while (reader_more(&r) && ext_field_next_encrypted(&r, &field)) {
        if (field.type != EF_NTS_COOKIE_PLACEHOLDER) {
            continue; /* an encrypted cookie is not a request for more */
        }
        if (field.body_len != request->cookie_len) {
            return NTS_ERR_PLACEHOLDER_LENGTH;
        }
        request->num_placeholders++;
    }
    return reader_status(&r);
}

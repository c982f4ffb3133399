#include "time-server/protocol/request.h"

#include "crypto/aead.h"

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

static void take_placeholder(struct request *request, const struct ext_field *field)
{
    struct request_seen *seen = &request->seen;
    seen->placeholders_differ |= seen->placeholder && field->body_len != seen->placeholder_len;
    seen->placeholder = true;
    seen->placeholder_len = field->body_len;
    request->num_placeholders++;
}

static enum nts_status take_authenticator(struct request *request, const struct ext_field *field)
{
    request->seen.authenticator = true;
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

static inline enum nts_status take_nts_field(struct request *request, const struct ext_field *field)
{
    switch (field->type) {
    case EF_UNIQUE_IDENTIFIER:
        return take_unique_id(request, field);
    case EF_NTS_COOKIE:
        return take_cookie(request, field);
    case EF_NTS_COOKIE_PLACEHOLDER:
        take_placeholder(request, field);
        return NTS_OK;
    case EF_NTS_AUTHENTICATOR:
        return take_authenticator(request, field);
    default:
        return NTS_OK; /* RFC 7822: an unknown field is ignored */
    }
}

enum nts_status request_take_nts_field(struct request *request, const struct ext_field *field)
{
    return take_nts_field(request, field);
}

/* The fields together: either no NTS at all, or all that NTS needs. */
static enum nts_status check_fields(struct request *request)
{
    const struct request_seen *seen = &request->seen;
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

static enum nts_status parse_fields(struct request *request, const uint8_t *packet, size_t len)
{
    const struct ntp_version_ops *ops = request->ops;
    struct reader r = reader_over(packet + ops->header_len, len - ops->header_len);
    struct ext_field field;
    while (reader_more(&r) && ext_field_next_as(&r, &field, packet, ops->fields)) {
        /* RFC 8915, section 5.7: what follows the authenticator is not authenticated and not used,
         * but it has to be well formed. */
        if (request->seen.authenticator) {
            continue;
        }
        enum nts_status status = ops->take_field != NULL ? ops->take_field(request, &field)
                                                         : take_nts_field(request, &field);
        if (status != NTS_OK) {
            return status;
        }
    }
    return reader_status(&r);
}

enum nts_status request_parse(struct request *request, const struct ntp_versions *versions,
                              const uint8_t *packet, size_t len)
{
    *request = (struct request){.wire_len = len};
    if (len < NTP_HEADER_LEN) {
        return NTS_ERR_TOO_SHORT;
    }
    if (len % 4 != 0) {
        return NTS_ERR_NOT_ALIGNED;
    }
    request->version = packet[0] >> 3 & (NTP_NUM_VERSIONS - 1);
    const struct ntp_version_ops *ops = versions->by_number[request->version];
    if (ops == NULL) {
        return NTS_ERR_VERSION;
    }
    if (len < ops->header_len) {
        return NTS_ERR_TOO_SHORT;
    }
    request->ops = ops;
    enum nts_status status = ops->parse_header(request, packet);
    if (status != NTS_OK) {
        return status;
    }
    if (len == ops->header_len) {
        return NTS_OK; /* the common plain request has nothing else */
    }
    if (ops->fields == NULL) {
        return NTS_ERR_LEGACY_MAC;
    }
    status = parse_fields(request, packet, len);
    return status == NTS_OK ? check_fields(request) : status;
}

enum nts_status request_parse_encrypted(struct request *request, const uint8_t *plaintext,
                                        size_t len)
{
    struct reader r = reader_over(plaintext, len);
    struct ext_field field;
    while (reader_more(&r) && ext_field_next_encrypted_as(&r, &field, request->ops->fields)) {
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

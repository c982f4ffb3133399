#include "client/ntp_request.h"

#include <openssl/rand.h>
#include <string.h>

/* What clients send: RFC 5905 wants them, RFC 8915's privacy wants them to tell nothing. */
#define REQUEST_POLL      6
#define REQUEST_PRECISION 32

void ntp_request_randomise(struct ntp_request *request)
{
    RAND_bytes((uint8_t *)&request->transmit_time, sizeof(request->transmit_time));
    RAND_bytes(request->unique_id, sizeof(request->unique_id));
    RAND_bytes(request->nonce, sizeof(request->nonce));
}

/* Octets of Additional Padding that lift a nonce to N_REQ (RFC 8915, section 5.6). */
static size_t padding_after_nonce(const struct aead_algorithm *aead, size_t nonce_len)
{
    size_t required = aead_required_nonce_room(aead);
    return pad4(nonce_len) < required ? required - pad4(nonce_len) : 0;
}

void ntp_authenticator_write(struct writer *w, const struct session_keys *keys,
                             const struct ntp_sealing *sealing)
{
    const size_t nonce_len = sealing->nonce_len;
    size_t ad_len = writer_len(w);
    size_t ciphertext_len = sealing->plaintext_len + AEAD_TAG_LEN;
    size_t body_len = 2 + 2 + pad4(nonce_len) + pad4(ciphertext_len) + sealing->padding_len;
    uint8_t *body = ext_field_write_space(w, EF_NTS_AUTHENTICATOR, body_len);
    if (body == NULL) {
        return;
    }
    memset(body, 0, body_len);
    store_u16(body, (uint16_t)nonce_len);
    store_u16(body + 2, (uint16_t)ciphertext_len);
    memcpy(body + 4, sealing->nonce, nonce_len);
    struct aead_job job = {
        .aead = keys->aead,
        .key = keys->c2s,
        .out = body + 4 + pad4(nonce_len),
        .nonce = sealing->nonce,
        .nonce_len = nonce_len,
        .ad = w->start,
        .ad_len = ad_len,
        .in = sealing->plaintext,
        .in_len = sealing->plaintext_len,
    };
    aead_seal_batch(&job, 1);
}

enum nts_status ntp_request_build(struct ntp_request *request)
{
    const struct ntp_header header = {
        .version = request->version != 0 ? request->version : 4,
        .mode = NTP_MODE_CLIENT,
        .poll = REQUEST_POLL,
        .precision = REQUEST_PRECISION,
        .transmit_time = request->transmit_time,
    };
    ntp_header_write(request->packet, &header);
    struct writer w = writer_over(request->packet, sizeof(request->packet));
    (void)write_space(&w, NTP_HEADER_LEN); /* done above */

    if (request->keys != NULL) {
        ext_field_write(&w, EF_UNIQUE_IDENTIFIER, request->unique_id, sizeof(request->unique_id));
        ext_field_write(&w, EF_NTS_COOKIE, request->cookie, request->cookie_len);
        for (size_t i = 0; i < request->num_placeholders; i++) {
            write_u16(&w, EF_NTS_COOKIE_PLACEHOLDER);
            write_u16(&w, (uint16_t)(EF_HEADER_LEN + request->cookie_len));
            write_zeros(&w, request->cookie_len);
        }
        const struct aead_algorithm *aead = request->keys->aead;
        size_t nonce_len = request->nonce_len != 0 ? request->nonce_len : aead->nonce_len;
        if (nonce_len > sizeof(request->nonce)) {
            return NTS_ERR_NO_SPACE;
        }
        const struct ntp_sealing sealing = {
            .nonce = request->nonce,
            .nonce_len = nonce_len,
            .padding_len = padding_after_nonce(aead, nonce_len),
        };
        ntp_authenticator_write(&w, request->keys, &sealing);
    }
    request->len = writer_len(&w);
    return writer_status(&w);
}

size_t ntp_placeholders_wanted(const struct cookie_jar *jar, size_t cookie_len)
{
    size_t field_len = EF_HEADER_LEN + cookie_len;
    size_t len = NTP_HEADER_LEN + EF_HEADER_LEN + EF_UNIQUE_ID_MIN_LEN + field_len +
                 EF_AUTHENTICATOR_EXTRA + AEAD_MAX_NONCE_LEN + AEAD_TAG_LEN;
    size_t num = 0;
    while (jar->num + 1 + num < CLIENT_MAX_COOKIES && len + field_len <= NTP_CLIENT_SAFE_PACKET) {
        len += field_len;
        num++;
    }
    return num;
}

/* --- the reply --- */

/* Fails with a text that says more than the status. */
static enum nts_status fail(struct ntp_reply *reply, enum nts_status status, const char *fault)
{
    reply->fault = fault;
    return status;
}

static enum nts_status check_header(struct ntp_reply *reply, const struct ntp_request *request,
                                    const uint8_t *packet, size_t len)
{
    uint8_t version = request->version != 0 ? request->version : 4;
    if (len < NTP_HEADER_LEN) {
        return fail(reply, NTS_ERR_TOO_SHORT, "shorter than an NTP header");
    }
    ntp_header_read(&reply->header, packet);
    if (len % 4 != 0) {
        return fail(reply, NTS_ERR_NOT_ALIGNED, "length is not a multiple of four");
    }
    if (reply->header.mode != NTP_MODE_SERVER) {
        return fail(reply, NTS_ERR_MODE, "mode is not server");
    }
    if (reply->header.version != version) {
        return fail(reply, NTS_ERR_VERSION, "version differs from the request's");
    }
    /* RFC 5905, section 8: the origin timestamp is what ties a reply to a request. */
    if (reply->header.origin_time != request->transmit_time) {
        return fail(reply, NTS_ERR_MISMATCH, "origin is not our transmit timestamp");
    }
    return NTS_OK;
}

/* What the fields before the authenticator said, and the authenticator. */
struct reply_fields {
    bool has_unique_id;
    bool has_authenticator;
    struct ext_field authenticator;
};

static enum nts_status read_fields(struct ntp_reply *reply, struct reply_fields *fields,
                                   const struct ntp_request *request, const uint8_t *packet,
                                   size_t len)
{
    struct reader r = reader_over(packet + NTP_HEADER_LEN, len - NTP_HEADER_LEN);
    struct ext_field field;
    while (!fields->has_authenticator && reader_more(&r) && ext_field_next(&r, &field, packet)) {
        switch (field.type) {
        case EF_UNIQUE_IDENTIFIER:
            if (fields->has_unique_id) {
                return fail(reply, NTS_ERR_NTS_DUPLICATE, "two unique identifiers");
            }
            if (field.body_len != sizeof(request->unique_id) ||
                memcmp(field.body, request->unique_id, field.body_len) != 0) {
                return fail(reply, NTS_ERR_MISMATCH, "unique identifier is not ours");
            }
            fields->has_unique_id = true;
            break;
        case EF_NTS_COOKIE:
        case EF_NTS_COOKIE_PLACEHOLDER:
            /* RFC 8915, section 5.7: a cookie in clear would let others link our requests. */
            return fail(reply, NTS_ERR_ENCRYPTED_FORM, "a cookie or placeholder in clear");
        case EF_NTS_AUTHENTICATOR:
            fields->authenticator = field;
            fields->has_authenticator = true;
            break;
        default:
            break; /* authenticated or not, it means nothing to us */
        }
    }
    /* Behind the authenticator nothing is authentic, so nothing there counts. */
    reply->trailing_len = reader_left(&r);
    if (reader_status(&r) != NTS_OK) {
        return fail(reply, reader_status(&r), status_text(reader_status(&r)));
    }
    return NTS_OK;
}

static enum nts_status read_encrypted(struct ntp_reply *reply, struct cookie_jar *jar,
                                      const uint8_t *plaintext, size_t len)
{
    struct ext_field field;
    /* Twice over: no cookie is taken from a reply that turns out malformed at its end. */
    struct reader check = reader_over(plaintext, len);
    while (reader_more(&check) && ext_field_next_encrypted(&check, &field)) {
    }
    if (reader_status(&check) != NTS_OK) {
        return fail(reply, NTS_ERR_ENCRYPTED_FORM, "an encrypted field is malformed");
    }
    struct reader r = reader_over(plaintext, len);
    while (reader_more(&r) && ext_field_next_encrypted(&r, &field)) {
        if (field.type != EF_NTS_COOKIE) {
            continue;
        }
        reply->num_cookies++;
        reply->cookie_len = field.body_len;
        if (jar != NULL) {
            (void)cookie_jar_put(jar, field.body, field.body_len);
        }
    }
    return NTS_OK;
}

static enum nts_status open_authenticator(struct ntp_reply *reply, struct cookie_jar *jar,
                                          const struct ntp_request *request, const uint8_t *packet,
                                          const struct ext_field *field)
{
    uint8_t plaintext[NTP_CLIENT_MAX_PACKET];
    struct authenticator authenticator;
    if (authenticator_parse(&authenticator, field->body, field->body_len) != NTS_OK ||
        authenticator.ciphertext_len < AEAD_TAG_LEN || authenticator.nonce_len == 0) {
        return fail(reply, NTS_ERR_AUTHENTICATOR_FORM, "the authenticator is malformed");
    }
    reply->nonce_len = authenticator.nonce_len;
    memcpy(reply->nonce, authenticator.nonce,
           reply->nonce_len < sizeof(reply->nonce) ? reply->nonce_len : sizeof(reply->nonce));
    reply->padding_len = authenticator.nonce_room - pad4(authenticator.nonce_len);

    struct aead_job job = {
        .aead = request->keys->aead,
        .key = request->keys->s2c,
        .out = plaintext,
        .nonce = authenticator.nonce,
        .nonce_len = authenticator.nonce_len,
        .ad = packet,
        .ad_len = field->offset,
        .in = authenticator.ciphertext,
        .in_len = authenticator.ciphertext_len,
    };
    aead_open_batch(&job, 1);
    if (job.status != NTS_OK) {
        return fail(reply, NTS_ERR_FORGED, "the authenticator does not verify");
    }
    reply->authenticated = true;
    return read_encrypted(reply, jar, plaintext, authenticator.ciphertext_len - AEAD_TAG_LEN);
}

/* RFC 5905, section 7.4: the codes that tell a client to go away or slow down. Others, such as
 * INIT, only explain why there is no time yet. */
static bool is_kiss(const struct ntp_header *header)
{
    static const uint32_t codes[] = {0x44454e59 /* DENY */, 0x52535452 /* RSTR */,
                                     0x52415445 /* RATE */};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (header->stratum == 0 && header->reference_id == codes[i]) {
            return true;
        }
    }
    return false;
}

static enum nts_status check_nts(struct ntp_reply *reply, struct cookie_jar *jar,
                                 const struct ntp_request *request, const uint8_t *packet,
                                 size_t len)
{
    struct reply_fields fields = {0};
    enum nts_status status = read_fields(reply, &fields, request, packet, len);
    if (status != NTS_OK) {
        return status;
    }
    if (!fields.has_unique_id) {
        return fail(reply, NTS_ERR_MISMATCH, "no unique identifier");
    }
    if (fields.has_authenticator) {
        return open_authenticator(reply, jar, request, packet, &fields.authenticator);
    }
    if (reply->header.stratum == 0 && reply->header.reference_id == NTP_KISS_NTSN) {
        return fail(reply, NTS_ERR_NAK, "NTS NAK: the server cannot use the cookie");
    }
    return is_kiss(&reply->header) ? NTS_OK
                                   : fail(reply, NTS_ERR_NTS_INCOMPLETE, "no authenticator");
}

enum nts_status ntp_reply_check(struct ntp_reply *reply, struct cookie_jar *jar,
                                const struct ntp_request *request, const uint8_t *packet,
                                size_t len)
{
    memset(reply, 0, sizeof(*reply));
    reply->len = len;
    if (len > NTP_CLIENT_MAX_PACKET) {
        return fail(reply, NTS_ERR_TOO_LONG, "longer than any reply");
    }
    enum nts_status status = check_header(reply, request, packet, len);
    if (status == NTS_OK && request->keys != NULL) {
        status = check_nts(reply, jar, request, packet, len);
    }
    if (status == NTS_OK && is_kiss(&reply->header)) {
        return fail(reply, NTS_ERR_KISS, "kiss of death");
    }
    return status;
}

int ntp_verdict_rank(enum nts_status status)
{
    switch (status) {
    case NTS_ERR_TIMEOUT:
        return 0;
    case NTS_ERR_MISMATCH:
        return 1;
    default:
        return 2; /* malformed */
    case NTS_ERR_FORGED:
        return 3;
    case NTS_ERR_KISS:
        return 4;
    case NTS_ERR_NAK:
        return 5;
    }
}

#include "time-server/protocol/response.h"

/* "INIT": not yet synchronised. No client acts on it as a kiss of death (RFC 5905, figure 12). */
#define REFERENCE_ID_INIT UINT32_C(0x494e4954)

void response_clock_at(struct response_clock *clock, const struct clock_status *status, bool is_fit,
                       int64_t now_ns)
{
    clock->is_fit = is_fit;
    clock->status = status;
    clock->now_ns = now_ns;
    struct ntp_header header = {
        .leap = NTP_LEAP_UNSYNCHRONISED,
        .mode = NTP_MODE_SERVER,
        .stratum = 0,
        .precision = status->precision,
        .root_dispersion = UINT32_C(16) << 16, /* MAXDISP (RFC 5905, figure 27) */
        .reference_id = REFERENCE_ID_INIT,
    };
    if (is_fit) {
        header.leap = status->leap;
        header.stratum = status->stratum;
        header.root_delay = ntp_short_from_ns(status->root_delay_ns);
        header.root_dispersion = ntp_short_from_ns(clock_root_dispersion_ns(status, now_ns));
        header.reference_id = status->reference_id;
        header.reference_time = ntp_time_from_unix_ns(status->reference_ns);
    }
    ntp_header_write(clock->ntp4_header, &header);
}

void response_write_header(struct writer *w, const struct request *request, enum reply_kind kind,
                           const struct response_clock *clock, int64_t rx_time_ns)
{
    const struct ntp_version_ops *ops = request->ops;
    uint8_t *header = write_space(w, ops->reply_header_len);
    if (header != NULL) {
        ops->replies[kind].write_header(header, request, clock, rx_time_ns);
    }
}

void response_stamp(uint8_t *reply, const struct request *request, enum reply_kind kind,
                    int64_t rx_time_ns, int64_t leaves_ns)
{
    const struct ntp_version_ops *ops = request->ops;
    if (!ops->replies[kind].has_times) {
        return;
    }
    /* Receive and transmit differ and are in order, even when the clock was stepped between. */
    uint64_t transmit_time = leaves_ns > rx_time_ns ? ntp_time_from_unix_ns(leaves_ns)
                                                    : ntp_time_from_unix_ns(rx_time_ns) + 1;
    store_u64(reply + ops->transmit_time_at, transmit_time);
}

void response_write_unique_id(struct writer *w, const struct request *request)
{
    if (request->unique_id != NULL) {
        ext_field_write(w, EF_UNIQUE_IDENTIFIER, request->unique_id, request->unique_id_len);
    }
}

int8_t response_kiss_poll(int8_t poll)
{
    int longer = poll < NTP_MAX_POLL ? poll + 1 : NTP_MAX_POLL;
    return (int8_t)(longer > RATE_KISS_MIN_POLL ? longer : RATE_KISS_MIN_POLL);
}

size_t response_num_cookies(const struct request *request, const struct aead_algorithm *aead,
                            size_t cookie_len)
{
    size_t num = 1 + request->num_placeholders;
    if (num > RESPONSE_MAX_COOKIES) {
        num = RESPONSE_MAX_COOKIES;
    }
    size_t without_cookies = request->ops->reply_header_len + EF_HEADER_LEN +
                             pad4(request->unique_id_len) + EF_AUTHENTICATOR_EXTRA +
                             aead->nonce_len + AEAD_TAG_LEN;
    size_t room = request->wire_len > without_cookies ? request->wire_len - without_cookies : 0;
    if (cookie_len == 0) {
        return 0;
    }
    size_t field_len = EF_HEADER_LEN + cookie_len;
    return num * field_len <= room ? num : room / field_len;
}

struct response_seal response_write_authenticator(struct writer *w,
                                                  const struct aead_algorithm *aead,
                                                  size_t plaintext_len)
{
    struct response_seal seal = {0};
    size_t ciphertext_len = plaintext_len + AEAD_TAG_LEN;
    uint8_t *body =
        ext_field_write_space(w, EF_NTS_AUTHENTICATOR, 4u + aead->nonce_len + ciphertext_len);
    if (body != NULL) {
        store_u16(body, aead->nonce_len);
        store_u16(body + 2, (uint16_t)ciphertext_len);
        seal.nonce = body + 4;
        seal.ciphertext = seal.nonce + aead->nonce_len;
    }
    return seal;
}

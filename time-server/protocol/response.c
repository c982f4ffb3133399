#include "time-server/protocol/response.h"

/* "INIT": not yet synchronised. No client acts on it as a kiss of death (RFC 5905, figure 12). */
#define REFERENCE_ID_INIT UINT32_C(0x494e4954)

static void put_header(struct writer *w, const struct ntp_header *header)
{
    uint8_t *space = write_space(w, NTP_HEADER_LEN);
    if (space != NULL) {
        ntp_header_write(space, header);
    }
}

void response_clock_at(struct response_clock *clock, const struct clock_status *status, bool is_fit,
                       int64_t now_ns)
{
    clock->is_fit = is_fit;
    clock->header = (struct ntp_header){
        .leap = NTP_LEAP_UNSYNCHRONISED,
        .mode = NTP_MODE_SERVER,
        .stratum = 0,
        .precision = status->precision,
        .root_dispersion = UINT32_C(16) << 16, /* MAXDISP (RFC 5905, figure 27) */
        .reference_id = REFERENCE_ID_INIT,
    };
    if (is_fit) {
        clock->header.leap = status->leap;
        clock->header.stratum = status->stratum;
        clock->header.root_delay = ntp_short_from_ns(status->root_delay_ns);
        clock->header.root_dispersion = ntp_short_from_ns(clock_root_dispersion_ns(status, now_ns));
        clock->header.reference_id = status->reference_id;
        clock->header.reference_time = ntp_time_from_unix_ns(status->reference_ns);
    }
}

void response_write_header(struct writer *w, const struct request *request,
                           const struct response_clock *clock, int64_t rx_time_ns)
{
    struct ntp_header header = clock->header;
    header.version = request->version;
    header.poll = request->poll;
    header.origin_time = request->transmit_time;
    header.receive_time = ntp_time_from_unix_ns(rx_time_ns);
    put_header(w, &header);
}

void response_write_unique_id(struct writer *w, const struct request *request)
{
    if (request->unique_id != NULL) {
        ext_field_write(w, EF_UNIQUE_IDENTIFIER, request->unique_id, request->unique_id_len);
    }
}

void response_write_nak(struct writer *w, const struct request *request)
{
    struct ntp_header header = {
        .leap = NTP_LEAP_UNSYNCHRONISED,
        .version = request->version,
        .mode = NTP_MODE_SERVER,
        .stratum = 0,
        .poll = request->poll,
        .reference_id = NTP_KISS_NTSN,
        .origin_time = request->transmit_time,
    };
    put_header(w, &header);
    response_write_unique_id(w, request);
}

/* The timestamps mean nothing in a kiss, but clients drop what has none before they look further.
 */
void response_write_rate_kiss(struct writer *w, const struct request *request, int64_t rx_time_ns)
{
    int poll = request->poll < NTP_MAX_POLL ? request->poll + 1 : NTP_MAX_POLL;
    struct ntp_header header = {
        .leap = NTP_LEAP_UNSYNCHRONISED,
        .version = request->version,
        .mode = NTP_MODE_SERVER,
        .stratum = 0,
        .poll = (int8_t)(poll > RATE_KISS_MIN_POLL ? poll : RATE_KISS_MIN_POLL),
        .reference_id = NTP_KISS_RATE,
        .origin_time = request->transmit_time,
        .receive_time = ntp_time_from_unix_ns(rx_time_ns),
    };
    put_header(w, &header);
}

size_t response_num_cookies(const struct request *request, const struct aead_algorithm *aead,
                            size_t cookie_len)
{
    size_t num = 1 + request->num_placeholders;
    if (num > RESPONSE_MAX_COOKIES) {
        num = RESPONSE_MAX_COOKIES;
    }
    size_t without_cookies = NTP_HEADER_LEN + EF_HEADER_LEN + request->unique_id_len +
                             EF_AUTHENTICATOR_EXTRA + aead->nonce_len + AEAD_TAG_LEN;
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

/* NTP versions 1 to 4 (RFC 1059, RFC 1119, RFC 1305, RFC 5905), which share one header. */
#include "time-server/protocol/response.h"

#include <string.h>

/* Where the fields stand that a request and its reply share. */
#define POLL_AT          2
#define ORIGIN_TIME_AT   24
#define RECEIVE_TIME_AT  32
#define TRANSMIT_TIME_AT 40

static enum nts_status parse_header(struct request *request, const uint8_t *header, unsigned mode)
{
    request->poll = (int8_t)header[POLL_AT];
    request->transmit_time = load_u64(header + TRANSMIT_TIME_AT);
    /* Everything that is not a client request stays unanswered: modes 1, 6 and 7 are what
     * reflection attacks are made of (RFC 8633, section 3.4). */
    return mode == NTP_MODE_CLIENT ? NTS_OK : NTS_ERR_MODE;
}

static enum nts_status ntp4_parse_header(struct request *request, const uint8_t *header)
{
    return parse_header(request, header, header[0] & 7);
}

/* NTPv1 clients may send no mode at all (RFC 5905, section 14). */
static enum nts_status ntp1_parse_header(struct request *request, const uint8_t *header)
{
    unsigned mode = header[0] & 7;
    return parse_header(request, header, mode == NTP_MODE_RESERVED ? NTP_MODE_CLIENT : mode);
}

static void ntp4_write_time(uint8_t *header, const struct request *request,
                            const struct response_clock *clock, int64_t rx_time_ns)
{
    memcpy(header, clock->ntp4_header, NTP_HEADER_LEN);
    header[0] |= (uint8_t)(request->version << 3);
    header[POLL_AT] = (uint8_t)request->poll;
    store_u64(header + ORIGIN_TIME_AT, request->transmit_time);
    store_u64(header + RECEIVE_TIME_AT, ntp_time_from_unix_ns(rx_time_ns));
}

/* A header that says no: its kiss code and what belongs to the request. */
static struct ntp_header kiss_header(const struct request *request, uint32_t kiss_code)
{
    return (struct ntp_header){
        .leap = NTP_LEAP_UNSYNCHRONISED,
        .version = request->version,
        .mode = NTP_MODE_SERVER,
        .stratum = 0,
        .poll = request->poll,
        .reference_id = kiss_code,
        .origin_time = request->transmit_time,
    };
}

/* RFC 5905, section 7.4. The timestamps mean nothing in a kiss, but clients drop a reply without
 * them before they look at the kiss code. */
static void ntp4_write_rate_kiss(uint8_t *packet, const struct request *request,
                                 const struct response_clock *clock, int64_t rx_time_ns)
{
    (void)clock;
    struct ntp_header header = kiss_header(request, NTP_KISS_RATE);
    header.poll = response_kiss_poll(request->poll);
    header.receive_time = ntp_time_from_unix_ns(rx_time_ns);
    ntp_header_write(packet, &header);
}

/* RFC 8915, section 5.7: kiss code NTSN, and no timestamp but the client's own. */
static void ntp4_write_nak(uint8_t *packet, const struct request *request,
                           const struct response_clock *clock, int64_t rx_time_ns)
{
    (void)clock;
    (void)rx_time_ns;
    struct ntp_header header = kiss_header(request, NTP_KISS_NTSN);
    ntp_header_write(packet, &header);
}

#define NTP4_HEADER                                                                                \
    .header_len = NTP_HEADER_LEN, .reply_header_len = NTP_HEADER_LEN,                              \
    .transmit_time_at = TRANSMIT_TIME_AT,                                                          \
    .replies = {                                                                                   \
        [REPLY_TIME] = {ntp4_write_time, .has_times = true},                                       \
        [REPLY_RATE_KISS] = {ntp4_write_rate_kiss, .has_times = true},                             \
        [REPLY_NAK] = {ntp4_write_nak, .has_times = false},                                        \
    }

/* Extension fields exist from version 4 on. */
const struct ntp_version_ops ntp_version_1 = {NTP4_HEADER, .parse_header = ntp1_parse_header};
const struct ntp_version_ops ntp_version_2 = {NTP4_HEADER, .parse_header = ntp4_parse_header};
const struct ntp_version_ops ntp_version_3 = {NTP4_HEADER, .parse_header = ntp4_parse_header};
const struct ntp_version_ops ntp_version_4 = {NTP4_HEADER, .parse_header = ntp4_parse_header,
                                              .fields = &ext_field_form_ntp4};

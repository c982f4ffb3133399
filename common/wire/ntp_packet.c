#include "wire/ntp_packet.h"

#include "base/clock_time.h"
#include "base/cursor.h"

/* Seconds from 1900-01-01 to 1970-01-01 (RFC 5905, figure 4). */
#define NTP_UNIX_OFFSET_S UINT64_C(2208988800)

void ntp_header_read(struct ntp_header *header, const uint8_t packet[NTP_HEADER_LEN])
{
    *header = (struct ntp_header){
        .leap = packet[0] >> 6,
        .version = packet[0] >> 3 & 7,
        .mode = packet[0] & 7,
        .stratum = packet[1],
        .poll = (int8_t)packet[2],
        .precision = (int8_t)packet[3],
        .root_delay = load_u32(packet + 4),
        .root_dispersion = load_u32(packet + 8),
        .reference_id = load_u32(packet + 12),
        .reference_time = load_u64(packet + 16),
        .origin_time = load_u64(packet + 24),
        .receive_time = load_u64(packet + 32),
        .transmit_time = load_u64(packet + 40),
    };
}

void ntp_header_write(uint8_t packet[NTP_HEADER_LEN], const struct ntp_header *header)
{
    packet[0] = (uint8_t)(header->leap << 6 | header->version << 3 | header->mode);
    packet[1] = header->stratum;
    packet[2] = (uint8_t)header->poll;
    packet[3] = (uint8_t)header->precision;
    store_u32(packet + 4, header->root_delay);
    store_u32(packet + 8, header->root_dispersion);
    store_u32(packet + 12, header->reference_id);
    store_u64(packet + 16, header->reference_time);
    store_u64(packet + 24, header->origin_time);
    store_u64(packet + 32, header->receive_time);
    store_u64(packet + 40, header->transmit_time);
}

uint64_t ntp_time_from_unix_ns(int64_t unix_ns)
{
    int64_t seconds = unix_ns / NS_PER_S;
    int64_t rest_ns = unix_ns % NS_PER_S;
    if (rest_ns < 0) {
        seconds--;
        rest_ns += NS_PER_S;
    }
    uint64_t fraction = ((uint64_t)rest_ns << 32) / (uint64_t)NS_PER_S;
    return ((uint64_t)seconds + NTP_UNIX_OFFSET_S) << 32 | fraction;
}

int64_t ntp_time_to_unix_ns(uint64_t ntp_time, int64_t pivot_unix_ns)
{
    /* The difference modulo 2^32 s, as a signed number, is right within 68 years of the pivot. */
    uint64_t pivot = ntp_time_from_unix_ns(pivot_unix_ns);
    int64_t difference = (int64_t)(ntp_time - pivot);
    int64_t seconds = difference >> 32;
    uint64_t fraction = (uint64_t)difference & UINT32_MAX;
    return pivot_unix_ns + seconds * NS_PER_S +
           (int64_t)((fraction * (uint64_t)NS_PER_S + (UINT64_C(1) << 31)) >> 32);
}

void ntp_measure(int64_t *offset_ns, int64_t *delay_ns, const struct ntp_header *reply,
                 int64_t sent_ns, int64_t received_ns)
{
    int64_t t2 = ntp_time_to_unix_ns(reply->receive_time, sent_ns);
    int64_t t3 = ntp_time_to_unix_ns(reply->transmit_time, sent_ns);
    /* Halved one by one: each difference may be as long as an NTP era. */
    *offset_ns = (t2 - sent_ns) / 2 + (t3 - received_ns) / 2;
    *delay_ns = (received_ns - sent_ns) - (t3 - t2);
}

uint32_t ntp_short_from_ns(int64_t ns)
{
    if (ns <= 0) {
        return 0;
    }
    uint64_t seconds = (uint64_t)ns / (uint64_t)NS_PER_S;
    uint64_t rest = (uint64_t)ns % (uint64_t)NS_PER_S;
    uint64_t value = (seconds << 16) + ((rest << 16) + (uint64_t)NS_PER_S - 1) / (uint64_t)NS_PER_S;
    return value > UINT32_MAX || seconds > UINT16_MAX ? UINT32_MAX : (uint32_t)value;
}

int64_t ntp_short_to_ns(uint32_t value)
{
    return (int64_t)(((uint64_t)value * (uint64_t)NS_PER_S) >> 16);
}

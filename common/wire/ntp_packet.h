/* The 48-octet NTP header (RFC 5905, section 7.3) and NTP timestamps. No I/O, no clock. */
#ifndef NTS_WIRE_NTP_PACKET_H
#define NTS_WIRE_NTP_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define NTP_HEADER_LEN 48
#define NTP_PORT       123

enum ntp_mode { NTP_MODE_RESERVED = 0, NTP_MODE_CLIENT = 3, NTP_MODE_SERVER = 4 };

enum ntp_leap {
    NTP_LEAP_NONE = 0,
    NTP_LEAP_INSERT = 1,
    NTP_LEAP_DELETE = 2,
    NTP_LEAP_UNSYNCHRONISED = 3,
};

#define NTP_MAX_STRATUM 15 /* 16 is "unsynchronised" inside, 0 on the wire */

/* "NTSN": the kiss code of an NTS NAK (RFC 8915, section 5.7). */
#define NTP_KISS_NTSN UINT32_C(0x4e54534e)

#define NTP_MAX_POLL 17 /* a day and a half (RFC 5905, figure 27) */

/* "RATE": the client is to ask less often (RFC 5905, section 7.4). */
#define NTP_KISS_RATE UINT32_C(0x52415445)

/* Timestamps are 64 bits, 32.32, seconds since 1900 modulo 2^32. */
struct ntp_header {
    uint8_t leap;
    uint8_t version;
    uint8_t mode;
    uint8_t stratum;
    int8_t poll;              /* log2 seconds */
    int8_t precision;         /* log2 seconds */
    uint32_t root_delay;      /* 16.16 seconds */
    uint32_t root_dispersion; /* 16.16 seconds */
    uint32_t reference_id;
    uint64_t reference_time;
    uint64_t origin_time;
    uint64_t receive_time;
    uint64_t transmit_time;
};

/* ntp_header_read fills `*header` from the 48 octets at `packet`. */
void ntp_header_read(struct ntp_header *header, const uint8_t packet[NTP_HEADER_LEN]);

/* ntp_header_write lays `*header` out as 48 octets. */
void ntp_header_write(uint8_t packet[NTP_HEADER_LEN], const struct ntp_header *header);

/* ntp_time_from_unix_ns converts nanoseconds since 1970 to an NTP timestamp (any era). */
uint64_t ntp_time_from_unix_ns(int64_t unix_ns);

/* ntp_time_to_unix_ns gives the instant nearest to `pivot_unix_ns` that `ntp_time` can mean. */
int64_t ntp_time_to_unix_ns(uint64_t ntp_time, int64_t pivot_unix_ns);

/* ntp_measure computes what one exchange tells (RFC 5905, section 8): the server's clock minus
 * ours, and the round trip without the server's own time, which two clocks of different speed can
 * make negative. `sent_ns` (T1) and `received_ns` (T4) are ours, Unix time; T2 and T3 are in
 * `reply`. */
void ntp_measure(int64_t *offset_ns, int64_t *delay_ns, const struct ntp_header *reply,
                 int64_t sent_ns, int64_t received_ns);

/* ntp_short_from_ns converts a duration to 16.16 seconds, rounded up, saturating. */
uint32_t ntp_short_from_ns(int64_t ns);

/* ntp_short_to_ns converts 16.16 seconds to nanoseconds. */
int64_t ntp_short_to_ns(uint32_t value);

#endif

/* The versions of NTP that the server speaks: each is one row, which says what differs between
 * them. A request points to the row of its version, and everything behind the parser follows the
 * row. A new version is one file, with its functions and its row, and one line in
 * NTP_VERSION_TABLE.
 *
 * What all versions share: the first octet holds the version number in bits 3 to 5, a packet has at
 * least NTP_HEADER_LEN octets and is a multiple of four octets long, extension fields follow the
 * header, NTS uses the fields of RFC 8915, and the transmit timestamp is 64 bits, 32.32 seconds. */
#ifndef NTS_TIME_NTP_VERSION_H
#define NTS_TIME_NTP_VERSION_H

#include "base/status.h"
#include "wire/ext_field.h"

#include <stdbool.h>
#include <stdint.h>

#define NTP_NUM_VERSIONS 8 /* the number has three bits */

struct request;
struct response_clock;

/* What a datagram gets. */
enum reply_kind {
    REPLY_NONE,      /* silence */
    REPLY_TIME,      /* the time */
    REPLY_RATE_KISS, /* the client is to ask less often (RFC 5905, section 7.4) */
    REPLY_NAK, /* NTS NAK: the cookie or the authenticator is not good (RFC 8915, section 5.7) */
    REPLY_NUM_KINDS
};

/* How the header of one kind of reply is written. */
struct reply_form {
    /* Fills reply_header_len octets, the transmit timestamp excepted if `has_times`: that is set
     * when the reply leaves. `rx_time_ns` is when the request arrived, CLOCK_REALTIME. */
    void (*write_header)(uint8_t *header, const struct request *request,
                         const struct response_clock *clock, int64_t rx_time_ns);
    bool has_times;
};

struct ntp_version_ops {
    uint8_t header_len;       /* of a request, NTP_HEADER_LEN or more */
    uint8_t reply_header_len; /* of a reply */
    uint8_t transmit_time_at; /* where the transmit timestamp stands in a reply */

    /* How extension fields are reckoned. NULL: the version has none, and what follows the header is
     * a legacy MAC. */
    const struct ext_field_form *fields;

    /* Reads the header_len octets at `header` into the request: what its reply gives back. NTS_OK,
     * or why the request gets silence: NTS_ERR_MODE. */
    enum nts_status (*parse_header)(struct request *request, const uint8_t *header);

    /* Takes in one field in front of the authenticator: those that only this version has, and
     * leaves the others to request_take_nts_field. NULL: the fields of NTS are the only ones that
     * count. */
    enum nts_status (*take_field)(struct request *request, const struct ext_field *field);

    struct reply_form replies[REPLY_NUM_KINDS]; /* REPLY_NONE stays empty */
};

/* number, row */
#define NTP_VERSION_TABLE(X)                                                                       \
    X(1, ntp_version_1)                                                                            \
    X(2, ntp_version_2)                                                                            \
    X(3, ntp_version_3)                                                                            \
    X(4, ntp_version_4)

#define NTP_VERSION_DECLARE(number, row) extern const struct ntp_version_ops row;
NTP_VERSION_TABLE(NTP_VERSION_DECLARE)
#undef NTP_VERSION_DECLARE

/* The rows by version number; NULL: a version that gets silence (NTS_ERR_VERSION). */
struct ntp_versions {
    const struct ntp_version_ops *by_number[NTP_NUM_VERSIONS];
};

/* The versions of NTP_VERSION_TABLE. */
extern const struct ntp_versions ntp_versions;

#endif

/* What a datagram asks for: an NTP client request (RFC 5905), plain or with the extension fields of
 * NTS (RFC 8915, sections 5.2 to 5.7). Pure: no socket, no key, no clock; never allocates. The
 * parsed request points into the datagram. */
#ifndef NTS_TIME_REQUEST_H
#define NTS_TIME_REQUEST_H

#include "base/status.h"
#include "time-server/protocol/datagram.h"
#include "time-server/protocol/ntp_version.h"
#include "wire/ext_field.h"
#include "wire/ntp_packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the fields of one request have in common, kept while they are read. */
struct request_seen {
    bool authenticator;
    bool placeholder;
    bool placeholders_differ;
    size_t placeholder_len;
};

struct request {
    const struct ntp_version_ops *ops; /* the row of its version */
    size_t wire_len;
    uint8_t version;
    int8_t poll;
    uint64_t transmit_time; /* the client's, which the reply gives back */
    bool is_nts;
    const uint8_t *unique_id; /* NULL: none */
    size_t unique_id_len;
    const uint8_t *cookie;
    size_t cookie_len;
    size_t num_placeholders; /* in clear and, once known, encrypted ones */
    struct authenticator authenticator;
    size_t ad_len; /* octets in front of the authenticator field: the associated data */
    struct request_seen seen;
};

/* request_parse judges `len` octets, whose version must be one of `versions`. NTS_OK, or the reason
 * for silence: NTS_ERR_TOO_SHORT, NOT_ALIGNED, VERSION, MODE, LEGACY_MAC, EF_LENGTH,
 * UNIQUE_ID_SHORT, NTS_DUPLICATE, NTS_INCOMPLETE, PLACEHOLDER_LENGTH, AUTHENTICATOR_FORM or
 * NONCE. */
NTS_MUST_CHECK enum nts_status request_parse(struct request *request,
                                             const struct ntp_versions *versions,
                                             const uint8_t *packet, size_t len);

/* request_take_nts_field takes in one field of RFC 8915 and ignores any other (RFC 7822): what the
 * rows of versions with extension fields call. NTS_ERR_UNIQUE_ID_SHORT, NTS_DUPLICATE,
 * AUTHENTICATOR_FORM or NONCE. */
NTS_MUST_CHECK enum nts_status request_take_nts_field(struct request *request,
                                                      const struct ext_field *field);

/* request_parse_encrypted takes in the fields that were encrypted: placeholders count, everything
 * else is ignored (RFC 8915, section 5.7). NTS_ERR_ENCRYPTED_FORM or NTS_ERR_PLACEHOLDER_LENGTH. */
NTS_MUST_CHECK enum nts_status request_parse_encrypted(struct request *request,
                                                       const uint8_t *plaintext, size_t len);

#endif

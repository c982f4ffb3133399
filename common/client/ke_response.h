/* NTS-KE messages as a client writes and reads them (RFC 8915, section 4). No I/O, no crypto,
 * never allocates. */
#ifndef NTS_CLIENT_KE_RESPONSE_H
#define NTS_CLIENT_KE_RESPONSE_H

#include "base/address.h"
#include "client/cookie_jar.h"
#include "crypto/aead.h"
#include "wire/ke_record.h"

#define CLIENT_MAX_AEADS    8
#define CLIENT_MAX_RECORDS  64
#define KE_REQUEST_MAX_LEN  512
#define KE_RESPONSE_MAX_LEN 65536

struct ke_request {
    uint16_t aeads[CLIENT_MAX_AEADS]; /* IANA numbers, first choice first */
    size_t num_aeads;
    bool compliant_gcm_siv;  /* send record 1024: AEAD 30 with the exporter context of the RFC */
    const char *wish_server; /* the time server we would like; NULL: none */
    uint16_t wish_port;      /* its port; 0: none */
};

/* ke_request_write writes the request. The writer fails with NTS_ERR_NO_SPACE. */
void ke_request_write(struct writer *w, const struct ke_request *request);

/* One record as it came, for people. */
struct ke_record_seen {
    uint16_t type;
    bool critical;
    uint16_t body_len;
};

struct ke_response {
    struct ke_record_seen records[CLIENT_MAX_RECORDS];
    size_t num_records; /* all of them; only the first CLIENT_MAX_RECORDS are in `records` */

    const struct aead_algorithm *aead; /* the server's choice */
    bool compliant_gcm_siv;            /* AEAD 30, and record 1024 was echoed */
    struct cookie_jar jar;
    size_t num_cookies;         /* received, usable or not */
    char server[HOST_TEXT_LEN]; /* the time server; "": the host that we asked */
    uint16_t port;              /* of the time server, NTP_PORT if it was not named */
    int error_code;             /* of an Error record, -1: none came */
    int warning_code;           /* of a Warning record, -1: none came */
};

/* ke_response_parse judges the `len` octets of a response to `request` and fills `*response`, also
 * as far as it got when it fails, each time with text:
 * NTS_ERR_TRUNCATED         a record passes the end
 * NTS_ERR_INCOMPLETE        no End of Message record
 * NTS_ERR_PEER_ERROR        an Error record, or a Warning, of which none is defined to be ignored
 * NTS_ERR_NO_AGREEMENT      no protocol or algorithm that both sides have
 * NTS_ERR_UNKNOWN_CRITICAL  as the name says
 * NTS_ERR_BAD_REQUEST       any other broken rule, no usable cookie among them */
NTS_MUST_CHECK enum nts_status ke_response_parse(struct ke_response *response, const uint8_t *data,
                                                 size_t len, const struct ke_request *request,
                                                 struct error *error);

/* ke_record_type_name names a record type, "unknown" if it is none of ours. */
const char *ke_record_type_name(uint16_t type);

#endif

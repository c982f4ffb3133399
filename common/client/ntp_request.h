/* An NTP request with or without NTS, and the judgement of its reply (RFC 8915, section 5). Pure:
 * no I/O, no clock; what is random comes in as an input. Thread-safe, never allocates. */
#ifndef NTS_CLIENT_NTP_REQUEST_H
#define NTS_CLIENT_NTP_REQUEST_H

#include "client/cookie_jar.h"
#include "keys/cookie.h"
#include "wire/ext_field.h"
#include "wire/ntp_packet.h"

/* Eight of the longest cookies, and the rest. */
#define NTP_CLIENT_MAX_PACKET 9216

/* Longer than any algorithm likes: servers must take them. */
#define NTP_CLIENT_MAX_NONCE 64

/* Requests stay below the least MTU of IPv6 if they can. */
#define NTP_CLIENT_SAFE_PACKET 1232

struct ntp_request {
    /* Inputs. */
    const struct session_keys *keys; /* NULL: plain NTP, and the rest below does not count */
    const uint8_t *cookie;
    size_t cookie_len; /* a multiple of four */
    size_t num_placeholders;
    uint8_t version;        /* 0: 4 */
    uint64_t transmit_time; /* random (ntp_request_randomise): it hides our clock */
    uint8_t unique_id[EF_UNIQUE_ID_MIN_LEN];
    uint8_t nonce[NTP_CLIENT_MAX_NONCE];
    size_t nonce_len; /* 0: what the algorithm likes; a shorter one is padded to N_REQ */

    /* Output of ntp_request_build. */
    size_t len;
    uint8_t packet[NTP_CLIENT_MAX_PACKET];
};

/* ntp_request_randomise fills transmit_time, unique_id and nonce. */
void ntp_request_randomise(struct ntp_request *request);

/* ntp_request_build lays the packet out and seals it. NTS_ERR_NO_SPACE if it does not fit, or the
 * nonce would be longer than NTP_CLIENT_MAX_NONCE. */
NTS_MUST_CHECK enum nts_status ntp_request_build(struct ntp_request *request);

/* What goes into an authenticator. */
struct ntp_sealing {
    const uint8_t *nonce;
    size_t nonce_len;
    const uint8_t *plaintext; /* NULL: none */
    size_t plaintext_len;
    size_t padding_len; /* octets of Additional Padding behind it, a multiple of four */
};

/* ntp_authenticator_write ends a request: it seals the plaintext under C2S, with everything that
 * the writer holds as associated data. The writer fails with NTS_ERR_NO_SPACE. */
void ntp_authenticator_write(struct writer *w, const struct session_keys *keys,
                             const struct ntp_sealing *sealing);

/* ntp_placeholders_wanted tells how many placeholders fill `jar` up again, after the cookie of
 * `cookie_len` octets was taken from it, without passing NTP_CLIENT_SAFE_PACKET. */
size_t ntp_placeholders_wanted(const struct cookie_jar *jar, size_t cookie_len);

struct ntp_reply {
    struct ntp_header header;
    size_t len; /* of the datagram */
    bool authenticated;
    const char *fault; /* static text when the status is not NTS_OK */

    size_t num_cookies;                  /* in the encrypted fields */
    size_t cookie_len;                   /* of the last of them */
    uint8_t nonce[NTP_CLIENT_MAX_NONCE]; /* of the authenticator, cut if it is longer */
    size_t nonce_len;
    size_t padding_len;  /* Additional Padding in the authenticator: should be 0 */
    size_t trailing_len; /* octets behind the authenticator, not authentic: should be 0 */
};

/* ntp_reply_check judges the `len` octets at `packet` as a reply to `request` and fills `*reply`;
 * the header is filled in whenever there is one. Cookies go to `jar` (NULL: nowhere) if the reply
 * is authentic.
 * NTS_OK             time to use, or of an unsynchronised server: see leap and stratum
 * NTS_ERR_MISMATCH   not a reply to this request: go on waiting
 * NTS_ERR_NAK        an NTS NAK: never authentic, so go on waiting (RFC 8915, section 5.7)
 * NTS_ERR_KISS       kiss of death DENY, RSTR or RATE; reply->authenticated: whether to trust it
 * NTS_ERR_FORGED     the authenticator does not verify
 * NTS_ERR_TOO_SHORT, _NOT_ALIGNED, _VERSION, _MODE, _EF_LENGTH, _LEGACY_MAC, _NTS_INCOMPLETE,
 * _NTS_DUPLICATE, _AUTHENTICATOR_FORM, _ENCRYPTED_FORM  malformed, or a cookie in clear */
NTS_MUST_CHECK enum nts_status ntp_reply_check(struct ntp_reply *reply, struct cookie_jar *jar,
                                               const struct ntp_request *request,
                                               const uint8_t *packet, size_t len);

/* ntp_verdict_rank tells how much a datagram that was refused with `status` says about what is
 * wrong: the greatest is the verdict when time is over. NTS_ERR_TIMEOUT, for no datagram, has the
 * least. */
int ntp_verdict_rank(enum nts_status status);

#endif

/* Replies: the header (RFC 5905, section 7.3), the NTS fields around it (RFC 8915, section 5.7) and
 * the NTS NAK. Pure: no socket, no key, no clock; never allocates. The transmit timestamp is set
 * later, just before the reply is sealed. */
#ifndef NTS_TIME_RESPONSE_H
#define NTS_TIME_RESPONSE_H

#include "crypto/aead.h"
#include "time-server/clock/clock_state.h"
#include "time-server/protocol/request.h"

#define RESPONSE_MAX_COOKIES 8 /* RFC 8915, section 5.7: no client has room for more */

/* What the header says about the clock at the time of the batch; the same for all its replies. */
struct response_clock {
    bool is_fit;
    struct ntp_header header; /* but for what comes from the request */
};

/* response_clock_at fills `*clock` for replies at `now_ns`: leap 3 and stratum 0 if the clock is
 * not fit. */
void response_clock_at(struct response_clock *clock, const struct clock_status *status, bool is_fit,
                       int64_t now_ns);

/* response_write_header writes 48 octets. `rx_time_ns` is when the request arrived. */
void response_write_header(struct writer *w, const struct request *request,
                           const struct response_clock *clock, int64_t rx_time_ns);

/* response_write_unique_id echoes the unique identifier, if the request has one. */
void response_write_unique_id(struct writer *w, const struct request *request);

/* response_write_nak writes a whole NTS NAK: kiss code NTSN and the unique identifier. */
void response_write_nak(struct writer *w, const struct request *request);

/* response_write_rate_kiss writes the 48 octets of a kiss of death RATE, with a poll interval that
 * is twice the client's and RATE_KISS_MIN_POLL at least (RFC 5905, section 7.4). */
#define RATE_KISS_MIN_POLL 6
void response_write_rate_kiss(struct writer *w, const struct request *request, int64_t rx_time_ns);

/* response_num_cookies returns how many cookies of `cookie_len` octets a reply may carry: one for
 * the request's own and one for each placeholder, RESPONSE_MAX_COOKIES at most, and never so many
 * that the reply is longer than the request (RFC 8915, section 5.5). */
size_t response_num_cookies(const struct request *request, const struct aead_algorithm *aead,
                            size_t cookie_len);

/* Where to put what an authenticator field holds. */
struct response_seal {
    uint8_t *nonce;      /* aead->nonce_len octets */
    uint8_t *ciphertext; /* plaintext_len + AEAD_TAG_LEN octets */
};

/* response_write_authenticator opens the last field of an NTS reply: no Additional Padding, for the
 * sake of NTPsec, whose client takes it for ciphertext. The caller fills nonce and ciphertext. */
struct response_seal response_write_authenticator(struct writer *w,
                                                  const struct aead_algorithm *aead,
                                                  size_t plaintext_len);

#endif

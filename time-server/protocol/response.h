/* Replies: the header, which the row of the version writes, and the NTS fields behind it (RFC 8915,
 * section 5.7). Pure: no socket, no key, no clock; never allocates. The transmit timestamp is set
 * later, just before the reply is sealed. */
#ifndef NTS_TIME_RESPONSE_H
#define NTS_TIME_RESPONSE_H

#include "crypto/aead.h"
#include "time-server/clock/clock_state.h"
#include "time-server/protocol/request.h"

#define RESPONSE_MAX_COOKIES 8 /* RFC 8915, section 5.7: no client has room for more */

/* What replies say about the clock at the time of the batch; the same for all of them. */
struct response_clock {
    bool is_fit;
    const struct clock_status *status; /* for versions that reckon otherwise than NTPv4 */
    int64_t now_ns;                    /* CLOCK_REALTIME */
    /* The header of NTPv1 to NTPv4 but for what comes from the request: the version is zero, and so
     * are poll interval and timestamps. */
    uint8_t ntp4_header[NTP_HEADER_LEN];
};

/* response_clock_at fills `*clock` for replies at `now_ns`: leap 3 and stratum 0 if the clock is
 * not fit. `status` must outlive `*clock`. */
void response_clock_at(struct response_clock *clock, const struct clock_status *status, bool is_fit,
                       int64_t now_ns);

/* response_write_header writes the header of a reply of that kind (not REPLY_NONE), as the version
 * of the request has it. `rx_time_ns` is when the request arrived, CLOCK_REALTIME. */
void response_write_header(struct writer *w, const struct request *request, enum reply_kind kind,
                           const struct response_clock *clock, int64_t rx_time_ns);

/* response_stamp sets the transmit timestamp of a reply to `leaves_ns`, or to just after
 * `rx_time_ns` if the clock was stepped back in between; both CLOCK_REALTIME. Does nothing to
 * replies of a kind that tells no time. */
void response_stamp(uint8_t *reply, const struct request *request, enum reply_kind kind,
                    int64_t rx_time_ns, int64_t leaves_ns);

/* response_write_unique_id echoes the unique identifier, if the request has one. */
void response_write_unique_id(struct writer *w, const struct request *request);

/* response_kiss_poll returns the poll interval that a kiss of death RATE asks for: twice the
 * client's, and RATE_KISS_MIN_POLL at least (RFC 5905, section 7.4); both log2 seconds. */
#define RATE_KISS_MIN_POLL 6
int8_t response_kiss_poll(int8_t poll);

/* response_num_cookies returns how many cookies of `cookie_len` octets a reply may carry: one for
 * the request's own and one for each placeholder, RESPONSE_MAX_COOKIES at most, and only as
 * many as keep the reply within the length of the request (RFC 8915, section 5.5). */
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

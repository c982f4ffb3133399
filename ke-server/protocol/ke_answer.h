/* The messages that an NTS-KE server sends (RFC 8915, section 4). No socket, no TLS; never
 * allocates. */
#ifndef NTS_KE_ANSWER_H
#define NTS_KE_ANSWER_H

#include "ke-server/protocol/negotiate.h"
#include "ke-server/protocol/time_servers.h"
#include "keys/cookie.h"

#define KE_NUM_COOKIES 8 /* RFC 8915, section 4.1.6 */

#define KE_ANSWER_ERROR_LEN (2 * KE_RECORD_HEADER_LEN + 2)

/* The longest response: each record once, a name of full length, eight of the longest cookies. */
#define KE_ANSWER_CAPACITY                                                                         \
    (7 * KE_RECORD_HEADER_LEN + 3 * 2 + TIME_SERVER_NAME_MAX_LEN +                                 \
     KE_NUM_COOKIES * (KE_RECORD_HEADER_LEN + COOKIE_MAX_LEN))

/* NTPsec reads responses into 2048 octets. */
_Static_assert(KE_ANSWER_CAPACITY <= 2048, "every client can take the longest response");

/* ke_answer_offer fills `*now` with what `allowed` allows and a key of `ring` can seal at
 * `now_s`, in the same order. */
void ke_answer_offer(struct ke_policy *now, const struct ke_policy *allowed,
                     const struct keyring *ring, int64_t now_s);

/* What a response is made from. Without an algorithm, nothing else of the negotiation is read. */
struct ke_answer {
    const struct negotiation *negotiation;
    const struct session_keys *keys;       /* of negotiation->aead */
    const struct master_key *sealing_key;  /* from keyring_sealing_key for negotiation->aead */
    const struct time_server *time_server; /* NULL: the client asks the address it came to */
};

/* ke_answer_write writes the response to a request that was in order, and returns its length: Next
 * Protocol, AEAD, the records of the protocol, eight cookies, End of Message. For NTPv4 those are
 * [1024], [Server], [Port]. Returns 0, and nothing in `out` is fit to be sent, if the key cannot
 * seal the cookies or the response does not fit. */
NTS_MUST_CHECK size_t ke_answer_write(uint8_t out[KE_ANSWER_CAPACITY],
                                      const struct ke_answer *answer, struct random_pool *random);

/* ke_answer_write_error writes an Error and an End of Message record (RFC 8915, section 4.1.3).
 */
void ke_answer_write_error(uint8_t out[KE_ANSWER_ERROR_LEN], enum ke_error code);

#endif

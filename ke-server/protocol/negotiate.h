/* The negotiation of an NTS-KE server (RFC 8915, section 4): judges one request and says what to
 * agree on. No socket, no TLS, no clock; thread-safe, never allocates. */
#ifndef NTS_KE_NEGOTIATE_H
#define NTS_KE_NEGOTIATE_H

#include "base/status.h"
#include "crypto/aead.h"
#include "ke-server/protocol/next_protocol.h"
#include "ke-server/protocol/time_servers.h"
#include "wire/ke_record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 8915, section 4 wants 1024 octets accepted at least; what is longer than this is refused. */
#define KE_REQUEST_MAX_LEN 4096

/* Whose order decides among the algorithms that both sides have. */
enum ke_aead_order { KE_AEAD_ORDER_CLIENT, KE_AEAD_ORDER_SERVER };

struct ke_policy {
    /* What may be agreed on now, best first; none if no cookie can be sealed. */
    const struct aead_algorithm *aeads[AEAD_NUM_ALGORITHMS];
    size_t num_aeads;
    enum ke_aead_order order;
};

struct negotiation {
    const struct next_protocol *protocol; /* NULL: no common one, and nothing below */
    const struct aead_algorithm *aead;    /* NULL: no common algorithm */
    bool compliant_gcm_siv;               /* answer with record 1024 as well */
    struct server_wish wish;              /* points into the request */
};

/* A request as far as it has been read: what the rules of its records fill. */
struct negotiate_request {
    struct negotiation *out;
    const struct next_protocols *protocols;
    bool has_next_protocol;
    const uint8_t *aead_ids; /* 16-bit numbers; NULL: no such record yet */
    size_t num_aead_ids;
    bool compliant_gcm_siv;
    bool ended;
};

/* negotiate reads the `len` octets at `request`: everything that has arrived, from the first octet
 * to whatever stands behind the End of Message record. The first error in the order of the records
 * wins, then what is missing. `protocols` are those that the server speaks. `*out` is all set.
 * Returns NTS_OK, also without a common protocol or algorithm, or
 *   NTS_ERR_UNKNOWN_CRITICAL  a record that is not known has the Critical Bit set,
 *   NTS_ERR_BAD_REQUEST       a record breaks a rule, comes too often, is missing, or follows the
 *                             end,
 *   NTS_ERR_INCOMPLETE        the request has no end,
 *   NTS_ERR_NO_SEALING_KEY    there is a common protocol, but the policy has no algorithm. */
NTS_MUST_CHECK enum nts_status negotiate(struct negotiation *out,
                                         const struct next_protocols *protocols,
                                         const struct ke_policy *policy, const uint8_t *request,
                                         size_t len);

/* negotiate_error_code returns the code of the Error record for a status that is not NTS_OK
 * (RFC 8915, section 4.1.3): what the client did wrong, or else "internal server error". */
enum ke_error negotiate_error_code(enum nts_status status);

#endif

/* The next protocols that a client can ask for (RFC 8915, section 4.1.2): each is one row, which
 * says what its sessions may agree on, which records belong to it, and how its part of the response
 * is written. A new one is one file, with its functions and its row, and one line in
 * NEXT_PROTOCOL_TABLE. */
#ifndef NTS_KE_NEXT_PROTOCOL_H
#define NTS_KE_NEXT_PROTOCOL_H

#include "base/status.h"
#include "crypto/aead.h"
#include "wire/ke_record.h"

#include <stdbool.h>
#include <stdint.h>

struct negotiate_request;
struct ke_answer;

enum critical_bit { MAY, MUST };

/* What a request may hold of one record. */
struct record_rule {
    uint16_t type;
    /* Takes the record in: NTS_OK, or NTS_ERR_BAD_REQUEST if its body breaks a rule. */
    enum nts_status (*parse)(struct negotiate_request *request, const struct ke_record *record);
    enum critical_bit critical; /* whether the client has to set the Critical Bit */
    unsigned at_most;           /* how often it may come */
};

#define NEXT_PROTOCOL_MAX_RULES 8

struct next_protocol {
    uint16_t id;            /* IANA; also in the exporter's context (RFC 8915, section 5.1) */
    uint16_t cookie_record; /* the type of the records that its cookies come in */

    /* The algorithms that it can use, of those that the policy allows. */
    uint16_t aead_ids[AEAD_NUM_ALGORITHMS];
    size_t num_aead_ids;

    /* The records of a request that belong to it, beside those that every protocol has. They are
     * known, whatever protocol is agreed on. */
    struct record_rule rules[NEXT_PROTOCOL_MAX_RULES];
    size_t num_rules;

    /* Writes the records of a response that stand between the algorithm and the cookies. NULL:
     * none. */
    void (*write_records)(struct writer *w, const struct ke_answer *answer);
};

#define NEXT_PROTOCOL_TABLE(X) X(next_protocol_ntpv4)

#define NEXT_PROTOCOL_DECLARE(row) extern const struct next_protocol row;
NEXT_PROTOCOL_TABLE(NEXT_PROTOCOL_DECLARE)
#undef NEXT_PROTOCOL_DECLARE

#define NEXT_PROTOCOLS_MAX 4

struct next_protocols {
    const struct next_protocol *rows[NEXT_PROTOCOLS_MAX]; /* in any order; NULL: no more */
};

/* The rows of NEXT_PROTOCOL_TABLE. */
extern const struct next_protocols next_protocols;

/* next_protocol_find returns the row with that id, NULL if there is none. */
const struct next_protocol *next_protocol_find(const struct next_protocols *protocols, uint16_t id);

/* next_protocol_allows tells whether sessions of the protocol can use the algorithm. */
bool next_protocol_allows(const struct next_protocol *protocol, uint16_t aead_id);

#endif

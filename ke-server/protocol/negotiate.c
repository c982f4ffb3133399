#include "ke-server/protocol/negotiate.h"

#include <string.h>

/* A list of at least one 16-bit number (RFC 8915, sections 4.1.2 and 4.1.5). */
static bool is_id_list(const struct ke_record *record)
{
    return record->body_len > 0 && record->body_len % 2 == 0;
}

static enum nts_status parse_end(struct negotiate_request *request, const struct ke_record *record)
{
    /* RFC 8915, section 4.1.1: no body. */
    request->ended = true;
    return record->body_len == 0 ? NTS_OK : NTS_ERR_BAD_REQUEST;
}

static enum nts_status parse_next_protocol(struct negotiate_request *request,
                                           const struct ke_record *record)
{
    if (!is_id_list(record)) {
        return NTS_ERR_BAD_REQUEST;
    }
    /* The first of the client's that is known: it lists them in order of its preference. */
    request->has_next_protocol = true;
    for (size_t at = 0; at < record->body_len && request->out->protocol == NULL; at += 2) {
        request->out->protocol =
            next_protocol_find(request->protocols, load_u16(record->body + at));
    }
    return NTS_OK;
}

static enum nts_status parse_aead_algorithm(struct negotiate_request *request,
                                            const struct ke_record *record)
{
    if (!is_id_list(record)) {
        return NTS_ERR_BAD_REQUEST;
    }
    /* The choice waits for the end: record 1024 may come behind this one. */
    request->aead_ids = record->body;
    request->num_aead_ids = record->body_len / 2;
    return NTS_OK;
}

static enum nts_status refuse(struct negotiate_request *request, const struct ke_record *record)
{
    (void)request;
    (void)record;
    return NTS_ERR_BAD_REQUEST;
}

#define NUM_RULES     (sizeof(rules) / sizeof(rules[0]))
#define MAX_ALL_RULES (NUM_RULES + NEXT_PROTOCOLS_MAX * NEXT_PROTOCOL_MAX_RULES)

/* clang-format off */
static const struct record_rule rules[] = {
    /* type             parse                 critical  at most */
    {KE_END_OF_MESSAGE, parse_end,            MUST,     1},
    {KE_NEXT_PROTOCOL,  parse_next_protocol,  MUST,     1},
    {KE_AEAD_ALGORITHM, parse_aead_algorithm, MAY,      1},
    /* RFC 8915, sections 4.1.3, 4.1.4 and 4.1.6: only a server sends these. */
    {KE_ERROR,          refuse,               MAY,      0},
    {KE_WARNING,        refuse,               MAY,      0},
    {KE_NEW_COOKIE,     refuse,               MAY,      0},
};
/* clang-format on */

static const struct record_rule *find_among(const struct record_rule *candidates, size_t num,
                                            uint16_t type)
{
    for (size_t i = 0; i < num; i++) {
        if (candidates[i].type == type) {
            return &candidates[i];
        }
    }
    return NULL;
}

/* The rule for records of that type, of every protocol's or of one, NULL if there is none; `*place`
 * is its own, below MAX_ALL_RULES. */
static const struct record_rule *find_rule(const struct next_protocols *protocols, uint16_t type,
                                           size_t *place)
{
    const struct record_rule *rule = find_among(rules, NUM_RULES, type);
    if (rule != NULL) {
        *place = (size_t)(rule - rules);
        return rule;
    }
    for (size_t i = 0; i < NEXT_PROTOCOLS_MAX && protocols->rows[i] != NULL; i++) {
        const struct next_protocol *protocol = protocols->rows[i];
        rule = find_among(protocol->rules, protocol->num_rules, type);
        if (rule != NULL) {
            *place = NUM_RULES + i * NEXT_PROTOCOL_MAX_RULES + (size_t)(rule - protocol->rules);
            return rule;
        }
    }
    return NULL;
}

static enum nts_status take_record(struct negotiate_request *request,
                                   unsigned num_seen[MAX_ALL_RULES], const struct ke_record *record)
{
    size_t place;
    const struct record_rule *rule = find_rule(request->protocols, record->type, &place);
    if (rule == NULL) {
        /* RFC 8915, section 4: an unknown record is ignored unless the Critical Bit is set. */
        return record->critical ? NTS_ERR_UNKNOWN_CRITICAL : NTS_OK;
    }
    if (num_seen[place]++ >= rule->at_most) {
        return NTS_ERR_BAD_REQUEST;
    }
    if (rule->critical == MUST && !record->critical) {
        return NTS_ERR_BAD_REQUEST;
    }
    return rule->parse(request, record);
}

/* The place of an algorithm in the policy, policy->num_aeads if it is not allowed. */
static size_t find_in_policy(const struct ke_policy *policy, uint16_t id)
{
    size_t i = 0;
    while (i < policy->num_aeads && policy->aeads[i]->id != id) {
        i++;
    }
    return i;
}

/* RFC 8915, section 4.1.5: one of those that the client offered, or none. */
static const struct aead_algorithm *choose_aead(const struct ke_policy *policy,
                                                const struct negotiate_request *request)
{
    const struct aead_algorithm *best = NULL;
    size_t best_rank = SIZE_MAX;
    for (size_t i = 0; i < request->num_aead_ids; i++) {
        uint16_t id = load_u16(request->aead_ids + 2 * i);
        size_t place = find_in_policy(policy, id);
        if (place == policy->num_aeads || !next_protocol_allows(request->out->protocol, id)) {
            continue;
        }
        size_t rank = policy->order == KE_AEAD_ORDER_SERVER ? place : i;
        if (id == AEAD_AES_128_GCM_SIV && !request->compliant_gcm_siv) {
            /* Without record 1024 the client may mean the keys of context 15 (chrony 4.4 to 4.6.0
             * does): whatever else it offers leaves no doubt, so this comes last. */
            rank += UINT16_MAX;
        }
        if (rank < best_rank) {
            best_rank = rank;
            best = policy->aeads[place];
        }
    }
    return best;
}

/* Agrees on the strength of a request that breaks no rule by itself. */
static enum nts_status conclude(const struct negotiate_request *request,
                                const struct ke_policy *policy)
{
    struct negotiation *out = request->out;
    /* RFC 8915, section 4.1.2: exactly one Next Protocol Negotiation record. */
    if (!request->has_next_protocol) {
        return NTS_ERR_BAD_REQUEST;
    }
    if (out->protocol == NULL) {
        return NTS_OK;
    }
    /* RFC 8915, section 4.1.5: needed with a protocol that is protected by an AEAD, and only
     * then. */
    if (request->aead_ids == NULL) {
        return NTS_ERR_BAD_REQUEST;
    }
    if (policy->num_aeads == 0) {
        return NTS_ERR_NO_SEALING_KEY;
    }
    out->aead = choose_aead(policy, request);
    out->compliant_gcm_siv =
        request->compliant_gcm_siv && out->aead != NULL && out->aead->id == AEAD_AES_128_GCM_SIV;
    return NTS_OK;
}

enum nts_status negotiate(struct negotiation *out, const struct next_protocols *protocols,
                          const struct ke_policy *policy, const uint8_t *octets, size_t len)
{
    struct negotiate_request request = {.out = out, .protocols = protocols};
    unsigned num_seen[MAX_ALL_RULES] = {0};
    struct reader r = reader_over(octets, len);
    *out = (struct negotiation){0};
    while (!request.ended && reader_more(&r)) {
        struct ke_record record;
        if (!ke_record_next(&r, &record)) {
            return NTS_ERR_INCOMPLETE;
        }
        enum nts_status status = take_record(&request, num_seen, &record);
        if (status != NTS_OK) {
            return status;
        }
    }
    if (!request.ended) {
        return NTS_ERR_INCOMPLETE;
    }
    /* RFC 8915, section 4.1.1: End of Message is the last record. */
    if (reader_left(&r) > 0) {
        return NTS_ERR_BAD_REQUEST;
    }
    return conclude(&request, policy);
}

enum ke_error negotiate_error_code(enum nts_status status)
{
    switch (status) {
    case NTS_ERR_UNKNOWN_CRITICAL:
        return KE_ERROR_UNRECOGNISED_CRITICAL;
    case NTS_ERR_BAD_REQUEST:
    case NTS_ERR_INCOMPLETE:
    case NTS_ERR_TOO_LONG:
    case NTS_ERR_TIMEOUT:
        return KE_ERROR_BAD_REQUEST;
    default:
        return KE_ERROR_INTERNAL;
    }
}

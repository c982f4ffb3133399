#include "client/ke_response.h"

#include "wire/ntp_packet.h"

#include <stdio.h>

void ke_request_write(struct writer *w, const struct ke_request *request)
{
    uint8_t aeads[2 * CLIENT_MAX_AEADS];
    for (size_t i = 0; i < request->num_aeads; i++) {
        store_u16(aeads + 2 * i, request->aeads[i]);
    }
    ke_record_write_u16(w, KE_NEXT_PROTOCOL | KE_CRITICAL, KE_PROTOCOL_NTPV4);
    ke_record_write(w, KE_AEAD_ALGORITHM | KE_CRITICAL, aeads, 2 * request->num_aeads);
    if (request->compliant_gcm_siv) {
        ke_record_write(w, KE_COMPLIANT_AES_128_GCM_SIV, NULL, 0);
    }
    if (request->wish_server != NULL) {
        ke_record_write(w, KE_NTPV4_SERVER, request->wish_server, strlen(request->wish_server));
    }
    if (request->wish_port != 0) {
        ke_record_write_u16(w, KE_NTPV4_PORT, request->wish_port);
    }
    ke_record_write(w, KE_END_OF_MESSAGE | KE_CRITICAL, NULL, 0);
}

/* --- one verb a record type --- */

struct parsing {
    struct ke_response *response;
    const struct ke_request *request;
    bool has_compliant_record;
    bool has_end;
    struct error *error;
};

static enum nts_status parse_end(struct parsing *p, const struct ke_record *record)
{
    p->has_end = true;
    if (record->body_len != 0) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "End of Message has a body");
    }
    return NTS_OK;
}

static enum nts_status parse_next_protocol(struct parsing *p, const struct ke_record *record)
{
    if (record->body_len == 0) {
        return error_set(p->error, NTS_ERR_NO_AGREEMENT, "the server does not speak NTPv4");
    }
    /* RFC 8915, section 4.1.2: a subset of what we offered, and that was NTPv4 alone. */
    if (record->body_len != 2 || load_u16(record->body) != KE_PROTOCOL_NTPV4) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST,
                         "the server chose a protocol that was not offered");
    }
    return NTS_OK;
}

/* RFC 8915, sections 4.1.3 and 4.1.4: neither lets a client go on. */
static enum nts_status parse_error(struct parsing *p, const struct ke_record *record)
{
    static const char *const names[] = {"unrecognized critical record", "bad request",
                                        "internal server error"};
    bool is_error = record->type == KE_ERROR;
    if (record->body_len != 2) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "%s record is not two octets long",
                         is_error ? "Error" : "Warning");
    }
    unsigned code = load_u16(record->body);
    if (!is_error) {
        p->response->warning_code = (int)code;
        return error_set(p->error, NTS_ERR_PEER_ERROR, "the server answered with Warning %u", code);
    }
    p->response->error_code = (int)code;
    return error_set(p->error, NTS_ERR_PEER_ERROR, "the server answered with Error %u (%s)", code,
                     code < sizeof(names) / sizeof(names[0]) ? names[code] : "unknown");
}

static bool was_offered(const struct ke_request *request, uint16_t id)
{
    for (size_t i = 0; i < request->num_aeads; i++) {
        if (request->aeads[i] == id) {
            return true;
        }
    }
    return false;
}

static enum nts_status parse_aead(struct parsing *p, const struct ke_record *record)
{
    if (record->body_len == 0) {
        return error_set(p->error, NTS_ERR_NO_AGREEMENT,
                         "the server supports none of the AEAD algorithms offered");
    }
    if (record->body_len != 2) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "the server chose more than one AEAD");
    }
    uint16_t id = load_u16(record->body);
    if (!was_offered(p->request, id)) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST,
                         "the server chose AEAD %u, which was not offered", id);
    }
    p->response->aead = aead_find(id);
    if (p->response->aead == NULL) {
        return error_set(p->error, NTS_ERR_NO_AGREEMENT,
                         "the server chose AEAD %u, which is not implemented here", id);
    }
    return NTS_OK;
}

static enum nts_status parse_cookie(struct parsing *p, const struct ke_record *record)
{
    p->response->num_cookies++;
    /* More than fit are dropped, and so is what cannot be sent: not a reason to fail. */
    (void)cookie_jar_put(&p->response->jar, record->body, record->body_len);
    return NTS_OK;
}

/* RFC 8915, section 4.1.7: ASCII, an address or a name. It will be printed and looked up. */
static enum nts_status parse_server(struct parsing *p, const struct ke_record *record)
{
    if (record->body_len == 0 || record->body_len >= sizeof(p->response->server)) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "the time server's name has %zu octets",
                         record->body_len);
    }
    for (size_t i = 0; i < record->body_len; i++) {
        if (record->body[i] <= ' ' || record->body[i] > '~') {
            return error_set(p->error, NTS_ERR_BAD_REQUEST,
                             "the time server's name is not printable ASCII");
        }
    }
    memcpy(p->response->server, record->body, record->body_len);
    p->response->server[record->body_len] = '\0';
    return NTS_OK;
}

static enum nts_status parse_port(struct parsing *p, const struct ke_record *record)
{
    if (record->body_len != 2 || load_u16(record->body) == 0) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "the time server's port is malformed");
    }
    p->response->port = load_u16(record->body);
    return NTS_OK;
}

static enum nts_status parse_compliant(struct parsing *p, const struct ke_record *record)
{
    p->has_compliant_record = true;
    if (p->request->compliant_gcm_siv && record->body_len != 0) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "record 1024 has a body");
    }
    return NTS_OK;
}

/* --- the rules --- */

enum critical { MUST, MAY };

struct record_rule {
    uint16_t type;
    const char *name;
    enum nts_status (*parse)(struct parsing *p, const struct ke_record *record);
    enum critical critical; /* MAY also where the RFC says SHOULD NOT: not worth a failure */
    bool once;
};

static const struct record_rule rules[] = {
    {KE_END_OF_MESSAGE, "End of Message", parse_end, MUST, true},
    {KE_NEXT_PROTOCOL, "Next Protocol", parse_next_protocol, MUST, true},
    {KE_ERROR, "Error", parse_error, MUST, true},
    {KE_WARNING, "Warning", parse_error, MUST, false},
    {KE_AEAD_ALGORITHM, "AEAD Algorithm", parse_aead, MAY, true},
    {KE_NEW_COOKIE, "New Cookie", parse_cookie, MAY, false},
    {KE_NTPV4_SERVER, "NTPv4 Server", parse_server, MAY, true},
    {KE_NTPV4_PORT, "NTPv4 Port", parse_port, MAY, true},
    {KE_COMPLIANT_AES_128_GCM_SIV, "Compliant AES-128-GCM-SIV", parse_compliant, MAY, true},
};

#define NUM_RULES (sizeof(rules) / sizeof(rules[0]))

static const struct record_rule *find_rule(uint16_t type)
{
    for (size_t i = 0; i < NUM_RULES; i++) {
        if (rules[i].type == type) {
            return &rules[i];
        }
    }
    return NULL;
}

const char *ke_record_type_name(uint16_t type)
{
    const struct record_rule *rule = find_rule(type);
    return rule != NULL ? rule->name : "unknown";
}

static enum nts_status parse_record(struct parsing *p, unsigned num_seen[NUM_RULES],
                                    const struct ke_record *record)
{
    const struct record_rule *rule = find_rule(record->type);
    if (p->has_end) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "a record follows End of Message");
    }
    if (rule == NULL) {
        /* RFC 8915, section 4: ignore it, unless it is marked critical. */
        return !record->critical
                   ? NTS_OK
                   : error_set(p->error, NTS_ERR_UNKNOWN_CRITICAL,
                               "the server sent the unknown critical record %u", record->type);
    }
    if (rule->critical == MUST && !record->critical) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "the %s record is not marked critical",
                         rule->name);
    }
    if (num_seen[rule - rules]++ > 0 && rule->once) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "the %s record came twice", rule->name);
    }
    return rule->parse(p, record);
}

/* What must be there in the end, of records that were all right one by one. */
static enum nts_status check_whole(struct parsing *p, const unsigned num_seen[NUM_RULES])
{
    struct ke_response *response = p->response;
    if (!p->has_end) {
        return error_set(p->error, NTS_ERR_INCOMPLETE, "the response has no End of Message");
    }
    if (num_seen[find_rule(KE_NEXT_PROTOCOL) - rules] == 0) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "the response names no protocol");
    }
    if (response->aead == NULL) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "the response names no AEAD");
    }
    if (response->num_cookies == 0) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST, "the response brings no cookie");
    }
    if (response->jar.num == 0) {
        return error_set(p->error, NTS_ERR_BAD_REQUEST,
                         "no cookie has a length that fits an extension field");
    }
    response->compliant_gcm_siv = p->request->compliant_gcm_siv && p->has_compliant_record &&
                                  response->aead->id == AEAD_AES_128_GCM_SIV;
    return NTS_OK;
}

enum nts_status ke_response_parse(struct ke_response *response, const uint8_t *data, size_t len,
                                  const struct ke_request *request, struct error *error)
{
    struct parsing p = {.response = response, .request = request, .error = error};
    unsigned num_seen[NUM_RULES] = {0};
    struct reader r = reader_over(data, len);
    struct ke_record record;
    enum nts_status status = NTS_OK;

    memset(response, 0, sizeof(*response));
    response->error_code = -1;
    response->warning_code = -1;
    response->port = NTP_PORT;

    /* The first broken rule is the verdict, but every record is kept for callers that inspect them.
     */
    while (reader_more(&r) && ke_record_next(&r, &record)) {
        if (response->num_records < CLIENT_MAX_RECORDS) {
            response->records[response->num_records] =
                (struct ke_record_seen){record.type, record.critical, (uint16_t)record.body_len};
        }
        response->num_records++;
        if (status == NTS_OK) {
            status = parse_record(&p, num_seen, &record);
        }
    }
    if (status == NTS_OK && reader_status(&r) != NTS_OK) {
        status = error_set(error, NTS_ERR_TRUNCATED, "the response ends inside a record");
    }
    return status == NTS_OK ? check_whole(&p, num_seen) : status;
}

/* The next protocol NTPv4 (RFC 8915, sections 4.1.7 and 4.1.8), with the record that chrony and
 * others use for AEAD 30. */
#include "ke-server/protocol/ke_answer.h"

#include <string.h>

/* Whether a name is worth comparing; printable ASCII (RFC 8915, section 4.1.7). */
static bool is_printable(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] <= 0x20 || text[i] >= 0x7f) {
            return false;
        }
    }
    return true;
}

static enum nts_status parse_server(struct negotiate_request *request,
                                    const struct ke_record *record)
{
    if (record->body_len == 0 || record->body_len > TIME_SERVER_WISH_MAX_LEN) {
        return NTS_ERR_BAD_REQUEST;
    }
    if (is_printable(record->body, record->body_len)) {
        request->out->wish.name = (const char *)record->body;
        request->out->wish.name_len = record->body_len;
    }
    return NTS_OK;
}

static enum nts_status parse_port(struct negotiate_request *request, const struct ke_record *record)
{
    if (record->body_len != 2) {
        return NTS_ERR_BAD_REQUEST;
    }
    request->out->wish.has_port = true;
    request->out->wish.port = load_u16(record->body);
    return NTS_OK;
}

static enum nts_status parse_compliant(struct negotiate_request *request,
                                       const struct ke_record *record)
{
    request->compliant_gcm_siv = true;
    return record->body_len == 0 ? NTS_OK : NTS_ERR_BAD_REQUEST;
}

/* RFC 8915, sections 4.1.7 and 4.1.8. Critical: a client that ignored them would ask a server that
 * is not there. */
static void write_time_server(struct writer *w, const struct time_server *server)
{
    ke_record_write(w, KE_NTPV4_SERVER | KE_CRITICAL, server->name, strlen(server->name));
    if (server->port != 123) {
        ke_record_write_u16(w, KE_NTPV4_PORT | KE_CRITICAL, server->port);
    }
}

static void write_records(struct writer *w, const struct ke_answer *answer)
{
    if (answer->negotiation->compliant_gcm_siv) {
        ke_record_write(w, KE_COMPLIANT_AES_128_GCM_SIV, NULL, 0);
    }
    if (answer->time_server != NULL) {
        write_time_server(w, answer->time_server);
    }
}

/* clang-format off */
const struct next_protocol next_protocol_ntpv4 = {
    .id = KE_PROTOCOL_NTPV4,
    .cookie_record = KE_NEW_COOKIE,
    .aead_ids = {AEAD_AES_SIV_CMAC_256, AEAD_AES_SIV_CMAC_384, AEAD_AES_SIV_CMAC_512,
                 AEAD_AES_128_GCM_SIV},
    .num_aead_ids = 4,
    .rules = {
        /* type                        parse            critical  at most */
        {KE_NTPV4_SERVER,              parse_server,    MAY,      1},
        {KE_NTPV4_PORT,                parse_port,      MAY,      1},
        {KE_COMPLIANT_AES_128_GCM_SIV, parse_compliant, MAY,      1},
    },
    .num_rules = 3,
    .write_records = write_records,
};
/* clang-format on */

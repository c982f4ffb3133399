/* NTS-KE records (RFC 8915, section 4): framing only, no meaning. */
#ifndef NTS_WIRE_KE_RECORD_H
#define NTS_WIRE_KE_RECORD_H

#include "base/cursor.h"

/* RFC 8915, section 7.6; 1024 is chrony's, for AEAD 30 with the context of the RFC. */
enum ke_record_type {
    KE_END_OF_MESSAGE = 0,
    KE_NEXT_PROTOCOL = 1,
    KE_ERROR = 2,
    KE_WARNING = 3,
    KE_AEAD_ALGORITHM = 4,
    KE_NEW_COOKIE = 5,
    KE_NTPV4_SERVER = 6,
    KE_NTPV4_PORT = 7,
    KE_COMPLIANT_AES_128_GCM_SIV = 1024,
};

/* RFC 8915, section 4.1.3. */
enum ke_error {
    KE_ERROR_UNRECOGNISED_CRITICAL = 0,
    KE_ERROR_BAD_REQUEST = 1,
    KE_ERROR_INTERNAL = 2,
};

#define KE_RECORD_HEADER_LEN 4
#define KE_CRITICAL          0x8000
#define KE_PROTOCOL_NTPV4    0
#define KE_PORT              4460
#define KE_ALPN              "ntske/1"
#define KE_EXPORTER_LABEL    "EXPORTER-network-time-security"

/* The two keys that a session exports (RFC 8915, section 4.3). */
enum ke_key_direction { KE_KEY_C2S = 0, KE_KEY_S2C = 1 };

#define KE_EXPORTER_CONTEXT_LEN 5

/* ke_exporter_context writes the context value of the TLS exporter (RFC 8915, section 5.1): the
 * next protocol, the AEAD algorithm, the direction. */
static inline void ke_exporter_context(uint8_t context[KE_EXPORTER_CONTEXT_LEN],
                                       uint16_t protocol_id, uint16_t aead_id,
                                       enum ke_key_direction direction)
{
    store_u16(context, protocol_id);
    store_u16(context + 2, aead_id);
    context[4] = (uint8_t)direction;
}

struct ke_record {
    uint16_t type;
    bool critical;
    const uint8_t *body;
    size_t body_len;
};

/* ke_record_next reads one record; fails the reader with NTS_ERR_TRUNCATED and returns false. */
bool ke_record_next(struct reader *r, struct ke_record *record);

/* What is known of a message that arrives in pieces. */
enum ke_framing {
    KE_FRAMING_INCOMPLETE, /* no End of Message record yet */
    KE_FRAMING_COMPLETE,   /* an End of Message record is there */
    KE_FRAMING_TOO_LONG,   /* it cannot end within `max_len` octets */
};

/* ke_message_framing tells whether the `len` octets at `data` hold a whole message. A record of
 * type 0 ends it, whatever its critical bit or body: judging those is the caller's. */
enum ke_framing ke_message_framing(const uint8_t *data, size_t len, size_t max_len);

/* ke_record_write writes one record. */
void ke_record_write(struct writer *w, uint16_t type_and_critical, const void *body,
                     size_t body_len);

/* ke_record_write_u16 writes a record whose body is one 16-bit number. */
void ke_record_write_u16(struct writer *w, uint16_t type_and_critical, uint16_t value);

#endif

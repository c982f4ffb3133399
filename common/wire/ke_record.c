#include "wire/ke_record.h"

bool ke_record_next(struct reader *r, struct ke_record *record)
{
    uint16_t type = read_u16(r);
    record->critical = (type & KE_CRITICAL) != 0;
    record->type = type & (uint16_t)~KE_CRITICAL;
    record->body_len = read_u16(r);
    record->body = read_bytes(r, record->body_len);
    return reader_status(r) == NTS_OK;
}

enum ke_framing ke_message_framing(const uint8_t *data, size_t len, size_t max_len)
{
    size_t at = 0;
    while (len - at >= KE_RECORD_HEADER_LEN) {
        bool ends = (load_u16(data + at) & ~KE_CRITICAL) == KE_END_OF_MESSAGE;
        size_t record_len = KE_RECORD_HEADER_LEN + load_u16(data + at + 2);
        if (record_len > max_len - at) {
            return KE_FRAMING_TOO_LONG;
        }
        if (record_len > len - at) {
            return KE_FRAMING_INCOMPLETE;
        }
        if (ends) {
            return KE_FRAMING_COMPLETE;
        }
        at += record_len;
    }
    /* The least that can follow is the header of an End of Message record. */
    return max_len - at < KE_RECORD_HEADER_LEN ? KE_FRAMING_TOO_LONG : KE_FRAMING_INCOMPLETE;
}

void ke_record_write(struct writer *w, uint16_t type_and_critical, const void *body,
                     size_t body_len)
{
    write_u16(w, type_and_critical);
    write_u16(w, (uint16_t)body_len);
    write_bytes(w, body, body_len);
}

void ke_record_write_u16(struct writer *w, uint16_t type_and_critical, uint16_t value)
{
    uint8_t body[2];
    store_u16(body, value);
    ke_record_write(w, type_and_critical, body, sizeof(body));
}

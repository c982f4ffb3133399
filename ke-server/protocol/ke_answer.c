#include "ke-server/protocol/ke_answer.h"

#include <string.h>

void ke_answer_offer(struct ke_policy *now, const struct ke_policy *allowed,
                     const struct keyring *ring, int64_t now_s)
{
    *now = (struct ke_policy){.order = allowed->order};
    for (size_t i = 0; i < allowed->num_aeads; i++) {
        if (keyring_sealing_key(ring, allowed->aeads[i], now_s) != NULL) {
            now->aeads[now->num_aeads++] = allowed->aeads[i];
        }
    }
}

/* RFC 8915, section 4.1.6: eight cookies, the Critical Bit not set. False if they cannot be made.
 */
static bool ke_answer_write_cookies(struct writer *w, const struct ke_answer *answer,
                                    struct random_pool *random)
{
    size_t len = key_layout_cookie_len(answer->sealing_key->layout, answer->keys->aead);
    struct cookie_seal_job jobs[KE_NUM_COOKIES];
    for (size_t i = 0; i < KE_NUM_COOKIES; i++) {
        write_u16(w, answer->negotiation->protocol->cookie_record);
        write_u16(w, (uint16_t)len);
        jobs[i] = (struct cookie_seal_job){
            .key = answer->sealing_key,
            .keys = answer->keys,
            .cookie = write_space(w, len),
        };
    }
    return writer_status(w) == NTS_OK && cookie_seal_batch(jobs, KE_NUM_COOKIES, random) == NTS_OK;
}

size_t ke_answer_write(uint8_t out[KE_ANSWER_CAPACITY], const struct ke_answer *answer,
                       struct random_pool *random)
{
    const struct negotiation *negotiation = answer->negotiation;
    const struct next_protocol *protocol = negotiation->protocol;
    struct writer w = writer_over(out, KE_ANSWER_CAPACITY);
    if (protocol == NULL) {
        /* RFC 8915, section 4.1.2: no common protocol is an empty list, not an error. */
        ke_record_write(&w, KE_NEXT_PROTOCOL | KE_CRITICAL, NULL, 0);
    } else if (negotiation->aead == NULL) {
        /* RFC 8915, section 4.1.5: no common algorithm is an empty list, and no cookies. */
        ke_record_write_u16(&w, KE_NEXT_PROTOCOL | KE_CRITICAL, protocol->id);
        ke_record_write(&w, KE_AEAD_ALGORITHM | KE_CRITICAL, NULL, 0);
    } else {
        ke_record_write_u16(&w, KE_NEXT_PROTOCOL | KE_CRITICAL, protocol->id);
        ke_record_write_u16(&w, KE_AEAD_ALGORITHM | KE_CRITICAL, negotiation->aead->id);
        if (protocol->write_records != NULL) {
            protocol->write_records(&w, answer);
        }
        if (!ke_answer_write_cookies(&w, answer, random)) {
            return 0;
        }
    }
    ke_record_write(&w, KE_END_OF_MESSAGE | KE_CRITICAL, NULL, 0);
    return writer_status(&w) == NTS_OK ? writer_len(&w) : 0;
}

void ke_answer_write_error(uint8_t out[KE_ANSWER_ERROR_LEN], enum ke_error code)
{
    struct writer w = writer_over(out, KE_ANSWER_ERROR_LEN);
    ke_record_write_u16(&w, KE_ERROR | KE_CRITICAL, (uint16_t)code);
    ke_record_write(&w, KE_END_OF_MESSAGE | KE_CRITICAL, NULL, 0);
}

#include "ke-server/protocol/response.h"

#include <assert.h>
#include <string.h>

void ke_response_offer(struct ke_policy *now, const struct ke_policy *allowed,
                       const struct keyring *ring, int64_t now_s)
{
    *now = (struct ke_policy){.order = allowed->order};
    for (size_t i = 0; i < allowed->num_aeads; i++) {
        if (keyring_sealing_key(ring, allowed->aeads[i], now_s) != NULL) {
            now->aeads[now->num_aeads++] = allowed->aeads[i];
        }
    }
}

/* RFC 8915, sections 4.1.7 and 4.1.8. Critical: a client that passed over them would ask a server
 * that is not there. */
static void write_time_server(struct writer *w, const struct time_server *server)
{
    ke_record_write(w, KE_NTPV4_SERVER | KE_CRITICAL, server->name, strlen(server->name));
    if (server->port != 123) {
        ke_record_write_u16(w, KE_NTPV4_PORT | KE_CRITICAL, server->port);
    }
}

/* RFC 8915, section 4.1.6: eight cookies, the Critical Bit not set. */
static void write_cookies(struct writer *w, const struct ke_response *response,
                          struct random_pool *random)
{
    size_t len = key_layout_cookie_len(response->sealing_key->layout, response->keys->aead);
    struct cookie_seal_job jobs[KE_NUM_COOKIES];
    size_t num = 0;
    for (size_t i = 0; i < KE_NUM_COOKIES; i++) {
        write_u16(w, KE_NEW_COOKIE);
        write_u16(w, (uint16_t)len);
        uint8_t *cookie = write_space(w, len);
        if (cookie != NULL) {
            jobs[num++] = (struct cookie_seal_job){
                .key = response->sealing_key, .keys = response->keys, .cookie = cookie};
        }
    }
    cookie_seal_batch(jobs, num, random);
}

size_t ke_response_write(uint8_t out[KE_RESPONSE_CAPACITY], const struct ke_response *response,
                         struct random_pool *random)
{
    const struct negotiation *negotiation = response->negotiation;
    struct writer w = writer_over(out, KE_RESPONSE_CAPACITY);
    if (!negotiation->ntpv4) {
        /* RFC 8915, section 4.1.2: no common protocol is an empty list, not an error. */
        ke_record_write(&w, KE_NEXT_PROTOCOL | KE_CRITICAL, NULL, 0);
    } else if (negotiation->aead == NULL) {
        /* RFC 8915, section 4.1.5: no common algorithm is an empty list, and no cookies. */
        ke_record_write_u16(&w, KE_NEXT_PROTOCOL | KE_CRITICAL, KE_PROTOCOL_NTPV4);
        ke_record_write(&w, KE_AEAD_ALGORITHM | KE_CRITICAL, NULL, 0);
    } else {
        ke_record_write_u16(&w, KE_NEXT_PROTOCOL | KE_CRITICAL, KE_PROTOCOL_NTPV4);
        ke_record_write_u16(&w, KE_AEAD_ALGORITHM | KE_CRITICAL, negotiation->aead->id);
        if (negotiation->compliant_gcm_siv) {
            ke_record_write(&w, KE_COMPLIANT_AES_128_GCM_SIV, NULL, 0);
        }
        if (response->time_server != NULL) {
            write_time_server(&w, response->time_server);
        }
        write_cookies(&w, response, random);
    }
    ke_record_write(&w, KE_END_OF_MESSAGE | KE_CRITICAL, NULL, 0);
    assert(writer_status(&w) == NTS_OK);
    return writer_len(&w);
}

void ke_response_write_error(uint8_t out[KE_ERROR_RESPONSE_LEN], enum ke_error code)
{
    struct writer w = writer_over(out, KE_ERROR_RESPONSE_LEN);
    ke_record_write_u16(&w, KE_ERROR | KE_CRITICAL, (uint16_t)code);
    ke_record_write(&w, KE_END_OF_MESSAGE | KE_CRITICAL, NULL, 0);
    assert(writer_status(&w) == NTS_OK);
}

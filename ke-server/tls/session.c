#include "ke-server/tls/session.h"

#include "base/clock_time.h"
#include "crypto/secret_mem.h"
#include "ke-server/protocol/ke_answer.h"

#include <limits.h>
#include <openssl/err.h>
#include <string.h>

void session_open(struct session *session, const struct ke_service *service,
                  const union net_address *local)
{
    session->ssl = NULL;
    session->state = SESSION_HANDSHAKE;
    session->opened_ns = service->now_ns;
    session->local = *local;
    session->request_len = 0;
}

/* The TLS side, with the certificate of now. */
static enum nts_status open_tls(struct session *session, const struct tls_contexts *contexts)
{
    session->ssl = tls_session_new(contexts);
    session->input = BIO_new(BIO_s_mem());
    session->output = BIO_new(BIO_s_mem());
    if (session->ssl == NULL || session->input == NULL || session->output == NULL) {
        BIO_free(session->input);
        BIO_free(session->output);
        SSL_free(session->ssl);
        session->ssl = NULL;
        return NTS_ERR_NO_MEMORY;
    }
    SSL_set_bio(session->ssl, session->input, session->output);
    SSL_set_accept_state(session->ssl);
    return NTS_OK;
}

/* Ends the session; an alert that BoringSSL has for the client is in the output already. */
static void session_end(struct session *session, const struct ke_service *service,
                        enum nts_status status)
{
    session->state = SESSION_ENDED;
    count_status(service->counters, status);
    ERR_clear_error();
}

/* Sends a message and close_notify, and nothing after that. */
static void session_say_last(struct session *session, const struct ke_service *service,
                             const uint8_t *message, size_t len, enum nts_status status)
{
    /* One write is one TLS record: NTPsec's client, among others, reads no further. */
    if (SSL_write(session->ssl, message, (int)len) != (int)len) {
        status = NTS_ERR_TLS;
    } else {
        SSL_shutdown(session->ssl); /* RFC 8446, section 6.1: close_notify before closing */
    }
    session_end(session, service, status);
}

static void session_refuse(struct session *session, const struct ke_service *service,
                           enum nts_status status)
{
    static const enum ke_event events[] = {
        [KE_ERROR_UNRECOGNISED_CRITICAL] = KE_EVENT_ERROR_0,
        [KE_ERROR_BAD_REQUEST] = KE_EVENT_ERROR_1,
        [KE_ERROR_INTERNAL] = KE_EVENT_ERROR_2,
    };
    uint8_t message[KE_ANSWER_ERROR_LEN];
    enum ke_error code = negotiate_error_code(status);
    ke_answer_write_error(message, code);
    count_event(service->counters, events[code]);
    session_say_last(session, service, message, sizeof(message), status);
}

/* RFC 8915, section 4.3. Always the context of the RFC: a client that means another one for AEAD 30
 * is only given AEAD 30 when it offers nothing else. */
static bool export_key(uint8_t *key, SSL *ssl, const struct negotiation *negotiation,
                       enum ke_key_direction direction)
{
    const struct aead_algorithm *aead = negotiation->aead;
    uint8_t context[KE_EXPORTER_CONTEXT_LEN];
    ke_exporter_context(context, negotiation->protocol->id, aead->id, direction);
    return SSL_export_keying_material(ssl, key, aead->key_len, KE_EXPORTER_LABEL,
                                      strlen(KE_EXPORTER_LABEL), context, sizeof(context), 1) == 1;
}

static void session_answer(struct session *session, const struct ke_service *service)
{
    const struct ke_settings *settings = service->settings;
    struct ke_policy policy;
    struct negotiation negotiation;
    ke_answer_offer(&policy, &settings->policy, service->keyring, service->now_s);
    enum nts_status status = negotiate(&negotiation, service->protocols, &policy, session->request,
                                       session->request_len);
    if (status != NTS_OK) {
        session_refuse(session, service, status);
        return;
    }

    struct session_keys keys = {.aead = negotiation.aead};
    struct ke_answer response = {.negotiation = &negotiation, .keys = &keys};
    if (negotiation.aead != NULL) {
        if (!export_key(keys.c2s, session->ssl, &negotiation, KE_KEY_C2S) ||
            !export_key(keys.s2c, session->ssl, &negotiation, KE_KEY_S2C)) {
            session_refuse(session, service, NTS_ERR_INTERNAL);
            goto done;
        }
        response.sealing_key = keyring_sealing_key(service->keyring, keys.aead, service->now_s);
        response.time_server =
            time_servers_choose(&settings->time_servers, session->local.sa.sa_family,
                                &negotiation.wish, service->random);
    }
    uint8_t message[KE_ANSWER_CAPACITY];
    size_t len = ke_answer_write(message, &response, service->random);
    if (len == 0) {
        session_refuse(session, service, NTS_ERR_INTERNAL);
        goto done;
    }
    if (negotiation.aead != NULL) {
        count_event(service->counters, KE_EVENT_RESPONSES);
        counter_add(&service->counters->by_aead[keys.aead->index], 1);
    } else {
        status = NTS_ERR_NO_AGREEMENT;
    }
    session_say_last(session, service, message, len, status);

done:
    secret_wipe(&keys, sizeof(keys));
}

static void shake_hands(struct session *session, const struct ke_service *service)
{
    int done = tls_session_handshake(session->ssl, service->tls, &session->local, service->now_s);
    if (done == 1) {
        session->state = SESSION_REQUEST;
        count_event(service->counters, KE_EVENT_HANDSHAKES);
        handshake_count(&service->counters->handshakes, session->ssl,
                        mono_time_ns() - session->opened_ns);
    } else if (SSL_get_error(session->ssl, done) != SSL_ERROR_WANT_READ) {
        session_end(session, service, NTS_ERR_TLS);
    }
}

/* Reads everything that has been received, then looks whether the request is complete: it can come
 * in any number of TLS records (RFC 8915, section 4). */
static void read_request(struct session *session, const struct ke_service *service)
{
    bool peer_closed = false;
    while (session->request_len < sizeof(session->request) && !peer_closed) {
        int got = SSL_read(session->ssl, session->request + session->request_len,
                           (int)(sizeof(session->request) - session->request_len));
        if (got > 0) {
            session->request_len += (size_t)got;
            continue;
        }
        int cause = SSL_get_error(session->ssl, got);
        if (cause == SSL_ERROR_WANT_READ) {
            break;
        }
        if (cause != SSL_ERROR_ZERO_RETURN) {
            session_end(session, service, NTS_ERR_TLS);
            return;
        }
        peer_closed = true; /* close_notify */
    }
    switch (ke_message_framing(session->request, session->request_len, KE_REQUEST_MAX_LEN)) {
    case KE_FRAMING_COMPLETE:
        session_answer(session, service);
        break;
    case KE_FRAMING_TOO_LONG:
        session_refuse(session, service, NTS_ERR_TOO_LONG);
        break;
    case KE_FRAMING_INCOMPLETE:
        if (peer_closed) {
            session_refuse(session, service, NTS_ERR_INCOMPLETE);
        }
        break;
    }
}

void session_receive(struct session *session, const struct ke_service *service, const uint8_t *data,
                     size_t len)
{
    if (session->state == SESSION_ENDED) {
        return;
    }
    ERR_clear_error();
    bool has_tls = session->ssl != NULL || open_tls(session, service->tls) == NTS_OK;
    if (!has_tls || BIO_write(session->input, data, (int)len) != (int)len) {
        session_end(session, service, NTS_ERR_NO_MEMORY);
        return;
    }
    if (session->state == SESSION_HANDSHAKE) {
        shake_hands(session, service);
    }
    if (session->state == SESSION_REQUEST) {
        read_request(session, service);
    }
}

void session_peer_closed(struct session *session, const struct ke_service *service)
{
    ERR_clear_error();
    if (session->state == SESSION_HANDSHAKE) {
        session_end(session, service, NTS_ERR_TLS);
    } else if (session->state == SESSION_REQUEST) {
        /* RFC 8915, section 4.1.3: a request that is not complete is a bad one. */
        session_refuse(session, service, NTS_ERR_INCOMPLETE);
    }
}

void session_deadline(struct session *session, const struct ke_service *service)
{
    ERR_clear_error();
    if (session->state == SESSION_HANDSHAKE) {
        session_end(session, service, NTS_ERR_TIMEOUT);
    } else if (session->state == SESSION_REQUEST) {
        session_refuse(session, service, NTS_ERR_TIMEOUT);
    }
}

size_t session_output(struct session *session, uint8_t *out, size_t capacity)
{
    if (session->ssl == NULL) {
        return 0;
    }
    int got = BIO_read(session->output, out, capacity < INT_MAX ? (int)capacity : INT_MAX);
    return got > 0 ? (size_t)got : 0;
}

void session_close(struct session *session)
{
    SSL_free(session->ssl);
    session->ssl = NULL;
}

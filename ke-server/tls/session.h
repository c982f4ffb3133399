/* One NTS-KE connection as a state machine on memory: TLS octets in, TLS octets out (RFC 8915,
 * sections 3 and 4). No socket, and no clock but to measure; the owner of the connection brings
 * what arrived and says when time is up. A session belongs to one thread.
 *
 *   HANDSHAKE --handshake done--> REQUEST --answered, refused, failed--> ENDED
 *
 * In ENDED nothing more is read. What is left to do is to send the output, close the sending side,
 * and wait for the client to close, lest a reset destroys the response on its way. */
#ifndef NTS_KE_SESSION_H
#define NTS_KE_SESSION_H

#include "ke-server/config/ke_settings.h"
#include "ke-server/metrics/ke_counters.h"
#include "ke-server/tls/tls_context.h"
#include "keys/keyring.h"

enum session_state { SESSION_HANDSHAKE, SESSION_REQUEST, SESSION_ENDED };

/* What a worker serves its sessions with, looked up once per batch of events. */
struct ke_service {
    const struct next_protocols *protocols;
    const struct ke_settings *settings;
    const struct tls_contexts *tls;
    const struct keyring *keyring;
    struct random_pool *random;
    struct ke_counters *counters;
    int64_t now_s;  /* real time, for the master keys */
    int64_t now_ns; /* monotonic, for deadlines */
};

struct session {
    SSL *ssl;    /* NULL before the first octets: shedding earlier costs no TLS state */
    BIO *input;  /* owned by ssl */
    BIO *output; /* owned by ssl */
    enum session_state state;
    int64_t opened_ns;       /* monotonic */
    union net_address local; /* that the client came to */
    size_t request_len;
    /* One octet more than a request may have, so that what stands behind one is seen. */
    uint8_t request[KE_REQUEST_MAX_LEN + 1];
};

/* session_open starts a session of a client that came to `local`. */
void session_open(struct session *session, const struct ke_service *service,
                  const union net_address *local);

/* session_receive takes the `len` octets that arrived from the client. */
void session_receive(struct session *session, const struct ke_service *service, const uint8_t *data,
                     size_t len);

/* session_peer_closed tells that the client closed its side of the connection: a request that is
 * not complete never will be. The session is ENDED then. */
void session_peer_closed(struct session *session, const struct ke_service *service);

/* session_deadline tells that the time for handshake and request is up. The session is ENDED then:
 * with an Error record after the handshake, silently before its end. */
void session_deadline(struct session *session, const struct ke_service *service);

/* session_output moves up to `capacity` octets for the client to `out` and returns their number. */
size_t session_output(struct session *session, uint8_t *out, size_t capacity);

/* session_close frees everything; again does nothing. */
void session_close(struct session *session);

#endif

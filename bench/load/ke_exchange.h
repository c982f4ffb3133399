/* One NTS-KE exchange that never blocks: TCP connection, full TLS handshake, request, response,
 * end. Many of them share a thread; the owner watches their descriptors with an edge-triggered
 * epoll and calls ke_exchange_drive when something has happened. */
#ifndef NTS_LOAD_KE_EXCHANGE_H
#define NTS_LOAD_KE_EXCHANGE_H

#include "client/ke_connection.h"
#include "client/ke_response.h"
#include "load/light_tls.h"

#define KE_EXCHANGE_MAX_RESPONSE 8192

/* What all exchanges have in common. */
struct ke_exchange_plan {
    union net_address server;
    struct ke_connection_options tls; /* its context is shared */
    struct ke_request request;
    uint8_t request_octets[KE_REQUEST_MAX_LEN];
    size_t request_len;
    X509 *trusted_leaf; /* the certificate that was verified last */
    bool is_light;      /* with light_tls instead of BoringSSL's TLS */
    struct light_shared light;
};

enum ke_exchange_state {
    KE_EXCHANGE_CLOSED,
    KE_EXCHANGE_CONNECTING,
    KE_EXCHANGE_HANDSHAKING,
    KE_EXCHANGE_WRITING,
    KE_EXCHANGE_READING,
    KE_EXCHANGE_LIGHT,  /* the last three in one, for light_tls */
    KE_EXCHANGE_ENDING, /* the response is there: the server's end of the connection is waited for,
                           so that the port is free for the next (no TIME_WAIT on our side) */
};

/* Zero-initialised: closed. Must not move while it is open. */
struct ke_exchange {
    enum ke_exchange_state state;
    struct ke_connection connection;
    size_t len;
    uint8_t *response;       /* KE_EXCHANGE_MAX_RESPONSE octets, the owner's */
    struct light_tls *light; /* the owner's; NULL unless the plan is light */
};

/* ke_exchange_plan_open makes the shared context. The chain of a certificate is verified when it is
 * seen first, and not again while the server shows the same one; that the server holds its key is
 * verified every time. Errors of ke_tls_context_create. */
NTS_MUST_CHECK enum nts_status ke_exchange_plan_open(struct ke_exchange_plan *plan,
                                                     struct error *error);
void ke_exchange_plan_close(struct ke_exchange_plan *plan);

/* ke_exchange_start begins to connect, from `source` unless that is NULL. NTS_ERR_SYSTEM with text.
 * The descriptor is exchange->connection.fd. */
NTS_MUST_CHECK enum nts_status ke_exchange_start(struct ke_exchange *exchange,
                                                 const struct ke_exchange_plan *plan,
                                                 const union net_address *source,
                                                 struct error *error);

/* What a call of ke_exchange_drive has brought. */
enum ke_exchange_event {
    KE_EXCHANGE_NOTHING,  /* call again when the socket has something new */
    KE_EXCHANGE_ANSWERED, /* the response is right; call again at once */
    KE_EXCHANGE_ENDED,    /* closed, after it was answered */
    KE_EXCHANGE_FAILED,   /* closed; the error says why */
};

/* ke_exchange_drive goes as far as it can. `response` is scratch space. */
enum ke_exchange_event ke_exchange_drive(struct ke_exchange *exchange,
                                         const struct ke_exchange_plan *plan,
                                         struct ke_response *response, struct error *error);

/* ke_exchange_abort closes it at once, with a reset. */
void ke_exchange_abort(struct ke_exchange *exchange);

#endif

/* The TCP and TLS connection of an NTS-KE client (RFC 8915, section 3): TLS 1.3, ALPN "ntske/1",
 * the server's certificate verified by name or by IP address. Blocking, but never longer than an
 * absolute deadline (deadline_in_ms); only the DNS look-up keeps the resolver's own time.
 * A connection belongs to one thread; an SSL_CTX may serve many. Raises no SIGPIPE. */
#ifndef NTS_CLIENT_KE_CONNECTION_H
#define NTS_CLIENT_KE_CONNECTION_H

#include "client/deadline.h"
#include "client/ke_peer.h"

#define KE_MAX_ADDRESSES 32 /* of a name; further ones are not tried */

/* Where a server is to be found. */
struct ke_endpoint {
    const char *host;
    uint16_t port;
    int family; /* AF_UNSPEC: either */
};

/* ke_tcp_connect resolves the endpoint's host and connects to its addresses in turn, each with its
 * share of the time left. Fills `*fd` (non-blocking, the caller's to close) and `*peer`.
 * NTS_ERR_SYSTEM or NTS_ERR_TIMEOUT with text. */
NTS_MUST_CHECK enum nts_status ke_tcp_connect(int *fd, union net_address *peer,
                                              const struct ke_endpoint *endpoint,
                                              int64_t deadline_ns, struct error *error);

/* ke_connection_open connects and completes the handshake. NTS_ERR_SYSTEM, NTS_ERR_TIMEOUT,
 * NTS_ERR_TLS, NTS_ERR_FILE or NTS_ERR_NO_MEMORY with text. ke_connection_close is due in any case:
 * after a failed handshake `ssl` and `alert_received` tell what was seen. */
NTS_MUST_CHECK enum nts_status ke_connection_open(struct ke_connection *connection,
                                                  const struct ke_connection_options *options,
                                                  int64_t deadline_ns, struct error *error);

/* ke_connection_write sends `len` octets as one TLS record (up to 16384 octets).
 * NTS_ERR_TIMEOUT or NTS_ERR_TLS with text. */
NTS_MUST_CHECK enum nts_status ke_connection_write(struct ke_connection *connection,
                                                   const void *data, size_t len,
                                                   int64_t deadline_ns, struct error *error);

/* How the reading ended. */
enum ke_read_end {
    KE_READ_MESSAGE,      /* an End of Message record is there (ke_connection_read_message only) */
    KE_READ_CLOSE_NOTIFY, /* TLS says that nothing more comes */
    KE_READ_EOF,          /* the TCP connection ended without close_notify */
    KE_READ_FULL,         /* `capacity` octets, or the message cannot end within them */
    KE_READ_TIMEOUT,
    KE_READ_FAILED, /* alert or reset: *error and alert_received say which */
};

/* ke_connection_read_message reads up to the End of Message record or whatever comes before it.
 * `*len` counts the octets in `data`, however it ends. */
enum ke_read_end ke_connection_read_message(struct ke_connection *connection, uint8_t *data,
                                            size_t *len, size_t capacity, int64_t deadline_ns,
                                            struct error *error);

/* ke_connection_read_all is the same, but End of Message is an octet like any other. */
enum ke_read_end ke_connection_read_all(struct ke_connection *connection, uint8_t *data,
                                        size_t *len, size_t capacity, int64_t deadline_ns,
                                        struct error *error);

/* ke_connection_send_close_notify ends our direction; reading goes on. Does not wait. */
void ke_connection_send_close_notify(struct ke_connection *connection);

/* ke_connection_close says close_notify if it still can and frees everything. Does not wait. */
void ke_connection_close(struct ke_connection *connection);

#endif

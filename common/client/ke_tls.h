/* The parts of ke_connection that are about TLS only: whom to trust, how octets reach the socket,
 * and what an error means. Private to the client library. */
#ifndef NTS_CLIENT_KE_TLS_H
#define NTS_CLIENT_KE_TLS_H

#include "client/ke_connection.h"

/* ke_tls_attach makes connection->ssl from `context`, names whom the certificate must be for, sends
 * the server name, and joins it to connection->fd. NTS_ERR_NO_MEMORY or NTS_ERR_TLS with text. */
NTS_MUST_CHECK enum nts_status ke_tls_attach(struct ke_connection *connection, SSL_CTX *context,
                                             const struct ke_connection_options *options,
                                             struct error *error);

/* ke_tls_error tells why the last call on connection->ssl failed, whose SSL_get_error was
 * `ssl_error`. Fills `*error` and returns NTS_ERR_TLS. */
enum nts_status ke_tls_error(struct ke_connection *connection, int ssl_error, struct error *error);

#endif

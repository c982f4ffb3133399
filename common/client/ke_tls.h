/* The parts of ke_connection that are about TLS only: trust, how octets reach the socket,
 * and what an error means. */
#ifndef NTS_CLIENT_KE_TLS_H
#define NTS_CLIENT_KE_TLS_H

#include "client/ke_peer.h"
#include "keys/cookie.h"

/* ke_tls_context_create makes the context that `options` ask for; the caller frees it with
 * SSL_CTX_free. NTS_ERR_FILE (ca_file), NTS_ERR_TLS or NTS_ERR_NO_MEMORY with text. */
NTS_MUST_CHECK enum nts_status ke_tls_context_create(SSL_CTX **context,
                                                     const struct ke_connection_options *options,
                                                     struct error *error);

/* ke_tls_attach makes connection->ssl from `context`, names the certificate's subject, sends
 * the server name, and joins it to connection->fd. NTS_ERR_NO_MEMORY or NTS_ERR_TLS with text. */
NTS_MUST_CHECK enum nts_status ke_tls_attach(struct ke_connection *connection, SSL_CTX *context,
                                             const struct ke_connection_options *options,
                                             struct error *error);

/* ke_tls_error tells why the last call on connection->ssl failed, whose SSL_get_error was
 * `ssl_error`. Fills `*error` and returns NTS_ERR_TLS. */
enum nts_status ke_tls_error(struct ke_connection *connection, int ssl_error, struct error *error);

/* ke_export_keys derives C2S and S2C of `aead` from the TLS session (RFC 8915, section 5.1), with
 * `context_id` in the exporter's context where the RFC wants aead->id: chrony once used 15 for
 * every algorithm. Fills `*keys`; NTS_ERR_TLS with it zeroed. */
NTS_MUST_CHECK enum nts_status ke_export_keys(struct session_keys *keys, SSL *ssl,
                                              const struct aead_algorithm *aead,
                                              uint16_t context_id);

#endif

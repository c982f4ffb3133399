/* The TLS side of NTS-KE (RFC 8915, section 3): TLS 1.3 only, ALPN "ntske/1" or nothing, no
 * tickets, no early data, no client certificates; and the certificate that suits the client. The
 * contexts are made at start-up and reload, and then serve any number of threads. */
#ifndef NTS_KE_TLS_CONTEXT_H
#define NTS_KE_TLS_CONTEXT_H

#include "ke-server/tls/certificate.h"

struct tls_context {
    struct certificate *certificate; /* one reference */
    SSL_CTX *ctx;
};

/* A context for each certificate, the default first. Immutable. */
struct tls_contexts {
    struct snapshot snapshot; /* first member */
    size_t num;
    const struct certificate_identity **identities; /* of the certificates, in the same order */
    struct tls_context list[];
};

/* tls_contexts_create makes the contexts of `num` certificates, one at least, and takes references
 * of its own. NTS_ERR_NO_MEMORY, NTS_ERR_INTERNAL if BoringSSL refuses what must not fail, or
 * NTS_ERR_CERTIFICATE_FORM if it will not serve with one of the certificates. */
NTS_MUST_CHECK enum nts_status tls_contexts_create(struct tls_contexts **contexts,
                                                   struct certificate *const *certificates,
                                                   size_t num, struct error *error);

/* tls_contexts_first_not_after_s returns when the first of the certificates expires. */
int64_t tls_contexts_first_not_after_s(const struct tls_contexts *contexts);

/* tls_session_new makes the server's side of a connection; NULL if there is no memory. */
SSL *tls_session_new(const struct tls_contexts *contexts);

/* tls_session_handshake goes on with the handshake and returns what SSL_do_handshake does. The
 * certificate is chosen when the ClientHello is complete, from the contexts of that call, for a
 * client that came to `local`; the connection keeps it, whatever becomes of the contexts. */
int tls_session_handshake(SSL *ssl, const struct tls_contexts *contexts,
                          const union net_address *local, int64_t now_s);

#endif

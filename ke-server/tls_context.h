/* The TLS side of NTS-KE (RFC 8915, section 3): TLS 1.3 only, ALPN "ntske/1" or nothing, no
 * tickets, no early data, no client certificates. Server names are not looked at: there is one
 * certificate. Start-up and reload; a context serves any number of threads. */
#ifndef NTS_KE_TLS_CONTEXT_H
#define NTS_KE_TLS_CONTEXT_H

#include "crypto/boringssl.h"

/* tls_context_open makes a context from a PEM certificate chain (leaf first) and its private key.
 * NTS_ERR_FILE, with a text that names the file, if one cannot be read or parsed, if the key is
 * open to group or others or does not belong to the certificate, or if the certificate has expired;
 * NTS_ERR_INTERNAL if BoringSSL refuses. Freed with SSL_CTX_free. */
NTS_MUST_CHECK enum nts_status tls_context_open(SSL_CTX **ctx, const char *certificate_path,
                                                const char *key_path, struct error *error);

/* tls_context_time_left_s returns the seconds until the certificate expires. */
int64_t tls_context_time_left_s(const SSL_CTX *ctx);

/* tls_context_not_after_s returns when the certificate expires, in seconds since 1970. */
int64_t tls_context_not_after_s(const SSL_CTX *ctx);

#endif

/* The one place that knows which BoringSSL this is: Debian's (API 17 in Debian 12) or upstream's.
 * Everything else calls BoringSSL as upstream documents it, through this header where they differ.
 */
#ifndef NTS_CRYPTO_BORINGSSL_H
#define NTS_CRYPTO_BORINGSSL_H

#include "base/status.h"

#include <openssl/base.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef OPENSSL_IS_BORINGSSL
#error "the farm builds on BoringSSL only"
#endif

/* boringssl_version names origin and API, for example "BoringSSL (debian, API 17)". */
const char *boringssl_version(void);

/* boringssl_default_groups lists the key-exchange groups that this build supports and the farm
 * offers, best first, in the syntax of boringssl_set_groups. */
const char *boringssl_default_groups(void);

/* boringssl_set_groups sets the colon-separated groups of `ctx`; false if one is unknown. */
NTS_MUST_CHECK bool boringssl_set_groups(SSL_CTX *ctx, const char *groups);

/* boringssl_group_name returns the name of the group of `ssl`'s handshake, "?" before it. */
const char *boringssl_group_name(const SSL *ssl);

/* boringssl_error_text returns the oldest reason in this thread's error queue, and empties it. */
const char *boringssl_error_text(void);

/* boringssl_time_s returns `time` in seconds since 1970, INT64_MIN if it is none. */
int64_t boringssl_time_s(const ASN1_TIME *time);

/* boringssl_time_left_s returns the seconds from now to `time`, negative if it is past. */
int64_t boringssl_time_left_s(const ASN1_TIME *time);

#endif

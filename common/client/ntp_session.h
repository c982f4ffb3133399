/* A session as NTS-KE would have made it, for programs that hold the master keys of the farm and
 * ask its time servers as a client does (RFC 8915, section 5). */
#ifndef NTS_CLIENT_NTP_SESSION_H
#define NTS_CLIENT_NTP_SESSION_H

#include "crypto/random.h"
#include "keys/cookie.h"

/* ntp_session_make fills `*keys` with random keys for `aead`. */
void ntp_session_make(struct session_keys *keys, const struct aead_algorithm *aead,
                      struct random_pool *random);

/* ntp_session_cookie seals a cookie for the session under `key`. Returns its length, 0 if the key
 * cannot seal one. */
size_t ntp_session_cookie(uint8_t cookie[COOKIE_MAX_LEN], const struct session_keys *keys,
                          const struct master_key *key, struct random_pool *random);

#endif

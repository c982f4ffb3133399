/* The hellos of light_tls (RFC 8446, section 4.1). Pure, but for the random that every hello has.
 */
#ifndef NTS_LOAD_LIGHT_HELLO_H
#define NTS_LOAD_LIGHT_HELLO_H

#include "base/cursor.h"

#define LIGHT_SHARE_LEN 32 /* of X25519 */

/* light_hello_write writes a ClientHello message that offers TLS 1.3 with X25519,
 * TLS_AES_128_GCM_SHA256 and the protocol of NTS-KE. `server_name` may be NULL. */
void light_hello_write(struct writer *w, const uint8_t public_key[LIGHT_SHARE_LEN],
                       const char *server_name);

/* light_hello_find_share returns the key share (LIGHT_SHARE_LEN octets) in the body of a
 * ServerHello, NULL if the server has not taken what was offered. */
const uint8_t *light_hello_find_share(const uint8_t *body, size_t len);

#endif

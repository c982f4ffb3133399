/* NTS-KE as a client does it (RFC 8915, section 4): one TLS connection, one request, one response.
 * Blocking with a deadline; every call has a session of its own, so threads need no lock. */
#ifndef NTS_CLIENT_KE_CLIENT_H
#define NTS_CLIENT_KE_CLIENT_H

#include "base/address.h"
#include "keys/cookie.h"
#include "wire/ke_record.h"

#define CLIENT_MAX_COOKIES    8
#define CLIENT_MAX_COOKIE_LEN 1024
#define CLIENT_MAX_RECORDS    64
#define KE_RESPONSE_MAX_LEN   65536
#define CERT_NAME_LEN         256
#endif

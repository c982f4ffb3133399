/* The cookies that a client holds: first in, first out, none used twice (RFC 8915, section 5.7).
 * A jar belongs to one thread. Never allocates. */
#ifndef NTS_CLIENT_COOKIE_JAR_H
#define NTS_CLIENT_COOKIE_JAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_MAX_COOKIES    8  /* what RFC 8915, section 5.7, tells a client to keep */
#define CLIENT_MIN_COOKIE_LEN 12 /* fills the shortest extension field (RFC 7822) */
#define CLIENT_MAX_COOKIE_LEN 1024

struct client_cookie {
    size_t len;
    uint8_t octets[CLIENT_MAX_COOKIE_LEN];
};

/* Zero-initialised: an empty jar. */
struct cookie_jar {
    size_t first;
    size_t num;
    struct client_cookie cookies[CLIENT_MAX_COOKIES];
};

/* cookie_jar_put keeps a copy. False when the jar is full or the cookie cannot be used: shorter or
 * longer than above, or not a multiple of four octets, which would not come back as it was sent. */
bool cookie_jar_put(struct cookie_jar *jar, const uint8_t *cookie, size_t len);

/* cookie_jar_take moves the oldest cookie to `*cookie`; false when there is none. */
bool cookie_jar_take(struct cookie_jar *jar, struct client_cookie *cookie);

#endif

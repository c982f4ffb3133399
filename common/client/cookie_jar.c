#include "client/cookie_jar.h"

#include <string.h>

bool cookie_jar_put(struct cookie_jar *jar, const uint8_t *cookie, size_t len)
{
    if (jar->num == CLIENT_MAX_COOKIES || len < CLIENT_MIN_COOKIE_LEN ||
        len > CLIENT_MAX_COOKIE_LEN || len % 4 != 0) {
        return false;
    }
    struct client_cookie *place = &jar->cookies[(jar->first + jar->num) % CLIENT_MAX_COOKIES];
    memcpy(place->octets, cookie, len);
    place->len = len;
    jar->num++;
    return true;
}

bool cookie_jar_take(struct cookie_jar *jar, struct client_cookie *cookie)
{
    if (jar->num == 0) {
        return false;
    }
    *cookie = jar->cookies[jar->first];
    jar->first = (jar->first + 1) % CLIENT_MAX_COOKIES;
    jar->num--;
    return true;
}

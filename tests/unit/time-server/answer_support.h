/* Requests as clients send them, and what clients make of the replies, for the tests of
 * answer_batch at a time that stands still. */
#ifndef NTS_UNIT_ANSWER_SUPPORT_H
#define NTS_UNIT_ANSWER_SUPPORT_H

#include "base/clock_time.h"
#include "time-server/protocol/answer.h"

#define NOW_NS (INT64_C(1795305600) * NS_PER_S)
#define NOW_S  (NOW_NS / NS_PER_S)

/* make_ring returns a keyring of one key, which is active. */
struct keyring *make_ring(enum key_layout layout, uint32_t id);

/* make_context returns a server with a fit clock of stratum 1. */
struct answer_context make_context(const struct keyring *ring);

/* A client's side of one request, with a cookie under a keyring. */
struct client {
    struct session_keys keys;
    size_t cookie_len;
    size_t header_len; /* of the request and of its reply */
    size_t unique_id_len;
    const struct ext_field_form *form;
    uint8_t packet[REQUEST_MAX_LEN];
    size_t len;
};

/* build_request_as builds the request of a version whose header is the `client->header_len` octets
 * that stand in client->packet already; unique_id_len and form say how it goes on. */
void build_request_as(struct client *client, const struct keyring *ring, uint16_t aead_id,
                      size_t num_placeholders);

/* build_request builds one of NTPv4. */
void build_request(struct client *client, const struct keyring *ring, uint16_t aead_id,
                   size_t num_placeholders);

/* open_reply opens a reply as a client would and returns the number of fresh cookies, each of which
 * opens. */
size_t open_reply(const struct client *client, const struct keyring *ring,
                  const struct datagram *datagram);

#endif

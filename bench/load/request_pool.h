/* The requests that nts-load sends, all made before it starts, so that sending one costs no
 * cryptography: each with its own transmit timestamp, unique identifier and nonce, sealed, and
 * bound to a client. A stateless server cannot tell that a request comes again; the transmit
 * timestamp, which the server copies to the reply's origin timestamp, tells which request a reply
 * is for. No I/O; one thread. */
#ifndef NTS_LOAD_REQUEST_POOL_H
#define NTS_LOAD_REQUEST_POOL_H

#include "client/ntp_request.h"
#include "load/flight.h"
#include "load/mix.h"

/* Requests in a row that leave from one socket: it makes one system call of them. */
#define POOL_SOCKET_RUN 16

#define ECHO_MIN_SIZE NTP_HEADER_LEN /* holds the id at both places */
#define ECHO_MAX_SIZE 1400

enum pool_protocol { POOL_NTP, POOL_NTS, POOL_ECHO };

/* A cookie that is a client's own. */
struct pool_cookie {
    uint32_t session; /* whose keys it holds */
    uint32_t len;
    uint8_t octets[COOKIE_MAX_LEN];
};

struct pool_plan {
    enum pool_protocol protocol;
    size_t num_requests;
    size_t num_clients;
    size_t num_sockets; /* num_clients at most */
    struct mix mix;
    size_t echo_size;                  /* POOL_ECHO */
    const struct session_keys *keys;   /* POOL_NTS: of each session; outlives the pool */
    const struct pool_cookie *cookies; /* POOL_NTS: of each client; for the time of the call */
};

/* One request. */
struct pool_request {
    size_t offset; /* in the pool's packets */
    uint16_t len;
    uint8_t kind; /* enum request_kind */
    uint32_t session;
    uint32_t socket;
    uint32_t
        address; /* number of the client's address: clients with the same one differ in socket */
};

struct request_pool {
    enum pool_protocol protocol;
    struct flight flight;
    struct pool_request *requests;
    uint8_t *packets;
    const struct session_keys *keys;
    struct random_pool random;
    struct ntp_request scratch;
    struct cookie_jar jar; /* of the reply that was verified last */
};

/* request_pool_open makes all of them. NTS_ERR_NO_MEMORY or NTS_ERR_NO_SPACE with text. */
NTS_MUST_CHECK enum nts_status request_pool_open(struct request_pool *pool,
                                                 const struct pool_plan *plan, struct error *error);
void request_pool_close(struct request_pool *pool);

/* What a datagram is. */
enum pool_verdict {
    POOL_ANSWER,
    POOL_NAK,        /* NTS NAK */
    POOL_KISS,       /* DENY, RSTR or RATE */
    POOL_FAILED,     /* verified, and found wrong */
    POOL_UNEXPECTED, /* belongs to no request, or is no reply at all */
};

/* request_pool_find returns the slot of the request that the datagram answers, by origin timestamp
 * and, for NTS, unique identifier. FLIGHT_NONE if there is none. */
uint32_t request_pool_find(const struct request_pool *pool, const uint8_t *data, size_t len);

/* request_pool_judge tells what the datagram is to the request in `slot`, by a look at its form. */
enum pool_verdict request_pool_judge(const struct request_pool *pool, uint32_t slot,
                                     const uint8_t *data, size_t len);

/* request_pool_verify checks everything that a client checks. What came back with a reply that is
 * authentic is used from now on: the request in `slot`, which must not be on its way, is made anew
 * with the reply's first cookie, and `*is_renewed` says so. */
enum pool_verdict request_pool_verify(struct request_pool *pool, uint32_t slot, const uint8_t *data,
                                      size_t len, bool *is_renewed);

#endif

#include "load/request_pool.h"

#include <stdlib.h>
#include <string.h>

#define ORIGIN_AT   24 /* of the timestamps in the NTP header */
#define TRANSMIT_AT 40

#define GARBAGE_MIN_LEN 48
#define GARBAGE_MAX_LEN 300

#define MAX_PLACEHOLDERS 7

static uint32_t random_u32(struct request_pool *pool)
{
    uint32_t value;
    random_take(&pool->random, (uint8_t *)&value, sizeof(value));
    return value;
}

/* --- making requests: each leaves its octets in pool->scratch --- */

static void make_echo(struct request_pool *pool, uint64_t id, size_t len)
{
    struct ntp_request *scratch = &pool->scratch;
    for (size_t at = 0; at < len; at += sizeof(uint32_t)) {
        store_u32(scratch->packet + at, random_u32(pool));
    }
    /* Echo servers answer what looks like a client's request, and turn it into a reply: so two of
     * them never echo each other for ever. */
    scratch->packet[0] = 4 << 3 | NTP_MODE_CLIENT;
    store_u64(scratch->packet + ORIGIN_AT, id);
    store_u64(scratch->packet + TRANSMIT_AT, id);
    scratch->len = len;
}

/* In server mode, which no server answers whatever follows. */
static void make_garbage(struct request_pool *pool, uint64_t id)
{
    struct ntp_request *scratch = &pool->scratch;
    scratch->len =
        GARBAGE_MIN_LEN + random_below(&pool->random, GARBAGE_MAX_LEN - GARBAGE_MIN_LEN + 1);
    random_take(&pool->random, scratch->packet, scratch->len);
    scratch->packet[0] = (uint8_t)((scratch->packet[0] & ~7) | NTP_MODE_SERVER);
    store_u64(scratch->packet + TRANSMIT_AT, id);
}

static enum nts_status make_ntp(struct request_pool *pool, uint64_t id,
                                const struct session_keys *keys, const uint8_t *cookie,
                                size_t cookie_len, size_t num_placeholders)
{
    struct ntp_request *scratch = &pool->scratch;
    scratch->keys = keys;
    scratch->cookie = cookie;
    scratch->cookie_len = cookie_len;
    scratch->num_placeholders = num_placeholders;
    scratch->transmit_time = id;
    random_take(&pool->random, scratch->unique_id, sizeof(scratch->unique_id));
    random_take(&pool->random, scratch->nonce, AEAD_MAX_NONCE_LEN);
    return ntp_request_build(scratch);
}

static enum nts_status make_request(struct request_pool *pool, const struct pool_plan *plan,
                                    uint64_t id, const struct pool_request *request, size_t client)
{
    struct pool_cookie cookie;
    if (request->kind == REQUEST_GARBAGE) {
        make_garbage(pool, id);
        return NTS_OK;
    }
    switch (plan->protocol) {
    case POOL_ECHO:
        make_echo(pool, id, plan->echo_size);
        return NTS_OK;
    case POOL_NTP:
        return make_ntp(pool, id, NULL, NULL, 0, 0);
    case POOL_NTS:
        break;
    }
    cookie = plan->cookies[client];
    if (request->kind == REQUEST_BAD_COOKIE) {
        cookie.octets[cookie.len / 2] ^= 0x01; /* behind the key id, so the server has to try */
    }
    return make_ntp(pool, id, &pool->keys[cookie.session], cookie.octets, cookie.len,
                    request->kind == REQUEST_PLACEHOLDERS ? MAX_PLACEHOLDERS : 0);
}

/* --- laying them out --- */

/* Runs of requests go to one socket, each of them another client of that socket in turn. */
static size_t client_of(const struct pool_plan *plan, size_t index)
{
    size_t run = index / POOL_SOCKET_RUN;
    size_t socket = run % plan->num_sockets;
    size_t num_here = (plan->num_clients - socket + plan->num_sockets - 1) / plan->num_sockets;
    size_t turn = run / plan->num_sockets * POOL_SOCKET_RUN + index % POOL_SOCKET_RUN;
    return socket + turn % num_here * plan->num_sockets;
}

struct layout {
    size_t len;
    size_t capacity;
};

static bool append_packet(struct request_pool *pool, struct layout *layout)
{
    if (layout->len + sizeof(pool->scratch.packet) > layout->capacity) {
        size_t capacity = layout->capacity * 2 + sizeof(pool->scratch.packet);
        uint8_t *packets = realloc(pool->packets, capacity);
        if (packets == NULL) {
            return false;
        }
        pool->packets = packets;
        layout->capacity = capacity;
    }
    memcpy(pool->packets + layout->len, pool->scratch.packet, pool->scratch.len);
    layout->len += (pool->scratch.len + 15) & ~(size_t)15;
    return true;
}

static enum nts_status fill(struct request_pool *pool, const struct pool_plan *plan,
                            struct error *error)
{
    struct mix mix = plan->mix;
    struct layout layout = {0};
    for (uint32_t i = 0; i < plan->num_requests; i++) {
        struct pool_request *request = &pool->requests[i];
        size_t client = client_of(plan, i);
        request->kind = (uint8_t)mix_next(&mix);
        request->socket = (uint32_t)(client % plan->num_sockets);
        request->address = (uint32_t)(client / plan->num_sockets);
        request->session = plan->protocol == POOL_NTS ? plan->cookies[client].session : 0;
        uint64_t id = flight_new_id(&pool->flight, i, random_u32(pool));
        enum nts_status status = make_request(pool, plan, id, request, client);
        if (status != NTS_OK) {
            return error_set(error, status, "a request does not fit");
        }
        request->offset = layout.len;
        request->len = (uint16_t)pool->scratch.len;
        if (!append_packet(pool, &layout)) {
            return error_set(error, NTS_ERR_NO_MEMORY, "no memory for %zu requests",
                             plan->num_requests);
        }
    }
    return NTS_OK;
}

enum nts_status request_pool_open(struct request_pool *pool, const struct pool_plan *plan,
                                  struct error *error)
{
    memset(pool, 0, sizeof(*pool));
    pool->protocol = plan->protocol;
    pool->keys = plan->keys;
    enum nts_status status = flight_open(&pool->flight, plan->num_requests, random_u32(pool));
    pool->requests = calloc(plan->num_requests, sizeof(*pool->requests));
    if (status != NTS_OK || pool->requests == NULL) {
        status =
            error_set(error, NTS_ERR_NO_MEMORY, "no memory for %zu requests", plan->num_requests);
    } else {
        status = fill(pool, plan, error);
    }
    if (status != NTS_OK) {
        request_pool_close(pool);
    }
    return status;
}

void request_pool_close(struct request_pool *pool)
{
    flight_close(&pool->flight);
    free(pool->requests);
    free(pool->packets);
    pool->requests = NULL;
    pool->packets = NULL;
}

/* --- judging replies --- */

static const uint8_t *unique_id_of(const struct request_pool *pool, uint32_t slot)
{
    return pool->packets + pool->requests[slot].offset + NTP_HEADER_LEN + EF_HEADER_LEN;
}

/* Finds the first field of that type in front of the authenticator. */
static bool find_field(struct ext_field *field, uint16_t type, const uint8_t *data, size_t len)
{
    struct reader r = reader_over(data + NTP_HEADER_LEN, len - NTP_HEADER_LEN);
    while (reader_more(&r) && ext_field_next(&r, field, data)) {
        if (field->type == type) {
            return true;
        }
        if (field->type == EF_NTS_AUTHENTICATOR) {
            break;
        }
    }
    return false;
}

uint32_t request_pool_find(const struct request_pool *pool, const uint8_t *data, size_t len)
{
    struct ext_field field;
    if (len < NTP_HEADER_LEN || len > NTP_CLIENT_MAX_PACKET) {
        return FLIGHT_NONE;
    }
    uint32_t slot = flight_find(&pool->flight, load_u64(data + ORIGIN_AT));
    if (slot == FLIGHT_NONE || pool->protocol != POOL_NTS) {
        return slot;
    }
    bool is_ours = find_field(&field, EF_UNIQUE_IDENTIFIER, data, len) &&
                   field.body_len == EF_UNIQUE_ID_MIN_LEN &&
                   memcmp(field.body, unique_id_of(pool, slot), EF_UNIQUE_ID_MIN_LEN) == 0;
    return is_ours ? slot : FLIGHT_NONE;
}

/* RFC 5905, section 7.4. */
static bool is_kiss(uint32_t reference_id)
{
    return reference_id == UINT32_C(0x44454e59) /* DENY */ ||
           reference_id == UINT32_C(0x52535452) /* RSTR */ ||
           reference_id == UINT32_C(0x52415445) /* RATE */;
}

enum pool_verdict request_pool_judge(const struct request_pool *pool, uint32_t slot,
                                     const uint8_t *data, size_t len)
{
    struct ext_field field;
    if (pool->requests[slot].kind == REQUEST_GARBAGE) {
        return POOL_UNEXPECTED;
    }
    if ((data[0] & 7) != NTP_MODE_SERVER) {
        return POOL_UNEXPECTED;
    }
    if (pool->protocol == POOL_ECHO) {
        return len == pool->requests[slot].len ? POOL_ANSWER : POOL_UNEXPECTED;
    }
    bool is_stratum_0 = data[1] == 0;
    uint32_t reference_id = load_u32(data + 12);
    if (is_stratum_0 && is_kiss(reference_id)) {
        return POOL_KISS;
    }
    if (pool->protocol == POOL_NTP) {
        return POOL_ANSWER;
    }
    if (find_field(&field, EF_NTS_AUTHENTICATOR, data, len)) {
        return POOL_ANSWER;
    }
    return is_stratum_0 && reference_id == NTP_KISS_NTSN ? POOL_NAK : POOL_UNEXPECTED;
}

static bool is_same_echo(const struct request_pool *pool, uint32_t slot, const uint8_t *data,
                         size_t len)
{
    const struct pool_request *request = &pool->requests[slot];
    return len == request->len &&
           memcmp(data + 1, pool->packets + request->offset + 1, len - 1) == 0;
}

/* Puts a request with a new cookie in the place of the old one, if it has the same length. */
static bool renew(struct request_pool *pool, uint32_t slot)
{
    struct client_cookie cookie;
    const struct pool_request *request = &pool->requests[slot];
    if (!cookie_jar_take(&pool->jar, &cookie)) {
        return false;
    }
    uint64_t old_id = pool->flight.slots[slot].id;
    uint64_t id = flight_new_id(&pool->flight, slot, random_u32(pool));
    size_t num_placeholders = request->kind == REQUEST_PLACEHOLDERS ? MAX_PLACEHOLDERS : 0;
    enum nts_status status = make_ntp(pool, id, &pool->keys[request->session], cookie.octets,
                                      cookie.len, num_placeholders);
    if (status != NTS_OK || pool->scratch.len != request->len) {
        pool->flight.slots[slot].id = old_id;
        return false;
    }
    memcpy(pool->packets + request->offset, pool->scratch.packet, pool->scratch.len);
    return true;
}

enum pool_verdict request_pool_verify(struct request_pool *pool, uint32_t slot, const uint8_t *data,
                                      size_t len, bool *is_renewed)
{
    struct ntp_reply reply;
    struct ntp_request *scratch = &pool->scratch;
    const struct pool_request *request = &pool->requests[slot];
    *is_renewed = false;
    if (pool->protocol == POOL_ECHO) {
        return is_same_echo(pool, slot, data, len) ? POOL_ANSWER : POOL_FAILED;
    }
    scratch->keys = pool->protocol == POOL_NTS ? &pool->keys[request->session] : NULL;
    scratch->transmit_time = pool->flight.slots[slot].id;
    if (pool->protocol == POOL_NTS) {
        memcpy(scratch->unique_id, unique_id_of(pool, slot), sizeof(scratch->unique_id));
    }
    pool->jar.first = 0;
    pool->jar.num = 0;
    switch (ntp_reply_check(&reply, &pool->jar, scratch, data, len)) {
    case NTS_OK:
        break;
    case NTS_ERR_NAK:
        return POOL_NAK;
    case NTS_ERR_KISS:
        return POOL_KISS;
    default:
        return POOL_FAILED;
    }
    /* A bad cookie that opens would be the server's fault. */
    if (request->kind == REQUEST_BAD_COOKIE) {
        return POOL_FAILED;
    }
    *is_renewed = pool->protocol == POOL_NTS && renew(pool, slot);
    return POOL_ANSWER;
}

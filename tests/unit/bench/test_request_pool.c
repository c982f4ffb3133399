#include "load/request_pool.h"

#include <criterion/criterion.h>
#include <string.h>

static struct request_pool pool;
static struct session_keys keys;
static struct pool_cookie cookies[20];

static struct pool_plan plan_of(enum pool_protocol protocol)
{
    keys = (struct session_keys){.aead = aead_find(AEAD_AES_SIV_CMAC_256), .c2s = {1}, .s2c = {2}};
    for (size_t i = 0; i < 20; i++) {
        cookies[i].len = 100;
        memset(cookies[i].octets, (int)(i + 1), 100);
    }
    return (struct pool_plan){
        .protocol = protocol,
        .num_requests = 320,
        .num_clients = 20,
        .num_sockets = 5,
        .mix = mix_only(REQUEST_GOOD),
        .echo_size = 100,
        .keys = &keys,
        .cookies = cookies,
    };
}

static void open_pool(const struct pool_plan *plan)
{
    struct error error;
    cr_assert_eq(request_pool_open(&pool, plan, &error), NTS_OK);
}

/* A reply to the request in a slot, as a server would write it, with one cookie. */
static size_t make_reply(uint8_t *packet, uint32_t slot, uint8_t stratum, uint32_t reference_id,
                         bool is_sealed)
{
    static const uint8_t cookie[100] = {0x77};
    const uint8_t *request = pool.packets + pool.requests[slot].offset;
    const struct ntp_header header = {.version = 4,
                                      .mode = NTP_MODE_SERVER,
                                      .stratum = stratum,
                                      .reference_id = reference_id,
                                      .origin_time = load_u64(request + 40)};
    struct writer w = writer_over(packet, 1024);
    ntp_header_write(write_space(&w, NTP_HEADER_LEN), &header);
    if (pool.protocol == POOL_NTS) {
        write_bytes(&w, request + NTP_HEADER_LEN, 36); /* the unique identifier */
    }
    if (is_sealed) {
        uint8_t nonce[16] = {9};
        uint8_t plaintext[104];
        struct writer fields = writer_over(plaintext, sizeof(plaintext));
        struct session_keys reversed = keys;
        memcpy(reversed.c2s, keys.s2c, sizeof(keys.s2c));
        ext_field_write(&fields, EF_NTS_COOKIE, cookie, sizeof(cookie));
        const struct ntp_sealing sealing = {nonce, sizeof(nonce), plaintext, sizeof(plaintext), 0};
        ntp_authenticator_write(&w, &reversed, &sealing);
    }
    return writer_len(&w);
}

Test(request_pool, gives_every_client_its_cookie_and_its_place)
{
    struct pool_plan plan = plan_of(POOL_NTS);
    size_t num_of_client[20] = {0};
    open_pool(&plan);
    for (size_t i = 0; i < plan.num_requests; i++) {
        const struct pool_request *request = &pool.requests[i];
        const uint8_t *cookie = pool.packets + request->offset + NTP_HEADER_LEN + 36 + 4;
        size_t client = request->socket + request->address * plan.num_sockets;
        cr_assert_lt(client, 20);
        cr_assert_eq(*cookie, client + 1);
        cr_assert_eq(request->len, 228);
        num_of_client[client]++;
        cr_assert_eq(request->socket, i / POOL_SOCKET_RUN % plan.num_sockets);
    }
    for (size_t i = 0; i < 20; i++) {
        cr_assert_eq(num_of_client[i], 16);
    }
    request_pool_close(&pool);
}

Test(request_pool, seals_requests_that_a_server_can_open)
{
    struct pool_plan plan = plan_of(POOL_NTS);
    open_pool(&plan);
    const uint8_t *packet = pool.packets + pool.requests[7].offset;
    struct ext_field field;
    struct authenticator authenticator;
    struct reader r =
        reader_over(packet + NTP_HEADER_LEN, pool.requests[7].len - (size_t)NTP_HEADER_LEN);
    do {
        cr_assert(ext_field_next(&r, &field, packet));
    } while (field.type != EF_NTS_AUTHENTICATOR);
    cr_assert_eq(authenticator_parse(&authenticator, field.body, field.body_len), NTS_OK);
    uint8_t plaintext[16];
    struct aead_job job = {.aead = keys.aead,
                           .key = keys.c2s,
                           .out = plaintext,
                           .nonce = authenticator.nonce,
                           .nonce_len = authenticator.nonce_len,
                           .ad = packet,
                           .ad_len = field.offset,
                           .in = authenticator.ciphertext,
                           .in_len = authenticator.ciphertext_len};
    aead_open_batch(&job, 1);
    cr_assert_eq(job.status, NTS_OK);
    request_pool_close(&pool);
}

Test(request_pool, matches_a_reply_by_origin_and_unique_identifier)
{
    struct pool_plan plan = plan_of(POOL_NTS);
    uint8_t packet[1024];
    open_pool(&plan);
    size_t len = make_reply(packet, 5, 1, 0, true);
    cr_assert_eq(request_pool_find(&pool, packet, len), 5);
    cr_assert_eq(request_pool_find(&pool, packet, 47), FLIGHT_NONE);
    packet[NTP_HEADER_LEN + 10] ^= 1; /* in the unique identifier */
    cr_assert_eq(request_pool_find(&pool, packet, len), FLIGHT_NONE);
    packet[NTP_HEADER_LEN + 10] ^= 1;
    packet[24] ^= 1; /* in the origin timestamp */
    cr_assert_eq(request_pool_find(&pool, packet, len), FLIGHT_NONE);
    request_pool_close(&pool);
}

Test(request_pool, tells_answers_naks_and_kisses)
{
    struct pool_plan plan = plan_of(POOL_NTS);
    uint8_t packet[1024];
    open_pool(&plan);
    size_t len = make_reply(packet, 1, 1, 0, true);
    cr_assert_eq(request_pool_judge(&pool, 1, packet, len), POOL_ANSWER);
    len = make_reply(packet, 1, 0, NTP_KISS_NTSN, false);
    cr_assert_eq(request_pool_judge(&pool, 1, packet, len), POOL_NAK);
    len = make_reply(packet, 1, 0, UINT32_C(0x52415445), false);
    cr_assert_eq(request_pool_judge(&pool, 1, packet, len), POOL_KISS);
    len = make_reply(packet, 1, 1, 0, false);
    cr_assert_eq(request_pool_judge(&pool, 1, packet, len), POOL_UNEXPECTED);
    packet[0] = 4 << 3 | NTP_MODE_CLIENT;
    cr_assert_eq(request_pool_judge(&pool, 1, packet, len), POOL_UNEXPECTED);
    request_pool_close(&pool);
}

Test(request_pool, verifies_and_uses_the_cookie_that_came_back)
{
    struct pool_plan plan = plan_of(POOL_NTS);
    uint8_t packet[1024];
    bool is_renewed;
    open_pool(&plan);
    size_t len = make_reply(packet, 3, 1, 0, true);
    uint64_t old_id = pool.flight.slots[3].id;
    packet[len - 1] ^= 1;
    cr_assert_eq(request_pool_verify(&pool, 3, packet, len, &is_renewed), POOL_FAILED);
    cr_assert_not(is_renewed);
    packet[len - 1] ^= 1;
    cr_assert_eq(request_pool_verify(&pool, 3, packet, len, &is_renewed), POOL_ANSWER);
    cr_assert(is_renewed);
    const uint8_t *request = pool.packets + pool.requests[3].offset;
    cr_assert_eq(request[NTP_HEADER_LEN + 36 + 4], 0x77);
    cr_assert_neq(pool.flight.slots[3].id, old_id);
    cr_assert_eq(load_u64(request + 40), pool.flight.slots[3].id);
    cr_assert_eq(request_pool_find(&pool, packet, len), FLIGHT_NONE, "the old reply is of no use");
    len = make_reply(packet, 3, 1, 0, true);
    cr_assert_eq(request_pool_find(&pool, packet, len), 3);
    request_pool_close(&pool);
}

Test(request_pool, makes_every_kind_of_the_mix)
{
    struct pool_plan plan = plan_of(POOL_NTS);
    cr_assert(mix_parse(&plan.mix, "good=1,bad-cookie=1,placeholders=1,garbage=1"));
    open_pool(&plan);
    size_t num_of_kind[NUM_REQUEST_KINDS] = {0};
    for (size_t i = 0; i < plan.num_requests; i++) {
        const struct pool_request *request = &pool.requests[i];
        const uint8_t *packet = pool.packets + request->offset;
        size_t client = request->socket + request->address * plan.num_sockets;
        num_of_kind[request->kind]++;
        switch (request->kind) {
        case REQUEST_BAD_COOKIE:
            cr_assert_eq(request->len, 228);
            cr_assert_eq(packet[88 + 50], (client + 1) ^ 1);
            break;
        case REQUEST_PLACEHOLDERS:
            cr_assert_eq(request->len, 228 + 7 * 104);
            break;
        case REQUEST_GARBAGE:
            cr_assert_neq(packet[0] & 7, NTP_MODE_CLIENT);
            break;
        default:
            cr_assert_eq(packet[88 + 50], client + 1);
            break;
        }
    }
    for (size_t i = 0; i < NUM_REQUEST_KINDS; i++) {
        cr_assert_eq(num_of_kind[i], plan.num_requests / NUM_REQUEST_KINDS);
    }
    request_pool_close(&pool);
}

Test(request_pool, of_echoes_wants_back_what_it_sent)
{
    struct pool_plan plan = plan_of(POOL_ECHO);
    uint8_t packet[1024];
    bool is_renewed;
    open_pool(&plan);
    memcpy(packet, pool.packets + pool.requests[9].offset, 100);
    cr_assert_eq(request_pool_find(&pool, packet, 100), 9);
    cr_assert_eq(request_pool_judge(&pool, 9, packet, 100), POOL_UNEXPECTED, "a request is none");
    packet[0] ^= NTP_MODE_CLIENT ^ NTP_MODE_SERVER;
    cr_assert_eq(request_pool_judge(&pool, 9, packet, 100), POOL_ANSWER);
    cr_assert_eq(request_pool_judge(&pool, 9, packet, 99), POOL_UNEXPECTED);
    cr_assert_eq(request_pool_verify(&pool, 9, packet, 100, &is_renewed), POOL_ANSWER);
    packet[99] ^= 1;
    cr_assert_eq(request_pool_verify(&pool, 9, packet, 100, &is_renewed), POOL_FAILED);
    request_pool_close(&pool);
}

#include "answer_support.h"
#include "support/aead_paths.h"
#include "support/octets.h"
#include "support/status_sets.h"

static void answer_one(struct datagram *datagram, const struct answer_context *context,
                       const uint8_t *packet, size_t len)
{
    static uint8_t reply[REQUEST_MAX_LEN];
    struct answer_engine *engine = answer_engine_create();
    *datagram =
        (struct datagram){.data = packet, .len = len, .rx_time_ns = NOW_NS - 5000, .reply = reply};
    answer_batch(engine, datagram, 1, context);
    answer_engine_destroy(engine);
}

static void every_algorithm_gets_its_cookies(void)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct answer_context context = make_context(ring);
    for (size_t a = 0; a < AEAD_NUM_ALGORITHMS; a++) {
        for (size_t n = 0; n <= 8; n++) {
            static struct client client;
            struct datagram datagram;
            build_request(&client, ring, aead_at(a)->id, n);
            answer_one(&datagram, &context, client.packet, client.len);
            cr_assert_gt(datagram.reply_len, 0);
            cr_assert_leq(datagram.reply_len, client.len);
            cr_assert_eq(open_reply(&client, ring, &datagram), n < 8 ? n + 1 : 8);
            cr_assert(n == 8 || datagram.reply_len == client.len);
        }
    }
    snapshot_unref(&ring->snapshot);
}

Test(answer, nts_request_of_every_algorithm_gets_as_many_cookies_as_asked_for)
{
    for_every_aead_path(every_algorithm_gets_its_cookies);
}

Test(answer, header_tells_clock_origin_and_ordered_times)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct answer_context context = make_context(ring);
    static struct client client;
    struct datagram datagram;
    struct ntp_header header;
    build_request(&client, ring, 15, 0);
    answer_one(&datagram, &context, client.packet, client.len);
    ntp_header_read(&header, datagram.reply);
    cr_assert_eq(header.leap, 0);
    cr_assert_eq(header.stratum, 1);
    cr_assert_eq(header.poll, 6);
    cr_assert_eq(header.reference_id, 0x47505300);
    cr_assert_eq(header.origin_time, 0x1234);
    cr_assert_eq(header.receive_time, ntp_time_from_unix_ns(NOW_NS - 5000));
    cr_assert_eq(header.transmit_time, ntp_time_from_unix_ns(NOW_NS + 2000));
    snapshot_unref(&ring->snapshot);
}

Test(answer, transmit_is_after_receive_even_when_the_clock_was_stepped_back)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct answer_context context = make_context(ring);
    struct octets packet = octets_of("23000620"
                                     "0000000000000000000000000000000000000000"
                                     "00000000000000000000000000000000"
                                     "0123456789abcdef");
    uint8_t reply[REQUEST_MAX_LEN];
    struct answer_engine *engine = answer_engine_create();
    struct datagram datagram = {
        .data = packet.data, .len = packet.len, .rx_time_ns = NOW_NS + NS_PER_S, .reply = reply};
    answer_batch(engine, &datagram, 1, &context);
    struct ntp_header header;
    ntp_header_read(&header, reply);
    cr_assert_eq(header.transmit_time, header.receive_time + 1);
    answer_engine_destroy(engine);
    snapshot_unref(&ring->snapshot);
}

/* The vectors of the conformance matrix, 8.5 and 8.6. */
static const char vector_request[] =
    "230006200000000000000000000000000000000000000000000000000000000000000000000000000123456789"
    "abcdef01040024202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f020400680001"
    "02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e"
    "2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b"
    "5c5d5e5f606162630404002800100010a0a1a2a3a4a5a6a7a8a9aaabacadaeafe2912f3d0ee268b247d44db011"
    "873253";
static const char vector_reply[] =
    "240106e7000000100000002047505300ee000000000000000123456789abcdefee00000180000001ee00000180"
    "01000001040024202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f040400900010"
    "0078b0b1b2b3b4b5b6b7b8b9babbbcbdbebf8290d367e7ad26df10f7d02be44fc23ab59435362739c28b96737b"
    "7cebfd92c69fe6958b4ff679130c668e7f0d9ff79bdd8d694597d70aac3a87fd1b23b05286683016f06c61a7a8"
    "30f6bf05f24a8c628f9faa9e748f6de7dd68f2adc8b74332a8d605d5b3681052188af5dceadd401115d9ba0773"
    "065966";

/* Seals the vector's reply over the `ad_len` octets before its ciphertext. */
static void seal_vector(const struct aead_algorithm *aead, uint8_t *reply, size_t ad_len,
                        const struct response_seal *seal, const uint8_t plaintext[104])
{
    struct octets s2c =
        octets_of("e887fc4be1493ac9c7b64771d260007b2fd53b5b47eda991cf4073f9fa363ca5");
    struct octets nonce = octets_counting(0xb0, 16);
    memcpy(seal->nonce, nonce.data, nonce.len);
    store_u64(reply + 32, UINT64_C(0xee00000180000001)); /* finer than our nanoseconds */
    store_u64(reply + 40, UINT64_C(0xee00000180010000));
    struct aead_job job = {.aead = aead,
                           .key = s2c.data,
                           .out = seal->ciphertext,
                           .nonce = seal->nonce,
                           .nonce_len = 16,
                           .ad = reply,
                           .ad_len = ad_len,
                           .in = plaintext,
                           .in_len = 104};
    aead_seal_batch(&job, 1);
}

/* Octet by octet. */
static void the_vectors_open_and_are_laid_out(void)
{
    struct octets packet = octets_of(vector_request);
    struct octets c2s =
        octets_of("7ace59b64c903eae1cfc53ba4c438af62e5857ce9443b8c5a4f2bedec4be8c7d");
    struct request request;
    uint8_t nothing[1];
    cr_assert_eq(request_parse(&request, &ntp_versions, packet.data, packet.len), NTS_OK);
    struct aead_job job = {.aead = aead_find(15),
                           .key = c2s.data,
                           .out = nothing,
                           .nonce = request.authenticator.nonce,
                           .nonce_len = 16,
                           .ad = packet.data,
                           .ad_len = request.ad_len,
                           .in = request.authenticator.ciphertext,
                           .in_len = 16};
    aead_open_batch(&job, 1);
    cr_assert_eq(job.status, NTS_OK);

    int64_t rx_ns = ntp_time_to_unix_ns(UINT64_C(0xee00000180000000), NOW_NS);
    struct clock_status status = {
        .updated_at_ns = rx_ns,
        .root_delay_ns = 244140,
        .root_dispersion_ns = 488281,
        .reference_ns = ntp_time_to_unix_ns(UINT64_C(0xee00000000000000), NOW_NS),
        .reference_id = 0x47505300,
        .stratum = 1,
        .precision = -25,
    };
    struct response_clock clock;
    response_clock_at(&clock, &status, true, rx_ns);
    uint8_t reply[REQUEST_MAX_LEN];
    struct octets cookie = octets_counting(0x80, 100);
    uint8_t plaintext[104];
    struct writer inner = writer_over(plaintext, sizeof(plaintext));
    ext_field_write(&inner, EF_NTS_COOKIE, cookie.data, cookie.len);
    struct writer w = writer_over(reply, sizeof(reply));
    response_write_header(&w, &request, REPLY_TIME, &clock, rx_ns);
    response_write_unique_id(&w, &request);
    size_t ad_len = writer_len(&w);
    struct response_seal seal = response_write_authenticator(&w, job.aead, sizeof(plaintext));
    seal_vector(job.aead, reply, ad_len, &seal, plaintext);
    assert_octets(reply, writer_len(&w), vector_reply);

    w = writer_over(reply, sizeof(reply));
    response_write_header(&w, &request, REPLY_NAK, &clock, rx_ns);
    response_write_unique_id(&w, &request);
    reply[3] = 0xe7; /* precision is free */
    assert_octets(reply, writer_len(&w),
                  "e40006e700000000000000004e54534e00000000000000000123456789abcdef0000000000000000"
                  "000000000000000001040024202122232425262728292a2b2c2d2e2f303132333435363738393a3b"
                  "3c3d3e3f");
}

Test(answer, the_vector_request_opens_and_the_vector_reply_is_laid_out_the_same)
{
    for_every_aead_path(the_vectors_open_and_are_laid_out);
}

/* Answers the packet and returns whether it was an NTS NAK; false is silence. */
static bool is_nak(const struct answer_context *context, const uint8_t *packet, size_t len)
{
    struct datagram datagram;
    answer_one(&datagram, context, packet, len);
    if (datagram.reply_len == 0) {
        return false;
    }
    cr_assert_eq(load_u32(datagram.reply + 12), NTP_KISS_NTSN);
    cr_assert_eq(datagram.reply_len, 84);
    cr_assert_eq(datagram.reply[0], 0xe4);
    return true;
}

Test(answer, unknown_forged_and_altered_get_a_nak)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct answer_context context = make_context(ring);
    static struct client client;
    build_request(&client, ring, 15, 1);
    const size_t flips[] = {88 /* key id */, 88 + 99 /* cookie */, client.len - 1 /* tag */,
                            20 /* header */, 88 + 104 + 3 /* placeholder */};
    for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++) {
        client.packet[flips[i]] ^= 1;
        cr_assert(is_nak(&context, client.packet, client.len), "case %zu", i);
        client.packet[flips[i]] ^= 1;
    }
    snapshot_unref(&ring->snapshot);
    ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 2);
    context.keyring = ring;
    cr_assert(is_nak(&context, client.packet, client.len), "rotated out");
    snapshot_unref(&ring->snapshot);
}

Test(answer, a_longer_cookie_layout_gives_fewer_cookies_never_a_longer_reply)
{
    struct master_key_spec specs[2] = {
        {1, KEY_LAYOUT_CHRONY_GCMSIV, NOW_S - 10, NOW_S + 1000, {0}},
        {2, KEY_LAYOUT_CHRONY_SIV, NOW_S - 5, NOW_S + 1000, {0}},
    };
    struct keyring *ring = keyring_create(1, specs, 2);
    struct answer_context context = make_context(ring);
    static struct client client;
    struct datagram datagram;
    for (size_t n = 0; n < 8; n++) {
        build_request(&client, ring, 30, n); /* cookies of 64 octets, replaced by 68 */
        answer_one(&datagram, &context, client.packet, client.len);
        cr_assert_leq(datagram.reply_len, client.len);
        cr_assert_eq(open_reply(&client, ring, &datagram), n);
    }
    snapshot_unref(&ring->snapshot);
}

Test(answer, unsynchronised_says_so_or_is_silent)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct answer_context context = make_context(ring);
    static struct client client;
    struct datagram datagram;
    build_request(&client, ring, 15, 0);
    context.clock.updated_at_ns -= 61 * NS_PER_S;
    answer_one(&datagram, &context, client.packet, client.len);
    cr_assert_eq(datagram.reply[0], 0xe4);
    cr_assert_eq(datagram.reply[1], 0);
    cr_assert_eq(open_reply(&client, ring, &datagram), 1, "authenticated all the same");
    context.silent_when_unsynchronised = true;
    answer_one(&datagram, &context, client.packet, client.len);
    cr_assert_eq(datagram.reply_len, 0);
    client.packet[client.len - 1] ^= 1;
    answer_one(&datagram, &context, client.packet, client.len);
    cr_assert_eq(datagram.reply_len, 0, "silence is silence");
    snapshot_unref(&ring->snapshot);
}

Test(answer, plain_ntp_can_be_refused)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct answer_context context = make_context(ring);
    struct datagram datagram;
    uint8_t packet[48] = {0x23};
    answer_one(&datagram, &context, packet, sizeof(packet));
    cr_assert_eq(datagram.reply_len, 48);
    context.plain_ntp = false;
    answer_one(&datagram, &context, packet, sizeof(packet));
    cr_assert_eq(datagram.reply_len, 0);
    snapshot_unref(&ring->snapshot);
}

static void a_full_mixed_batch(void)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct answer_context context = make_context(ring);
    struct answer_engine *engine = answer_engine_create();
    static struct client clients[ANSWER_MAX_BATCH];
    static uint8_t replies[ANSWER_MAX_BATCH][REQUEST_MAX_LEN];
    struct datagram batch[ANSWER_MAX_BATCH];
    for (size_t i = 0; i < ANSWER_MAX_BATCH; i++) {
        build_request(&clients[i], ring, aead_at(i % 4)->id, i % 8);
        if (i % 5 == 1) {
            clients[i].packet[clients[i].len - 1] ^= 1; /* NAK */
        } else if (i % 5 == 2) {
            clients[i].len = 48; /* plain */
        } else if (i % 5 == 3) {
            clients[i].len = 47; /* silence */
        }
        batch[i] = (struct datagram){.data = clients[i].packet,
                                     .len = clients[i].len,
                                     .rx_time_ns = NOW_NS - 1000,
                                     .reply = replies[i]};
    }
    answer_batch(engine, batch, ANSWER_MAX_BATCH, &context);
    uint64_t last_transmit = 0;
    unsigned num_naks = 0;
    unsigned num_short = 0;
    for (size_t i = 0; i < ANSWER_MAX_BATCH; i++) {
        switch (i % 5) {
        case 1:
            cr_assert_eq(batch[i].reply_len, 84);
            cr_assert_eq(load_u32(replies[i] + 12), NTP_KISS_NTSN);
            num_naks++;
            continue;
        case 2:
            cr_assert_eq(batch[i].reply_len, 48);
            break;
        case 3:
            cr_assert_eq(batch[i].reply_len, 0);
            num_short++;
            continue;
        default:
            cr_assert_eq(open_reply(&clients[i], ring, &batch[i]), i % 8 + 1);
        }
        uint64_t transmit = load_u64(replies[i] + 40);
        cr_assert_gt(transmit, last_transmit, "later in the batch, later on the wire");
        last_transmit = transmit;
    }
    const struct answer_counters *counters = answer_engine_counters(engine);
    cr_assert_eq(counter_read(&counters->events[ANSWER_REQUESTS]), ANSWER_MAX_BATCH);
    cr_assert_eq(counter_read(&counters->events[ANSWER_NAKS]), num_naks);
    cr_assert_eq(counter_read(&counters->by_cause[ANSWER_CAUSE_TOO_SHORT]), num_short);
    uint64_t num_answered = 0;
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        cr_assert_gt(counter_read(&counters->answered_by_aead[i]), 0, "%s", aead_at(i)->name);
        num_answered += counter_read(&counters->answered_by_aead[i]);
    }
    cr_assert_eq(num_answered, counter_read(&counters->events[ANSWER_ANSWERED_NTS]));
    answer_engine_destroy(engine);
    snapshot_unref(&ring->snapshot);
}

Test(answer, a_full_mixed_batch_answers_each_as_alone)
{
    for_every_aead_path(a_full_mixed_batch);
}

Test(answer, batches_are_counted_by_the_power_of_two_that_holds_them)
{
    static const struct {
        size_t num;
        size_t size_class;
    } cases[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {8, 3}, {9, 4}, {16, 4}, {17, 5}, {32, 5}};
    static const uint8_t too_short[4];
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 7);
    struct answer_context context = make_context(ring);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct answer_engine *engine = answer_engine_create();
        struct datagram batch[ANSWER_MAX_BATCH] = {0};
        for (size_t j = 0; j < cases[i].num; j++) {
            batch[j].data = too_short;
            batch[j].len = sizeof(too_short);
        }
        answer_batch(engine, batch, cases[i].num, &context);
        const struct answer_counters *counters = answer_engine_counters(engine);
        for (size_t j = 0; j < ANSWER_NUM_BATCH_SIZES; j++) {
            cr_assert_eq(counter_read(&counters->batch_sizes[j]), j == cases[i].size_class ? 1 : 0,
                         "%zu datagrams, class %zu", cases[i].num, j);
        }
        answer_engine_destroy(engine);
    }
    snapshot_unref(&ring->snapshot);
}

/* The key that seals cannot: GCM-SIV takes no nonce of 13 octets. Whoever asks for a cookie under
 * it gets silence, not octets that were never encrypted; the others of the batch are served. */
static void a_cookie_cannot_be_sealed(void)
{
    struct master_key_spec specs[2] = {
        {1, KEY_LAYOUT_CHRONY_SIV, NOW_S - 10, NOW_S + 1000, {0}},
        {2, KEY_LAYOUT_CHRONY_GCMSIV, NOW_S - 5, NOW_S + 1000, {0}},
    };
    struct keyring *ring = keyring_create(1, specs, 2);
    struct answer_context context = make_context(ring);
    struct answer_engine *engine = answer_engine_create();
    const struct answer_counters *counters = answer_engine_counters(engine);
    static struct client clients[2];
    static uint8_t replies[2][REQUEST_MAX_LEN];
    struct aead_algorithm broken = *ring->keys[1].expanded.aead;
    struct datagram batch[2];
    build_request(&clients[0], ring, AEAD_AES_128_GCM_SIV, 0);
    build_request(&clients[1], ring, AEAD_AES_SIV_CMAC_512, 0); /* only the first key seals those */
    for (size_t i = 0; i < 2; i++) {
        batch[i] = (struct datagram){.data = clients[i].packet,
                                     .len = clients[i].len,
                                     .rx_time_ns = NOW_NS - 1000,
                                     .reply = replies[i]};
    }
    broken.nonce_len = 13;
    ring->keys[1].expanded.aead = &broken;
    answer_batch(engine, batch, 2, &context);
    cr_assert_eq(batch[0].reply_len, 0);
    cr_assert_eq(open_reply(&clients[1], ring, &batch[1]), 1);
    cr_expect_eq(counter_read(&counters->by_cause[ANSWER_CAUSE_INTERNAL]), 1);
    cr_expect_eq(counter_read(&counters->events[ANSWER_ANSWERED_NTS]), 1);
    cr_expect_eq(counter_read(&counters->events[ANSWER_COOKIES_MINTED]), 1);
    answer_engine_destroy(engine);
    snapshot_unref(&ring->snapshot);
}

Test(answer, a_cookie_that_cannot_be_sealed_silences_its_own_reply_only)
{
    for_every_aead_path(a_cookie_cannot_be_sealed);
}

Test(answer, causes_are_those_that_a_request_can_have)
{
    assert_status_set(&answer_causes);
    cr_expect_eq(status_place(&answer_causes, NTS_ERR_TOO_SHORT), ANSWER_CAUSE_TOO_SHORT);
    cr_expect_eq(status_place(&answer_causes, NTS_ERR_TLS), ANSWER_CAUSE_INTERNAL);
}

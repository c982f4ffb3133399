/* What sources that are over their budgets, or refused, get from answer_batch. */
#include "answer_support.h"

#include <criterion/criterion.h>

/* One request, many times, from a source that has this verdict; what came of it. */
struct tally {
    size_t num_answers;
    size_t num_kisses;
    size_t num_naks;
    size_t num_silent;
    uint64_t limited; /* as counted */
    uint64_t refused;
};

#define TALLY_ROUNDS 800

static struct tally tally_of(const struct keyring *ring, const struct client *client, size_t len,
                             enum source_verdict verdict)
{
    static uint8_t reply[REQUEST_MAX_LEN];
    struct answer_context context = make_context(ring);
    struct answer_engine *engine = answer_engine_create();
    const struct answer_counters *counters = answer_engine_counters(engine);
    struct tally tally = {0};
    for (size_t i = 0; i < TALLY_ROUNDS; i++) {
        struct datagram datagram = {.data = client->packet,
                                    .len = len,
                                    .rx_time_ns = NOW_NS - 5000,
                                    .verdict = verdict,
                                    .reply = reply};
        struct ntp_header header = {0};
        answer_batch(engine, &datagram, 1, &context);
        if (datagram.reply_len == 0) {
            tally.num_silent++;
            continue;
        }
        cr_assert_leq(datagram.reply_len, len);
        ntp_header_read(&header, reply);
        cr_assert_eq(header.origin_time, 0x1234);
        if (header.stratum > 0) {
            tally.num_answers++;
        } else if (header.reference_id == NTP_KISS_NTSN) {
            tally.num_naks++;
        } else {
            cr_assert_eq(header.reference_id, NTP_KISS_RATE);
            cr_assert_eq(header.leap, 3);
            cr_assert_eq(header.mode, 4);
            cr_assert_eq(header.poll, 7, "the client's was 6");
            cr_assert_neq(header.receive_time, 0);
            cr_assert_neq(header.transmit_time, 0);
            cr_assert_eq(open_reply(client, ring, &datagram), 1, "sealed, and with a fresh cookie");
            tally.num_kisses++;
        }
    }
    tally.limited = counter_read(&counters->by_cause[ANSWER_CAUSE_RATE_LIMITED]);
    tally.refused = counter_read(&counters->by_cause[ANSWER_CAUSE_SOURCE_REFUSED]);
    cr_assert_eq(counter_read(&counters->events[ANSWER_RATE_KISSES]), tally.num_kisses);
    cr_assert_eq(counter_read(&counters->events[ANSWER_NAKS]), tally.num_naks);
    answer_engine_destroy(engine);
    return tally;
}

Test(answer, authentic_requests_over_budget_get_a_kiss_now_and_then)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    static struct client client;
    build_request(&client, ring, 15, 0);
    struct tally tally = tally_of(ring, &client, client.len, SOURCE_OVER_BUDGET);
    cr_assert_eq(tally.num_answers + tally.num_naks, 0);
    cr_assert_geq(tally.num_kisses, TALLY_ROUNDS / RATE_KISS_ONE_IN / 2);
    cr_assert_leq(tally.num_kisses, TALLY_ROUNDS / RATE_KISS_ONE_IN * 2);
    cr_assert_eq(tally.limited, TALLY_ROUNDS);
    tally = tally_of(ring, &client, client.len, SOURCE_ADMITTED);
    cr_assert_eq(tally.num_answers, TALLY_ROUNDS);
    cr_assert_eq(tally.limited, 0);
    snapshot_unref(&ring->snapshot);
}

Test(answer, what_anybody_can_send_from_a_forged_address_gets_no_kiss)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    static struct client client;
    build_request(&client, ring, 15, 0);
    struct tally tally = tally_of(ring, &client, NTP_HEADER_LEN, SOURCE_OVER_BUDGET);
    cr_assert_eq(tally.num_silent, TALLY_ROUNDS, "plain NTP");
    cr_assert_eq(tally.limited, TALLY_ROUNDS);
    tally = tally_of(ring, &client, NTP_HEADER_LEN + 36, SOURCE_OVER_BUDGET);
    cr_assert_eq(tally.num_silent, TALLY_ROUNDS, "plain NTP with a unique identifier");

    client.packet[client.len - 1] ^= 1;
    tally = tally_of(ring, &client, client.len, SOURCE_OVER_BUDGET);
    cr_assert_eq(tally.num_silent, TALLY_ROUNDS, "NTS that is not authentic");
    tally = tally_of(ring, &client, client.len, SOURCE_ADMITTED);
    cr_assert_eq(tally.num_naks, TALLY_ROUNDS, "which within the budget gets a NAK");

    client.packet[client.len - 1] ^= 1;
    client.packet[NTP_HEADER_LEN + 36 + EF_HEADER_LEN] ^= 1;
    tally = tally_of(ring, &client, client.len, SOURCE_OVER_BUDGET);
    cr_assert_eq(tally.num_silent, TALLY_ROUNDS, "a cookie under a key that is unknown");
    snapshot_unref(&ring->snapshot);
}

Test(answer, refused_sources_get_silence)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    static struct client client;
    build_request(&client, ring, 15, 0);
    struct tally tally = tally_of(ring, &client, client.len, SOURCE_REFUSED);
    cr_assert_eq(tally.num_silent, TALLY_ROUNDS);
    cr_assert_eq(tally.refused, TALLY_ROUNDS);
    cr_assert_eq(tally.limited, 0);
    snapshot_unref(&ring->snapshot);
}

/* A batch has requests of many sources, and each has its own verdict. */
Test(answer, verdicts_in_a_batch_stay_with_their_requests)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct answer_context context = make_context(ring);
    struct answer_engine *engine = answer_engine_create();
    static struct client client;
    static uint8_t replies[ANSWER_MAX_BATCH][REQUEST_MAX_LEN];
    build_request(&client, ring, 30, 0);
    for (size_t round = 0; round < 50; round++) {
        struct datagram batch[ANSWER_MAX_BATCH];
        for (size_t i = 0; i < ANSWER_MAX_BATCH; i++) {
            batch[i] = (struct datagram){.data = client.packet,
                                         .len = client.len,
                                         .rx_time_ns = NOW_NS,
                                         .verdict = (enum source_verdict)((i + round) % 3),
                                         .reply = replies[i]};
        }
        answer_batch(engine, batch, ANSWER_MAX_BATCH, &context);
        for (size_t i = 0; i < ANSWER_MAX_BATCH; i++) {
            bool is_admitted = batch[i].verdict == SOURCE_ADMITTED;
            bool has_time = batch[i].reply_len > 0 && replies[i][1] > 0;
            cr_assert_eq(has_time, is_admitted);
            cr_assert(batch[i].verdict != SOURCE_REFUSED || batch[i].reply_len == 0);
            cr_assert(batch[i].reply_len == 0 || open_reply(&client, ring, &batch[i]) == 1);
        }
    }
    answer_engine_destroy(engine);
    snapshot_unref(&ring->snapshot);
}

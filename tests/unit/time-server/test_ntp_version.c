/* A version of NTP is one row. Version 7 exists here alone: it has a header of another length and
 * layout, extension fields that are reckoned otherwise, a field of its own, and timestamps in its
 * NAK. Parser, answers, stamps and refusals follow its row, and the other versions do not change.
 */
#include "answer_support.h"
#include "support/aead_paths.h"
#include "support/octets.h"

/* octet 0: version in bits 3 to 5; 1: kind; 2: poll interval; 8: transmit; 16: receive; 24: what
 * the client wants back; 32: the client's wish, from its own field; 40: root delay, ns; to 56 */
#define HEADER_LEN  56
#define KIND_AT     1
#define POLL_AT     2
#define TRANSMIT_AT 8
#define RECEIVE_AT  16
#define ECHO_AT     24
#define WISH_AT     32
#define DELAY_AT    40

enum kind { KIND_REQUEST = 0x70, KIND_TIME, KIND_SLOWER, KIND_NAK };

#define FIELD_WISH 0x7777 /* four octets */

/* NTPv5 reckons so: no minimum, no MAC, padding. */
static const struct ext_field_form form = {
    .min_len = EF_HEADER_LEN, .max_mac_len = 0, .is_padded = true};

static enum nts_status parse_header(struct request *request, const uint8_t *header)
{
    request->poll = (int8_t)header[POLL_AT];
    request->transmit_time = load_u64(header + ECHO_AT);
    return header[KIND_AT] == KIND_REQUEST ? NTS_OK : NTS_ERR_MODE;
}

static enum nts_status take_field(struct request *request, const struct ext_field *field)
{
    if (field->type != FIELD_WISH) {
        return request_take_nts_field(request, field);
    }
    if (field->body_len != 4) {
        return NTS_ERR_EF_LENGTH;
    }
    request->transmit_time += load_u32(field->body); /* a place to keep it */
    return NTS_OK;
}

static void write_header(uint8_t *header, const struct request *request, enum kind kind,
                         int64_t rx_time_ns)
{
    memset(header, 0, HEADER_LEN);
    header[0] = 7 << 3;
    header[KIND_AT] = (uint8_t)kind;
    header[POLL_AT] = (uint8_t)request->poll;
    store_u64(header + RECEIVE_AT, ntp_time_from_unix_ns(rx_time_ns));
    store_u64(header + ECHO_AT, request->transmit_time);
}

static void write_time(uint8_t *header, const struct request *request,
                       const struct response_clock *clock, int64_t rx_time_ns)
{
    write_header(header, request, KIND_TIME, rx_time_ns);
    store_u64(header + DELAY_AT, (uint64_t)clock->status->root_delay_ns);
}

static void write_slower(uint8_t *header, const struct request *request,
                         const struct response_clock *clock, int64_t rx_time_ns)
{
    (void)clock;
    write_header(header, request, KIND_SLOWER, rx_time_ns);
    header[POLL_AT] = (uint8_t)response_kiss_poll(request->poll);
}

static void write_nak(uint8_t *header, const struct request *request,
                      const struct response_clock *clock, int64_t rx_time_ns)
{
    (void)clock;
    write_header(header, request, KIND_NAK, rx_time_ns);
}

static const struct ntp_version_ops version_7 = {
    .header_len = HEADER_LEN,
    .reply_header_len = HEADER_LEN,
    .transmit_time_at = TRANSMIT_AT,
    .fields = &form,
    .parse_header = parse_header,
    .take_field = take_field,
    .replies = {[REPLY_TIME] = {write_time, .has_times = true},
                [REPLY_RATE_KISS] = {write_slower, .has_times = true},
                [REPLY_NAK] = {write_nak, .has_times = true}},
};

static struct ntp_versions with_version_7(const struct ntp_version_ops *row)
{
    struct ntp_versions versions = ntp_versions;
    versions.by_number[7] = row;
    return versions;
}

static void start_request(struct client *client)
{
    memset(client, 0, sizeof(*client));
    client->packet[0] = 7 << 3;
    client->packet[KIND_AT] = KIND_REQUEST;
    client->packet[POLL_AT] = 6;
    store_u64(client->packet + ECHO_AT, 0x1234);
    client->len = client->header_len = HEADER_LEN;
    client->unique_id_len = 33; /* needs padding */
    client->form = &form;
}

static uint8_t reply[REQUEST_MAX_LEN];

static struct datagram datagram_of(const struct client *client, enum source_verdict verdict)
{
    return (struct datagram){.data = client->packet,
                             .len = client->len,
                             .rx_time_ns = NOW_NS - 5000,
                             .verdict = verdict,
                             .reply = reply};
}

static void expect_header(enum kind kind, int8_t poll, uint64_t echo)
{
    cr_expect_eq(reply[0], 7 << 3);
    cr_expect_eq(reply[KIND_AT], kind, "%02x, not %02x", reply[KIND_AT], kind);
    cr_expect_eq((int8_t)reply[POLL_AT], poll);
    cr_expect_eq(load_u64(reply + ECHO_AT), echo);
    cr_expect_eq(load_u64(reply + RECEIVE_AT), ntp_time_from_unix_ns(NOW_NS - 5000));
    cr_expect_eq(load_u64(reply + TRANSMIT_AT), ntp_time_from_unix_ns(NOW_NS + 2000));
}

Test(ntp_version, a_row_answers_in_its_own_layout)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct ntp_versions versions = with_version_7(&version_7);
    struct answer_context context = make_context(ring);
    struct answer_engine *engine = answer_engine_create();
    static struct client client;
    context.versions = &versions;
    context.clock.root_delay_ns = 4242;
    start_request(&client);
    struct datagram datagram = datagram_of(&client, SOURCE_ADMITTED);
    answer_batch(engine, &datagram, 1, &context);
    cr_assert_eq(datagram.reply_len, HEADER_LEN);
    expect_header(KIND_TIME, 6, 0x1234);
    cr_expect_eq(load_u64(reply + DELAY_AT), 4242);
    cr_expect_eq(load_u64(reply + 48), 0, "nothing is stamped where NTPv4 has its timestamp");

    struct writer w = writer_over(client.packet + HEADER_LEN, 64);
    uint8_t wish[] = {0, 1, 0, 0};
    ext_field_write(&w, FIELD_WISH, wish, sizeof(wish));
    client.len += writer_len(&w);
    datagram = datagram_of(&client, SOURCE_ADMITTED);
    answer_batch(engine, &datagram, 1, &context);
    cr_assert_eq(datagram.reply_len, HEADER_LEN);
    expect_header(KIND_TIME, 6, 0x11234);
    answer_engine_destroy(engine);
    snapshot_unref(&ring->snapshot);
}

static void expect_silence(struct answer_engine *engine, const struct answer_context *context,
                           const struct client *client, enum nts_status cause)
{
    const counter *causes = answer_engine_counters(engine)->by_cause;
    uint64_t before = counter_read(&causes[status_place(&answer_causes, cause)]);
    struct datagram datagram = datagram_of(client, SOURCE_ADMITTED);
    answer_batch(engine, &datagram, 1, context);
    cr_expect_eq(datagram.reply_len, 0);
    cr_expect_eq(counter_read(&causes[status_place(&answer_causes, cause)]), before + 1, "%s",
                 status_label(cause));
}

Test(ntp_version, a_row_says_what_gets_silence)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct ntp_versions versions = with_version_7(&version_7);
    struct answer_context context = make_context(ring);
    struct answer_engine *engine = answer_engine_create();
    static struct client client;
    start_request(&client);
    expect_silence(engine, &context, &client, NTS_ERR_VERSION);
    context.versions = &versions;
    client.packet[KIND_AT] = KIND_TIME;
    expect_silence(engine, &context, &client, NTS_ERR_MODE);
    start_request(&client);
    client.len = HEADER_LEN - 4;
    expect_silence(engine, &context, &client, NTS_ERR_TOO_SHORT);
    client.len = HEADER_LEN + 4;
    expect_silence(engine, &context, &client, NTS_ERR_EF_LENGTH); /* a field of length 0 */
    struct ntp_version_ops without_fields = version_7;
    without_fields.fields = NULL;
    versions = with_version_7(&without_fields);
    expect_silence(engine, &context, &client, NTS_ERR_LEGACY_MAC);
    answer_engine_destroy(engine);
    snapshot_unref(&ring->snapshot);
}

static void nts_of_every_algorithm(void)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct ntp_versions versions = with_version_7(&version_7);
    struct answer_context context = make_context(ring);
    struct answer_engine *engine = answer_engine_create();
    static struct client client;
    context.versions = &versions;
    for (size_t a = 0; a < AEAD_NUM_ALGORITHMS; a++) {
        start_request(&client);
        build_request_as(&client, ring, aead_at(a)->id, 2);
        struct datagram datagram = datagram_of(&client, SOURCE_ADMITTED);
        answer_batch(engine, &datagram, 1, &context);
        cr_assert_eq(datagram.reply_len, client.len);
        expect_header(KIND_TIME, 6, 0x1234);
        cr_assert_eq(open_reply(&client, ring, &datagram), 3, "the stamp is inside what is sealed");

        client.packet[client.len - 1] ^= 1;
        datagram = datagram_of(&client, SOURCE_ADMITTED);
        answer_batch(engine, &datagram, 1, &context);
        cr_assert_eq(datagram.reply_len, HEADER_LEN + EF_HEADER_LEN + 36);
        expect_header(KIND_NAK, 6, 0x1234);
        client.packet[client.len - 1] ^= 1;

        datagram.reply_len = 0;
        while (datagram.reply_len == 0) {
            datagram = datagram_of(&client, SOURCE_OVER_BUDGET);
            answer_batch(engine, &datagram, 1, &context);
        }
        expect_header(KIND_SLOWER, 7, 0x1234);
        cr_assert_eq(open_reply(&client, ring, &datagram), 3);
    }
    answer_engine_destroy(engine);
    snapshot_unref(&ring->snapshot);
}

Test(ntp_version, a_row_has_nts_naks_and_kisses)
{
    for_every_aead_path(nts_of_every_algorithm);
}

Test(ntp_version, other_versions_do_not_change)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct ntp_versions versions = with_version_7(&version_7);
    struct answer_context context = make_context(ring);
    struct answer_engine *engine = answer_engine_create();
    static struct client client;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t replies[2][REQUEST_MAX_LEN] = {{0}};
        size_t lens[2];
        memset(client.packet, 0, NTP_HEADER_LEN);
        client.packet[0] = (uint8_t)first;
        client.len = NTP_HEADER_LEN;
        for (size_t i = 0; i < 2; i++) {
            struct datagram datagram = datagram_of(&client, SOURCE_ADMITTED);
            datagram.reply = replies[i];
            context.versions = i == 0 ? &ntp_versions : &versions;
            answer_batch(engine, &datagram, 1, &context);
            lens[i] = datagram.reply_len;
        }
        cr_assert_eq(lens[0], lens[1]);
        cr_assert_arr_eq(replies[0], replies[1], lens[0]);
    }
    answer_engine_destroy(engine);
    snapshot_unref(&ring->snapshot);
}

/* A reply that would be longer than its request is dropped when it is laid out, and the replies
 * behind it in the batch are counted under the algorithms of their own sessions. */
static void a_dropped_reply(void)
{
    struct keyring *ring = make_ring(KEY_LAYOUT_CHRONY_SIV, 1);
    struct ntp_version_ops wordy = version_7;
    wordy.reply_header_len = UINT8_MAX / 4 * 4;
    struct ntp_versions versions = with_version_7(&wordy);
    struct answer_context context = make_context(ring);
    struct answer_engine *engine = answer_engine_create();
    const struct answer_counters *counters = answer_engine_counters(engine);
    static struct client clients[2];
    static uint8_t other_reply[REQUEST_MAX_LEN];
    context.versions = &versions;
    start_request(&clients[0]);
    build_request_as(&clients[0], ring, AEAD_AES_128_GCM_SIV, 0);
    build_request(&clients[1], ring, AEAD_AES_SIV_CMAC_256, 1);
    struct datagram batch[] = {datagram_of(&clients[0], SOURCE_ADMITTED),
                               datagram_of(&clients[1], SOURCE_ADMITTED)};
    batch[1].reply = other_reply;
    answer_batch(engine, batch, 2, &context);
    cr_assert_eq(batch[0].reply_len, 0);
    cr_assert_eq(open_reply(&clients[1], ring, &batch[1]), 2);
    cr_expect_eq(counter_read(&counters->by_cause[ANSWER_CAUSE_AMPLIFIES]), 1);
    cr_expect_eq(counter_read(&counters->events[ANSWER_ANSWERED_NTS]), 1);
    cr_expect_eq(counter_read(&counters->events[ANSWER_COOKIES_MINTED]), 2);
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        cr_expect_eq(counter_read(&counters->answered_by_aead[i]),
                     aead_at(i)->id == AEAD_AES_SIV_CMAC_256 ? 1 : 0, "%s", aead_at(i)->name);
    }
    answer_engine_destroy(engine);
    snapshot_unref(&ring->snapshot);
}

Test(ntp_version, a_dropped_reply_leaves_the_counts_per_algorithm_right)
{
    for_every_aead_path(a_dropped_reply);
}

/* A next protocol of NTS-KE is one row. Protocol 0x8001 exists here alone: it has an algorithm
 * list, records and cookies of its own. Negotiation, response and exported keys follow its row, and
 * NTPv4 beside it does not change. */
#include "base/clock_time.h"
#include "base/hex.h"
#include "ke-server/protocol/ke_answer.h"
#include "ke-server/tls/session.h"
#include "support/make_certificate.h"
#include "support/scratch.h"

#define NOW_S INT64_C(1800000000)

#define PROTOCOL_ID   0x8001
#define RECORD_PLACE  0x4101 /* in requests, critical: two octets */
#define RECORD_HINT   0x4102 /* in responses */
#define RECORD_COOKIE 0x4105

static enum nts_status parse_place(struct negotiate_request *request,
                                   const struct ke_record *record)
{
    if (record->body_len != 2) {
        return NTS_ERR_BAD_REQUEST;
    }
    request->out->wish.has_port = true;
    request->out->wish.port = load_u16(record->body);
    return NTS_OK;
}

static void write_hint(struct writer *w, const struct ke_answer *answer)
{
    ke_record_write_u16(w, RECORD_HINT, answer->negotiation->wish.port);
}

static const struct next_protocol other = {
    .id = PROTOCOL_ID,
    .cookie_record = RECORD_COOKIE,
    .aead_ids = {AEAD_AES_SIV_CMAC_512, AEAD_AES_SIV_CMAC_256},
    .num_aead_ids = 2,
    .rules = {{RECORD_PLACE, parse_place, MUST, 1}},
    .num_rules = 1,
    .write_records = write_hint,
};

static const struct next_protocols both = {{&next_protocol_ntpv4, &other}};

static struct ke_policy everything(void)
{
    static const uint16_t ids[] = {30, 15, 16, 17};
    struct ke_policy policy = {.num_aeads = 4, .order = KE_AEAD_ORDER_CLIENT};
    for (size_t i = 0; i < 4; i++) {
        policy.aeads[i] = aead_find(ids[i]);
    }
    return policy;
}

static enum nts_status negotiate_hex(struct negotiation *out,
                                     const struct next_protocols *protocols, const char *hex)
{
    static uint8_t octets[256];
    struct ke_policy policy = everything();
    size_t len = strlen(hex) / 2;
    cr_assert(hex_decode(octets, len, hex), "%s", hex);
    return negotiate(out, protocols, &policy, octets, len);
}

#define BOTH  "8001000480010000"
#define OTHER "800100028001"
#define NTPV4 "800100020000"
#define ALL   "80040008001e00100011000f"
#define PLACE "c1010002002a"
#define EOM   "80000000"

Test(next_protocol, a_row_is_agreed_on_with_an_algorithm_of_its_own)
{
    struct negotiation out;
    cr_assert_eq(negotiate_hex(&out, &both, OTHER ALL PLACE EOM), NTS_OK);
    cr_expect_eq(out.protocol, &other);
    cr_expect_eq(out.aead->id, 17, "the client's first that the protocol can use");
    cr_expect_eq(out.wish.port, 42);
    cr_assert_eq(negotiate_hex(&out, &both, OTHER "80040004001e0010" EOM), NTS_OK);
    cr_expect_eq(out.protocol, &other);
    cr_expect_null(out.aead);
    cr_assert_eq(negotiate_hex(&out, &both, NTPV4 ALL EOM), NTS_OK);
    cr_expect_eq(out.protocol, &next_protocol_ntpv4);
    cr_expect_eq(out.aead->id, 16, "30 comes last without record 1024");
    cr_assert_eq(negotiate_hex(&out, &both, BOTH ALL EOM), NTS_OK);
    cr_expect_eq(out.protocol, &other, "the first of the client's");
    cr_assert_eq(negotiate_hex(&out, &both, "8001000400008001" ALL EOM), NTS_OK);
    cr_expect_eq(out.protocol, &next_protocol_ntpv4);
}

Test(next_protocol, without_its_row_it_is_unknown)
{
    struct negotiation out;
    cr_assert_eq(negotiate_hex(&out, &next_protocols, OTHER ALL EOM), NTS_OK);
    cr_expect_null(out.protocol);
    cr_assert_eq(negotiate_hex(&out, &next_protocols, BOTH ALL EOM), NTS_OK);
    cr_expect_eq(out.protocol, &next_protocol_ntpv4);
    cr_expect_eq(negotiate_hex(&out, &next_protocols, OTHER ALL PLACE EOM),
                 NTS_ERR_UNKNOWN_CRITICAL);
}

Test(next_protocol, the_rules_of_its_records_hold)
{
    struct negotiation out;
    cr_expect_eq(negotiate_hex(&out, &both, OTHER ALL PLACE PLACE EOM), NTS_ERR_BAD_REQUEST);
    cr_expect_eq(negotiate_hex(&out, &both, OTHER ALL "41010002002a" EOM), NTS_ERR_BAD_REQUEST,
                 "not critical");
    cr_expect_eq(negotiate_hex(&out, &both, OTHER ALL "c10100012a" EOM), NTS_ERR_BAD_REQUEST);
    cr_expect_eq(negotiate_hex(&out, &both, NTPV4 ALL PLACE EOM), NTS_OK,
                 "known, whatever is agreed on");
    cr_expect_eq(negotiate_hex(&out, &both, OTHER EOM), NTS_ERR_BAD_REQUEST, "no algorithms");
}

static struct keyring *make_ring(int64_t now_s)
{
    struct master_key_spec spec = {.id = 1,
                                   .layout = KEY_LAYOUT_CHRONY_SIV,
                                   .activate_at_s = now_s - 1000,
                                   .expire_at_s = now_s + 1000};
    struct keyring *ring = keyring_create(1, &spec, 1);
    cr_assert_not_null(ring);
    return ring;
}

/* Checks a response that was agreed on with the row and opens its cookies. */
static void expect_response(const uint8_t *message, size_t len, const struct keyring *ring,
                            int64_t now_s, const struct session_keys *keys)
{
    static const char head[] = "8001000280018004000200114102"
                               "0002002a";
    char text[sizeof(head)];
    struct reader r = reader_over(message + sizeof(head) / 2, len - sizeof(head) / 2);
    struct ke_record record;
    size_t num_cookies = 0;
    cr_assert_gt(len, sizeof(head) / 2);
    hex_encode(text, message, sizeof(head) / 2);
    cr_expect_str_eq(text, head);
    while (ke_record_next(&r, &record) && record.type != KE_END_OF_MESSAGE) {
        cr_assert_eq(record.type, RECORD_COOKIE);
        struct cookie_open_job job = {.cookie = record.body, .cookie_len = record.body_len};
        cookie_open_batch(ring, &job, 1, now_s);
        cr_assert_eq(job.status, NTS_OK);
        cr_expect_eq(job.keys.aead, keys->aead);
        cr_expect_arr_eq(job.keys.c2s, keys->c2s, keys->aead->key_len);
        cr_expect_arr_eq(job.keys.s2c, keys->s2c, keys->aead->key_len);
        num_cookies++;
    }
    cr_expect_eq(reader_status(&r), NTS_OK);
    cr_expect_eq(reader_left(&r), 0);
    cr_expect_eq(num_cookies, KE_NUM_COOKIES);
}

Test(next_protocol, a_response_has_its_id_its_records_and_its_cookies)
{
    static uint8_t message[KE_ANSWER_CAPACITY];
    static struct random_pool random;
    struct keyring *ring = make_ring(NOW_S);
    struct negotiation negotiation;
    cr_assert_eq(negotiate_hex(&negotiation, &both, OTHER ALL PLACE EOM), NTS_OK);
    struct session_keys keys = {.aead = negotiation.aead};
    memset(keys.c2s, 0xc2, keys.aead->key_len);
    memset(keys.s2c, 0x52, keys.aead->key_len);
    struct ke_answer answer = {.negotiation = &negotiation,
                               .keys = &keys,
                               .sealing_key = keyring_sealing_key(ring, keys.aead, NOW_S)};
    size_t len = ke_answer_write(message, &answer, &random);
    expect_response(message, len, ring, NOW_S, &keys);
    snapshot_unref(&ring->snapshot);
}

/* --- a whole session, in memory --- */

/* The client's side of TLS. */
struct client {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *input;
    BIO *output;
};

static void client_open(struct client *client)
{
    client->ctx = SSL_CTX_new(TLS_method());
    client->ssl = SSL_new(client->ctx);
    client->input = BIO_new(BIO_s_mem());
    client->output = BIO_new(BIO_s_mem());
    SSL_set_bio(client->ssl, client->input, client->output);
    SSL_set_connect_state(client->ssl);
    SSL_set_alpn_protos(client->ssl, (const uint8_t *)"\x07" KE_ALPN, 8);
}

static void client_close(struct client *client)
{
    SSL_free(client->ssl);
    SSL_CTX_free(client->ctx);
}

/* Carries what each side has for the other. */
static void exchange_octets(struct client *client, struct session *session,
                            const struct ke_service *service)
{
    static uint8_t octets[16384];
    int got = BIO_read(client->output, octets, sizeof(octets));
    if (got > 0) {
        session_receive(session, service, octets, (size_t)got);
    }
    size_t len = session_output(session, octets, sizeof(octets));
    cr_assert_eq(BIO_write(client->input, octets, (int)len), (int)len);
}

static void export_as_client(uint8_t *key, SSL *ssl, const struct aead_algorithm *aead,
                             uint8_t direction)
{
    const uint8_t context[] = {PROTOCOL_ID >> 8, PROTOCOL_ID & 0xff, 0, (uint8_t)aead->id,
                               direction};
    cr_assert_eq(SSL_export_keying_material(ssl, key, aead->key_len, KE_EXPORTER_LABEL,
                                            strlen(KE_EXPORTER_LABEL), context, sizeof(context), 1),
                 1);
}

static struct tls_contexts *make_contexts(struct certificate **certificate)
{
    char paths[2][128];
    struct made_certificate made = make_certificate(&(struct certificate_recipe){0});
    struct tls_contexts *contexts;
    struct error error = {""};
    snprintf(paths[0], sizeof(paths[0]), "%s", scratch_path("a.crt"));
    snprintf(paths[1], sizeof(paths[1]), "%s", scratch_path("a.key"));
    write_chain(paths[0], &made.certificate, 1);
    write_private_key(paths[1], made.key);
    free_certificate(&made);
    const struct certificate_files files = {paths[0], paths[1]};
    cr_assert_eq(certificate_load(certificate, &files, real_time_ns() / NS_PER_S, &error), NTS_OK,
                 "%s", error.text);
    cr_assert_eq(tls_contexts_create(&contexts, certificate, 1, &error), NTS_OK, "%s", error.text);
    return contexts;
}

Test(next_protocol, a_session_exports_keys_with_its_id, .init = scratch_make,
     .fini = scratch_remove)
{
    static struct random_pool random;
    static struct ke_counters counters;
    static struct session session;
    static uint8_t message[KE_ANSWER_CAPACITY];
    uint8_t request[64];
    static const char hex[] = OTHER ALL PLACE EOM;
    size_t request_len = (sizeof(hex) - 1) / 2;
    struct certificate *certificate;
    struct ke_settings settings = {.policy = everything()};
    struct ke_service service = {
        .protocols = &both,
        .settings = &settings,
        .tls = make_contexts(&certificate),
        .random = &random,
        .counters = &counters,
        .now_s = real_time_ns() / NS_PER_S,
        .now_ns = mono_time_ns(),
    };
    struct keyring *ring = make_ring(service.now_s);
    union net_address local;
    struct client client;
    cr_assert(address_parse(&local, "192.0.2.1", 4460));
    service.keyring = ring;
    session_open(&session, &service, &local);
    client_open(&client);
    while (SSL_do_handshake(client.ssl) != 1) {
        cr_assert_neq(session.state, SESSION_ENDED);
        exchange_octets(&client, &session, &service);
    }
    cr_assert(hex_decode(request, request_len, hex));
    cr_assert_eq(SSL_write(client.ssl, request, (int)request_len), (int)request_len);
    exchange_octets(&client, &session, &service);
    int len = SSL_read(client.ssl, message, sizeof(message));
    cr_assert_gt(len, 0);

    struct session_keys keys = {.aead = aead_find(17)};
    export_as_client(keys.c2s, client.ssl, keys.aead, KE_KEY_C2S);
    export_as_client(keys.s2c, client.ssl, keys.aead, KE_KEY_S2C);
    expect_response(message, (size_t)len, ring, service.now_s, &keys);
    cr_expect_eq(counter_read(&counters.values[KE_EVENT_RESPONSES]), 1);

    client_close(&client);
    session_close(&session);
    snapshot_unref(&ring->snapshot);
    snapshot_unref((struct snapshot *)&service.tls->snapshot);
    snapshot_unref(&certificate->snapshot);
}

#include "answer_support.h"

#include "support/octets.h"

static int64_t fake_now_ns(void)
{
    return NOW_NS;
}

struct keyring *make_ring(enum key_layout layout, uint32_t id)
{
    struct master_key_spec spec = {id, layout, NOW_S - 10, NOW_S + 1000, {0}};
    memset(spec.secret, 7, sizeof(spec.secret));
    return keyring_create(1, &spec, 1);
}

struct answer_context make_context(const struct keyring *ring)
{
    return (struct answer_context){
        .versions = &ntp_versions,
        .keyring = ring,
        .clock = {.updated_at_ns = NOW_NS,
                  .reference_ns = NOW_NS - NS_PER_S,
                  .stratum = 1,
                  .reference_id = 0x47505300,
                  .precision = -25,
                  .is_usable = true},
        .limits = {.max_root_distance_ns = NS_PER_S, .holdover_ns = 60 * NS_PER_S},
        .plain_ntp = true,
        .real_time_ns = fake_now_ns,
        .prediction = {.first_ns = 2000, .next_ns = 2000},
    };
}

void build_request_as(struct client *client, const struct keyring *ring, uint16_t aead_id,
                      size_t num_placeholders)
{
    struct random_pool random = {0};
    client->keys = (struct session_keys){.aead = aead_find(aead_id)};
    memset(client->keys.c2s, 0xc2, client->keys.aead->key_len);
    memset(client->keys.s2c, 0x52, client->keys.aead->key_len);
    const struct master_key *key = &ring->keys[0];
    client->cookie_len = key_layout_cookie_len(key->layout, client->keys.aead);

    struct writer w = writer_over(client->packet, sizeof(client->packet));
    cr_assert_not_null(write_space(&w, client->header_len));
    struct octets unique_id = octets_counting(0x20, client->unique_id_len);
    ext_field_write(&w, EF_UNIQUE_IDENTIFIER, unique_id.data, unique_id.len);
    struct cookie_seal_job job = {
        .key = key,
        .keys = &client->keys,
        .cookie = ext_field_write_space(&w, EF_NTS_COOKIE, client->cookie_len),
    };
    cr_assert_eq(cookie_seal_batch(&job, 1, &random), NTS_OK);
    for (size_t i = 0; i < num_placeholders; i++) {
        uint8_t *body = ext_field_write_space(&w, EF_NTS_COOKIE_PLACEHOLDER, client->cookie_len);
        memset(body, 0, client->cookie_len);
    }
    size_t ad_len = writer_len(&w);
    struct response_seal seal = response_write_authenticator(&w, client->keys.aead, 0);
    random_take(&random, seal.nonce, client->keys.aead->nonce_len);
    struct aead_job seal_job = {.aead = client->keys.aead,
                                .key = client->keys.c2s,
                                .out = seal.ciphertext,
                                .nonce = seal.nonce,
                                .nonce_len = client->keys.aead->nonce_len,
                                .ad = client->packet,
                                .ad_len = ad_len};
    aead_seal_batch(&seal_job, 1);
    client->len = writer_len(&w);
}

void build_request(struct client *client, const struct keyring *ring, uint16_t aead_id,
                   size_t num_placeholders)
{
    struct ntp_header header = {.version = 4, .mode = 3, .poll = 6, .transmit_time = 0x1234};
    client->header_len = NTP_HEADER_LEN;
    client->unique_id_len = EF_UNIQUE_ID_MIN_LEN;
    client->form = &ext_field_form_ntp4;
    ntp_header_write(client->packet, &header);
    build_request_as(client, ring, aead_id, num_placeholders);
}

size_t open_reply(const struct client *client, const struct keyring *ring,
                  const struct datagram *datagram)
{
    struct reader r =
        reader_over(datagram->reply + client->header_len, datagram->reply_len - client->header_len);
    struct ext_field field;
    struct authenticator a;
    uint8_t plaintext[REQUEST_MAX_LEN];
    cr_assert(ext_field_next_as(&r, &field, datagram->reply, client->form));
    cr_assert_eq(field.type, EF_UNIQUE_IDENTIFIER);
    cr_assert_eq(field.body_len, client->unique_id_len);
    cr_assert_eq(memcmp(field.body, client->packet + client->header_len + EF_HEADER_LEN,
                        client->unique_id_len),
                 0);
    cr_assert(ext_field_next_as(&r, &field, datagram->reply, client->form));
    cr_assert_eq(field.type, EF_NTS_AUTHENTICATOR);
    cr_assert_not(reader_more(&r), "the authenticator is the last field");
    cr_assert_eq(authenticator_parse(&a, field.body, field.body_len), NTS_OK);
    cr_assert_eq(a.nonce_room, a.nonce_len, "no Additional Padding");
    struct aead_job job = {.aead = client->keys.aead,
                           .key = client->keys.s2c,
                           .out = plaintext,
                           .nonce = a.nonce,
                           .nonce_len = a.nonce_len,
                           .ad = datagram->reply,
                           .ad_len = field.offset,
                           .in = a.ciphertext,
                           .in_len = a.ciphertext_len};
    aead_open_batch(&job, 1);
    cr_assert_eq(job.status, NTS_OK);
    size_t num = 0;
    struct reader inner = reader_over(plaintext, a.ciphertext_len - AEAD_TAG_LEN);
    while (reader_more(&inner)) {
        cr_assert(ext_field_next_encrypted_as(&inner, &field, client->form));
        cr_assert_eq(field.type, EF_NTS_COOKIE);
        struct cookie_open_job cookie = {.cookie = field.body, .cookie_len = field.body_len};
        cookie_open_batch(ring, &cookie, 1, NOW_S);
        cr_assert_eq(cookie.status, NTS_OK);
        cr_assert_eq(memcmp(cookie.keys.c2s, client->keys.c2s, AEAD_MAX_KEY_LEN), 0);
        num++;
    }
    return num;
}

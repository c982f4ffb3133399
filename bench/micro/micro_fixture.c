#include "micro_fixture.h"

#include "base/clock_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Builds the request of client `i`: unique identifier, cookie, authenticator over nothing. */
static void build_request(struct fixture *f, size_t i)
{
    const struct master_key *key = &f->ring->keys[0];
    struct writer w = writer_over(f->packets[i].octets, sizeof(f->packets[i].octets));
    struct ntp_header header = {.version = 4, .mode = NTP_MODE_CLIENT, .transmit_time = i + 1};
    uint8_t unique_id[EF_UNIQUE_ID_MIN_LEN];
    size_t cookie_len = key_layout_cookie_len(key->layout, f->aead);
    random_take(&f->random, unique_id, sizeof(unique_id));
    ntp_header_write(write_space(&w, NTP_HEADER_LEN), &header);
    ext_field_write(&w, EF_UNIQUE_IDENTIFIER, unique_id, sizeof(unique_id));
    uint8_t *cookie = ext_field_write_space(&w, EF_NTS_COOKIE, cookie_len);
    f->mints[i] = (struct cookie_seal_job){.key = key, .keys = &f->keys[i], .cookie = cookie};
    if (cookie_seal_batch(&f->mints[i], 1, &f->random) != NTS_OK) {
        fprintf(stderr, "cannot seal a cookie\n");
        exit(1);
    }
    size_t ad_len = writer_len(&w);
    struct response_seal seal = response_write_authenticator(&w, f->aead, 0);
    random_take(&f->random, seal.nonce, f->aead->nonce_len);
    struct aead_job job = {.aead = f->aead,
                           .key = f->keys[i].c2s,
                           .out = seal.ciphertext,
                           .nonce = seal.nonce,
                           .nonce_len = f->aead->nonce_len,
                           .ad = f->packets[i].octets,
                           .ad_len = ad_len};
    aead_seal_batch(&job, 1);
    f->datagrams[i] = (struct datagram){.data = f->packets[i].octets,
                                        .len = writer_len(&w),
                                        .rx_time_ns = real_time_ns(),
                                        .reply = f->replies[i].octets};
    f->opens[i] = (struct cookie_open_job){.cookie = cookie, .cookie_len = cookie_len};
    f->verifies[i] = job;
    f->verifies[i].in = job.out;
    f->verifies[i].in_len = AEAD_TAG_LEN;
    f->verifies[i].out = f->plaintexts[i];
    f->mints[i].cookie = f->cookies[i];
    f->seals[i] = job;
    f->seals[i].key = f->keys[i].s2c;
    f->seals[i].ad_len = NTP_HEADER_LEN + EF_HEADER_LEN + EF_UNIQUE_ID_MIN_LEN;
    f->seals[i].in = f->plaintexts[i];
    f->seals[i].in_len = EF_HEADER_LEN + cookie_len;
    f->seals[i].out = f->sealed[i];
}

struct fixture *fixture_create(const struct aead_algorithm *aead, enum key_layout layout)
{
    int64_t now_s = real_time_ns() / NS_PER_S;
    struct master_key_spec spec = {0xb01dface, layout, now_s - 10, now_s + 86400, {0}};
    struct fixture *f = calloc(1, sizeof(*f));
    memset(spec.secret, 0x23, sizeof(spec.secret));
    struct keyring *ring = keyring_create(1, &spec, 1);
    struct answer_engine *engine = answer_engine_create();
    if (f == NULL || ring == NULL || engine == NULL) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    f->aead = aead;
    f->ring = ring;
    f->engine = engine;
    f->context = (struct answer_context){
        .versions = &ntp_versions,
        .keyring = ring,
        .clock = {.updated_at_ns = real_time_ns(),
                  .reference_ns = real_time_ns(),
                  .stratum = 1,
                  .precision = -25,
                  .is_usable = true},
        .limits = {.max_root_distance_ns = NS_PER_S, .holdover_ns = 86400 * NS_PER_S},
        .plain_ntp = true,
        .real_time_ns = real_time_ns,
        .prediction = SEND_PREDICTION_START,
    };
    for (size_t i = 0; i < ANSWER_MAX_BATCH; i++) {
        f->keys[i].aead = aead;
        random_take(&f->random, f->keys[i].c2s, aead->key_len);
        random_take(&f->random, f->keys[i].s2c, aead->key_len);
        build_request(f, i);
    }
    return f;
}

void fixture_destroy(struct fixture *fixture)
{
    answer_engine_destroy(fixture->engine);
    snapshot_unref(&fixture->ring->snapshot);
    free(fixture);
}

#include "time-server/protocol/answer.h"

#include "base/clock_time.h"
#include "crypto/secret_mem.h"

#include <assert.h>
#include <string.h>

#define MAX_COOKIE_FIELDS_LEN (RESPONSE_MAX_COOKIES * (EF_HEADER_LEN + COOKIE_MAX_LEN))

_Static_assert(MAX_COOKIE_FIELDS_LEN <= REQUEST_MAX_LEN, "cookies fit the plaintext buffer");

/* One NTS request on its way through the steps. */
struct exchange {
    struct datagram *datagram;
    struct request *request;
    const struct session_keys *keys;
    bool gets_kiss; /* instead of the time */
    size_t plaintext_len;
    uint8_t plaintext[REQUEST_MAX_LEN]; /* decrypted fields first, then the cookies to encrypt */
};

struct answer_engine {
    struct random_pool random;
    struct answer_counters counters;
    int64_t seal_cost_ns; /* of one NTS reply, a moving average */
    struct request requests[ANSWER_MAX_BATCH];
    struct exchange exchanges[ANSWER_MAX_BATCH];
    size_t num_exchanges;
    struct cookie_open_job cookie_jobs[ANSWER_MAX_BATCH];
    struct cookie_seal_job mint_jobs[ANSWER_MAX_BATCH * RESPONSE_MAX_COOKIES];
    struct aead_job aead_jobs[ANSWER_MAX_BATCH];
};

struct answer_engine *answer_engine_create(void)
{
    return secret_alloc(sizeof(struct answer_engine));
}

void answer_engine_destroy(struct answer_engine *engine)
{
    secret_free(engine);
}

const struct answer_counters *answer_engine_counters(const struct answer_engine *engine)
{
    return &engine->counters;
}

static void count(struct answer_engine *engine, enum answer_event event, size_t num)
{
    counter_add(&engine->counters.events[event], num);
}

static void count_cause(struct answer_engine *engine, enum nts_status cause)
{
    counter_add(&engine->counters.by_cause[cause], 1);
}

/* The position of the least power of two that is not below `num`. */
static size_t batch_size_class(size_t num)
{
    return num <= 1 ? 0 : (size_t)(64 - __builtin_clzll(num - 1));
}

static void finish_reply(struct answer_engine *engine, struct datagram *datagram,
                         const struct writer *w)
{
    /* RFC 8915, section 8.4: never an amplifier. */
    if (writer_status(w) != NTS_OK || writer_len(w) > datagram->len) {
        count_cause(engine, NTS_ERR_AMPLIFIES);
        return;
    }
    datagram->reply_len = writer_len(w);
}

static void answer_plain(struct answer_engine *engine, struct datagram *datagram,
                         const struct request *request, const struct response_clock *clock)
{
    struct writer w = writer_over(datagram->reply, REQUEST_MAX_LEN);
    response_write_header(&w, request, clock, datagram->rx_time_ns);
    response_write_unique_id(&w, request);
    finish_reply(engine, datagram, &w);
    count(engine, ANSWER_ANSWERED_PLAIN, 1);
    count(engine, ANSWER_UNSYNCHRONISED_ANSWERS, clock->is_fit ? 0 : 1);
}

/* Why a request is not looked at, whatever it is. */
static enum nts_status admit(struct answer_engine *engine, enum source_verdict verdict)
{
    switch (verdict) {
    case SOURCE_REFUSED:
        return NTS_ERR_SOURCE_REFUSED;
    case SOURCE_OVER_BUDGET:
        return random_below(&engine->random, RATE_KISS_ONE_IN) == 0 ? NTS_OK : NTS_ERR_RATE_LIMITED;
    case SOURCE_ADMITTED:
        break;
    }
    return NTS_OK;
}

static enum nts_status parse(struct request *request, const struct datagram *datagram,
                             const struct answer_context *context, bool is_fit)
{
    enum nts_status status = request_parse(request, datagram->data, datagram->len);
    if (status != NTS_OK) {
        return status;
    }
    if (!is_fit && context->silent_when_unsynchronised) {
        return NTS_ERR_UNSYNCHRONISED;
    }
    if (!request->is_nts && !context->plain_ntp) {
        return NTS_ERR_PLAIN_REFUSED;
    }
    if (!request->is_nts && datagram->verdict == SOURCE_OVER_BUDGET) {
        return NTS_ERR_RATE_LIMITED;
    }
    return NTS_OK;
}

/* Parses all. Plain requests are answered on the spot but for their transmit timestamps, NTS
 * requests become exchanges. */
static void parse_all(struct answer_engine *engine, struct datagram *batch, size_t num,
                      const struct answer_context *context, const struct response_clock *clock)
{
    engine->num_exchanges = 0;
    for (size_t i = 0; i < num; i++) {
        struct datagram *datagram = &batch[i];
        struct request *request = &engine->requests[i];
        datagram->reply_len = 0;
        enum nts_status status = admit(engine, datagram->verdict);
        if (status == NTS_OK) {
            status = parse(request, datagram, context, clock->is_fit);
        }
        if (status != NTS_OK) {
            count_cause(engine, status);
        } else if (request->is_nts) {
            struct exchange *exchange = &engine->exchanges[engine->num_exchanges++];
            exchange->datagram = datagram;
            exchange->request = request;
            exchange->gets_kiss = datagram->verdict == SOURCE_OVER_BUDGET;
        } else {
            answer_plain(engine, datagram, request, clock);
        }
    }
}

/* Answers with an NTS NAK (RFC 8915, section 5.7), within the budget of the source. */
static void answer_nak(struct answer_engine *engine, const struct exchange *exchange,
                       enum nts_status cause)
{
    count_cause(engine, cause);
    if (exchange->gets_kiss) {
        return;
    }
    struct writer w = writer_over(exchange->datagram->reply, REQUEST_MAX_LEN);
    response_write_nak(&w, exchange->request);
    finish_reply(engine, exchange->datagram, &w);
    count(engine, ANSWER_NAKS, 1);
}

/* Closes the gap that exchanges which ended have left; the plaintext stays behind, it is used up.
 */
static void keep(struct exchange *kept, const struct exchange *exchange)
{
    kept->datagram = exchange->datagram;
    kept->request = exchange->request;
    kept->keys = exchange->keys;
    kept->gets_kiss = exchange->gets_kiss;
}

/* Opens all cookies and keeps the exchanges whose cookie is good and whose nonce suits the
 * algorithm that the cookie implies. */
static void open_cookies(struct answer_engine *engine, const struct answer_context *context,
                         int64_t now_s)
{
    size_t num = engine->num_exchanges;
    size_t num_kept = 0;
    for (size_t i = 0; i < num; i++) {
        engine->cookie_jobs[i].cookie = engine->exchanges[i].request->cookie;
        engine->cookie_jobs[i].cookie_len = engine->exchanges[i].request->cookie_len;
    }
    cookie_open_batch(context->keyring, engine->cookie_jobs, num, now_s);
    const struct master_key *active = keyring_active_key(context->keyring, now_s);
    for (size_t i = 0; i < num; i++) {
        struct exchange *exchange = &engine->exchanges[i];
        const struct cookie_open_job *job = &engine->cookie_jobs[i];
        const struct authenticator *authenticator = &exchange->request->authenticator;
        if (job->status == NTS_OK) {
            enum key_age age = keyring_key_age(job->key, active, now_s);
            counter_add(&engine->counters.opened_by_age[age], 1);
        }
        if (job->status != NTS_OK) {
            answer_nak(engine, exchange, job->status);
        } else if (!aead_nonce_fits(job->keys.aead, authenticator->nonce_len,
                                    authenticator->nonce_room)) {
            /* RFC 8915, section 5.6: too little Additional Padding means discard. */
            count_cause(engine, NTS_ERR_NONCE);
        } else {
            exchange->keys = &job->keys;
            keep(&engine->exchanges[num_kept++], exchange);
        }
    }
    engine->num_exchanges = num_kept;
}

/* Verifies all requests under C2S and takes in what they encrypted. */
static void verify_all(struct answer_engine *engine)
{
    size_t num = engine->num_exchanges;
    size_t num_kept = 0;
    for (size_t i = 0; i < num; i++) {
        struct exchange *exchange = &engine->exchanges[i];
        const struct request *request = exchange->request;
        engine->aead_jobs[i] = (struct aead_job){
            .aead = exchange->keys->aead,
            .key = exchange->keys->c2s,
            .out = exchange->plaintext,
            .nonce = request->authenticator.nonce,
            .nonce_len = request->authenticator.nonce_len,
            .ad = exchange->datagram->data,
            .ad_len = request->ad_len,
            .in = request->authenticator.ciphertext,
            .in_len = request->authenticator.ciphertext_len,
        };
    }
    aead_open_batch(engine->aead_jobs, num);
    for (size_t i = 0; i < num; i++) {
        struct exchange *exchange = &engine->exchanges[i];
        const struct aead_job *job = &engine->aead_jobs[i];
        if (job->status != NTS_OK) {
            answer_nak(engine, exchange, job->status);
            continue;
        }
        enum nts_status status = request_parse_encrypted(exchange->request, exchange->plaintext,
                                                         job->in_len - AEAD_TAG_LEN);
        if (status != NTS_OK) {
            count_cause(engine, status);
            continue;
        }
        keep(&engine->exchanges[num_kept++], exchange);
    }
    engine->num_exchanges = num_kept;
}

/* What the cookies for one AEAD are sealed with. */
struct minting {
    const struct master_key *key; /* NULL: no key can */
    size_t cookie_len;            /* 0 then */
};

/* Lays out the cookie fields of one reply in its plaintext and queues the cookies to be made. */
static size_t plan_cookies(struct exchange *exchange, const struct minting *minting,
                           struct cookie_seal_job *jobs)
{
    size_t len = minting->cookie_len;
    size_t num = response_num_cookies(exchange->request, exchange->keys->aead, len);
    struct writer w = writer_over(exchange->plaintext, sizeof(exchange->plaintext));
    for (size_t i = 0; i < num; i++) {
        jobs[i] = (struct cookie_seal_job){
            .key = minting->key,
            .keys = exchange->keys,
            .cookie = ext_field_write_space(&w, EF_NTS_COOKIE, len),
        };
    }
    exchange->plaintext_len = writer_len(&w);
    return num;
}

/* Lays one reply out, but for its transmit timestamp and its ciphertext, and queues its seal. */
static bool lay_out(struct answer_engine *engine, struct aead_job *job,
                    const struct exchange *exchange, const struct response_clock *clock)
{
    struct datagram *datagram = exchange->datagram;
    const struct aead_algorithm *aead = exchange->keys->aead;
    struct writer w = writer_over(datagram->reply, REQUEST_MAX_LEN);
    if (exchange->gets_kiss) {
        response_write_rate_kiss(&w, exchange->request, datagram->rx_time_ns);
    } else {
        response_write_header(&w, exchange->request, clock, datagram->rx_time_ns);
    }
    response_write_unique_id(&w, exchange->request);
    size_t ad_len = writer_len(&w);
    struct response_seal seal = response_write_authenticator(&w, aead, exchange->plaintext_len);
    finish_reply(engine, datagram, &w);
    if (datagram->reply_len == 0) {
        return false;
    }
    random_take(&engine->random, seal.nonce, aead->nonce_len);
    *job = (struct aead_job){
        .aead = aead,
        .key = exchange->keys->s2c,
        .out = seal.ciphertext,
        .nonce = seal.nonce,
        .nonce_len = aead->nonce_len,
        .ad = datagram->reply,
        .ad_len = ad_len,
        .in = exchange->plaintext,
        .in_len = exchange->plaintext_len,
    };
    return true;
}

static void count_replies(struct answer_engine *engine, bool is_fit)
{
    size_t num_kisses = 0;
    size_t num_by_aead[AEAD_NUM_ALGORITHMS] = {0};
    for (size_t i = 0; i < engine->num_exchanges; i++) {
        num_kisses += engine->exchanges[i].gets_kiss ? 1 : 0;
        num_by_aead[engine->exchanges[i].keys->aead->index] +=
            engine->exchanges[i].gets_kiss ? 0 : 1;
    }
    size_t num_answers = engine->num_exchanges - num_kisses;
    count(engine, ANSWER_ANSWERED_NTS, num_answers);
    count(engine, ANSWER_UNSYNCHRONISED_ANSWERS, is_fit ? 0 : num_answers);
    count(engine, ANSWER_RATE_KISSES, num_kisses);
    counter_add(&engine->counters.by_cause[NTS_ERR_RATE_LIMITED], num_kisses);
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        counter_add(&engine->counters.answered_by_aead[i], num_by_aead[i]);
    }
}

/* Mints fresh cookies for all and lays the replies out, ready to be stamped and sealed. */
static void mint_all(struct answer_engine *engine, const struct answer_context *context,
                     const struct response_clock *clock, int64_t now_s)
{
    struct minting minting[AEAD_NUM_ALGORITHMS];
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        const struct master_key *key = keyring_sealing_key(context->keyring, aead_at(i), now_s);
        minting[i].key = key;
        minting[i].cookie_len = key != NULL ? key_layout_cookie_len(key->layout, aead_at(i)) : 0;
    }
    size_t num_cookies = 0;
    size_t num_kept = 0;
    for (size_t i = 0; i < engine->num_exchanges; i++) {
        struct exchange *exchange = &engine->exchanges[i];
        num_cookies += plan_cookies(exchange, &minting[exchange->keys->aead->index],
                                    &engine->mint_jobs[num_cookies]);
        if (lay_out(engine, &engine->aead_jobs[num_kept], exchange, clock)) {
            engine->exchanges[num_kept].datagram = exchange->datagram;
            engine->exchanges[num_kept++].gets_kiss = exchange->gets_kiss;
        }
    }
    engine->num_exchanges = num_kept;
    cookie_seal_batch(engine->mint_jobs, num_cookies, &engine->random);
    count(engine, ANSWER_COOKIES_MINTED, num_cookies);
    count_replies(engine, clock->is_fit);
}

/* Stamps all replies with the instant at which each will leave: after all are sealed, one send
 * after the other. The transmit timestamp is inside what is sealed. */
static void stamp_all(struct answer_engine *engine, struct datagram *batch, size_t num,
                      const struct answer_context *context, int64_t now_ns)
{
    int64_t leaves_ns = now_ns + (int64_t)engine->num_exchanges * engine->seal_cost_ns +
                        context->prediction.first_ns;
    for (size_t i = 0; i < num; i++) {
        if (batch[i].reply_len == 0) {
            continue;
        }
        batch[i].leaves_ns = leaves_ns;
        leaves_ns += context->prediction.next_ns;
        uint64_t receive_time = load_u64(batch[i].reply + 32);
        if (receive_time == 0) {
            continue; /* an NTS NAK tells no time */
        }
        uint64_t transmit_time = ntp_time_from_unix_ns(batch[i].leaves_ns);
        /* Receive and transmit differ and are in order, even when the clock was stepped between. */
        if ((int64_t)(transmit_time - receive_time) <= 0) {
            transmit_time = receive_time + 1;
        }
        ntp_set_transmit_time(batch[i].reply, transmit_time);
    }
}

static void seal_all(struct answer_engine *engine, const struct answer_context *context,
                     int64_t stamped_ns)
{
    size_t num = engine->num_exchanges;
    if (num == 0) {
        return;
    }
    aead_seal_batch(engine->aead_jobs, num);
    for (size_t i = 0; i < num; i++) {
        if (engine->aead_jobs[i].status != NTS_OK) {
            engine->exchanges[i].datagram->reply_len = 0;
            count_cause(engine, NTS_ERR_INTERNAL);
        }
    }
    int64_t cost_ns = (context->real_time_ns() - stamped_ns) / (int64_t)num;
    if (cost_ns >= 0 && cost_ns < NS_PER_MS) {
        engine->seal_cost_ns += (cost_ns - engine->seal_cost_ns) / 8;
    }
}

void answer_batch(struct answer_engine *engine, struct datagram *batch, size_t num,
                  const struct answer_context *context)
{
    assert(num <= ANSWER_MAX_BATCH);
    int64_t now_ns = context->real_time_ns();
    int64_t now_s = now_ns / NS_PER_S;
    bool is_fit = clock_is_fit(&context->clock, &context->limits, now_ns);
    struct response_clock clock;
    response_clock_at(&clock, &context->clock, is_fit, now_ns);
    count(engine, ANSWER_BATCHES, 1);
    count(engine, ANSWER_REQUESTS, num);
    counter_add(&engine->counters.batch_sizes[batch_size_class(num)], 1);

    parse_all(engine, batch, num, context, &clock);
    if (engine->num_exchanges > 0) {
        open_cookies(engine, context, now_s);
        verify_all(engine);
        mint_all(engine, context, &clock, now_s);
    }
    int64_t stamped_ns = context->real_time_ns();
    stamp_all(engine, batch, num, context, stamped_ns);
    seal_all(engine, context, stamped_ns);
    secret_wipe(engine->cookie_jobs, num * sizeof(engine->cookie_jobs[0]));
}

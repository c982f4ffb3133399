#include "time-server/protocol/answer.h"

#include "base/clock_time.h"
#include "crypto/secret_mem.h"

#include <assert.h>
#include <string.h>

#define MAX_COOKIE_FIELDS_LEN (RESPONSE_MAX_COOKIES * (EF_HEADER_LEN + COOKIE_MAX_LEN))

_Static_assert(MAX_COOKIE_FIELDS_LEN <= REQUEST_MAX_LEN, "cookies fit the plaintext buffer");

/* One datagram of the batch: what it asks for, what it may get and what it gets. */
struct turn {
    struct datagram *datagram;
    struct request request;
    const struct grant *grant;
    enum reply_kind reply; /* what has been written; REPLY_NONE: silence */
};

/* One NTS request on its way through the steps. */
struct exchange {
    struct turn *turn;
    const struct session_keys *keys;
    uint8_t *plaintext; /* decrypted fields first, then the cookies to encrypt; REQUEST_MAX_LEN */
    size_t plaintext_len;
    struct cookie_seal_job *cookies; /* the fresh ones */
    size_t num_cookies;
};

struct answer_engine {
    struct random_pool random;
    struct answer_counters counters;
    int64_t seal_cost_ns; /* of one NTS reply, a moving average */
    struct turn turns[ANSWER_MAX_BATCH];
    struct exchange exchanges[ANSWER_MAX_BATCH];
    size_t num_exchanges;
    uint8_t plaintexts[ANSWER_MAX_BATCH][REQUEST_MAX_LEN];
    struct cookie_open_job cookie_jobs[ANSWER_MAX_BATCH];
    struct cookie_seal_job mint_jobs[ANSWER_MAX_BATCH * RESPONSE_MAX_COOKIES];
    struct aead_job aead_jobs[ANSWER_MAX_BATCH];
};

static const char *const cause_labels[] = {ANSWER_CAUSE_TABLE(STATUS_SET_LABEL)};

static const uint8_t cause_places[NTS_NUM_STATUS] = {
#define CAUSE_PLACE(name, label, text) [NTS_ERR_##name] = ANSWER_CAUSE_##name + 1,
    ANSWER_CAUSE_TABLE(CAUSE_PLACE)
#undef CAUSE_PLACE
};

const struct status_set answer_causes = {ANSWER_NUM_CAUSES, cause_labels, cause_places};

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

static void count_event(struct answer_engine *engine, enum answer_event event, size_t num)
{
    counter_add(&engine->counters.events[event], num);
}

static void count_cause(struct answer_engine *engine, enum nts_status cause)
{
    counter_add(&engine->counters.by_cause[status_place(&answer_causes, cause)], 1);
}

/* The position of the least power of two that is not below `num`. */
static size_t batch_size_class(size_t num)
{
    return num <= 1 ? 0 : (size_t)(64 - __builtin_clzll(num - 1));
}

/* What a request may get. */
struct grant {
    enum reply_kind plain;     /* without NTS */
    enum reply_kind authentic; /* NTS, and authentic */
    enum reply_kind unproven;  /* NTS, with a cookie or an authenticator that is not good */
    enum nts_status withheld;  /* why it does not get all that a source within its budget gets */
};

/* Says what a request may get, from the verdict on its source: the only place that does. */
static const struct grant *grant_for(struct random_pool *random, enum source_verdict verdict)
{
    static const struct grant everything = {REPLY_TIME, REPLY_TIME, REPLY_NAK, NTS_OK};
    static const struct grant kiss = {REPLY_NONE, REPLY_RATE_KISS, REPLY_NONE,
                                      NTS_ERR_RATE_LIMITED};
    static const struct grant limited = {REPLY_NONE, REPLY_NONE, REPLY_NONE, NTS_ERR_RATE_LIMITED};
    static const struct grant refused = {REPLY_NONE, REPLY_NONE, REPLY_NONE,
                                         NTS_ERR_SOURCE_REFUSED};
    switch (verdict) {
    case SOURCE_ADMITTED:
        return &everything;
    case SOURCE_OVER_BUDGET:
        return random_below(random, RATE_KISS_ONE_IN) == 0 ? &kiss : &limited;
    case SOURCE_REFUSED:
        break;
    }
    return &refused;
}

/* Whether nothing that the request can turn out to be gets a reply. */
static bool grants_nothing(const struct grant *grant)
{
    return grant->plain == REPLY_NONE && grant->authentic == REPLY_NONE &&
           grant->unproven == REPLY_NONE;
}

/* Ends a reply that is written but for what is set when it leaves. */
static bool finish_reply(struct answer_engine *engine, struct turn *turn, enum reply_kind kind,
                         const struct writer *w)
{
    /* RFC 8915, section 8.4: never an amplifier. */
    if (writer_status(w) != NTS_OK || writer_len(w) > turn->datagram->len) {
        count_cause(engine, NTS_ERR_AMPLIFIES);
        return false;
    }
    turn->datagram->reply_len = writer_len(w);
    turn->reply = kind;
    return true;
}

static void drop_reply(struct answer_engine *engine, struct turn *turn, enum nts_status cause)
{
    turn->datagram->reply_len = 0;
    turn->reply = REPLY_NONE;
    count_cause(engine, cause);
}

/* Writes header and unique identifier: all of a reply that is not sealed. */
static struct writer start_reply(const struct turn *turn, enum reply_kind kind,
                                 const struct response_clock *clock)
{
    struct writer w = writer_over(turn->datagram->reply, REQUEST_MAX_LEN);
    response_write_header(&w, &turn->request, kind, clock, turn->datagram->rx_time_ns);
    response_write_unique_id(&w, &turn->request);
    return w;
}

static void answer_plain(struct answer_engine *engine, struct turn *turn,
                         const struct response_clock *clock)
{
    struct writer w = start_reply(turn, turn->grant->plain, clock);
    if (finish_reply(engine, turn, turn->grant->plain, &w)) {
        count_event(engine, ANSWER_ANSWERED_PLAIN, 1);
        count_event(engine, ANSWER_UNSYNCHRONISED_ANSWERS, clock->is_fit ? 0 : 1);
    }
}

static enum nts_status parse(struct turn *turn, const struct answer_context *context, bool is_fit)
{
    struct request *request = &turn->request;
    if (grants_nothing(turn->grant)) {
        return turn->grant->withheld;
    }
    enum nts_status status =
        request_parse(request, context->versions, turn->datagram->data, turn->datagram->len);
    if (status != NTS_OK) {
        return status;
    }
    if (!is_fit && context->silent_when_unsynchronised) {
        return NTS_ERR_UNSYNCHRONISED;
    }
    if (!request->is_nts && !context->plain_ntp) {
        return NTS_ERR_PLAIN_REFUSED;
    }
    return request->is_nts || turn->grant->plain != REPLY_NONE ? NTS_OK : turn->grant->withheld;
}

/* Parses all. Plain requests are answered on the spot but for their transmit timestamps, NTS
 * requests become exchanges. */
static void parse_all(struct answer_engine *engine, struct datagram *batch, size_t num,
                      const struct answer_context *context, const struct response_clock *clock)
{
    engine->num_exchanges = 0;
    for (size_t i = 0; i < num; i++) {
        struct turn *turn = &engine->turns[i];
        turn->datagram = &batch[i];
        turn->datagram->reply_len = 0;
        turn->reply = REPLY_NONE;
        turn->grant = grant_for(&engine->random, batch[i].verdict);
        enum nts_status status = parse(turn, context, clock->is_fit);
        if (status != NTS_OK) {
            count_cause(engine, status);
        } else if (turn->request.is_nts) {
            struct exchange *exchange = &engine->exchanges[engine->num_exchanges];
            exchange->turn = turn;
            exchange->plaintext = engine->plaintexts[engine->num_exchanges++];
        } else {
            answer_plain(engine, turn, clock);
        }
    }
}

/* Answers a request whose cookie or authenticator is not good. */
static void answer_unproven(struct answer_engine *engine, struct turn *turn,
                            const struct response_clock *clock, enum nts_status cause)
{
    enum reply_kind kind = turn->grant->unproven;
    count_cause(engine, cause);
    if (kind == REPLY_NONE) {
        return;
    }
    struct writer w = start_reply(turn, kind, clock);
    if (finish_reply(engine, turn, kind, &w)) {
        count_event(engine, ANSWER_NAKS, 1);
    }
}

/* Closes the gap that exchanges which ended have left. */
static void keep(struct answer_engine *engine, size_t *num_kept, const struct exchange *exchange)
{
    struct exchange *kept = &engine->exchanges[(*num_kept)++];
    if (kept != exchange) {
        *kept = *exchange;
    }
}

/* Opens all cookies and keeps the exchanges whose cookie is good and whose nonce suits the
 * algorithm that the cookie implies. */
static void open_cookies(struct answer_engine *engine, const struct answer_context *context,
                         const struct response_clock *clock, int64_t now_s)
{
    size_t num = engine->num_exchanges;
    size_t num_kept = 0;
    for (size_t i = 0; i < num; i++) {
        const struct request *request = &engine->exchanges[i].turn->request;
        engine->cookie_jobs[i].cookie = request->cookie;
        engine->cookie_jobs[i].cookie_len = request->cookie_len;
    }
    cookie_open_batch(context->keyring, engine->cookie_jobs, num, now_s);
    const struct master_key *active = keyring_active_key(context->keyring, now_s);
    for (size_t i = 0; i < num; i++) {
        struct exchange *exchange = &engine->exchanges[i];
        const struct cookie_open_job *job = &engine->cookie_jobs[i];
        const struct authenticator *authenticator = &exchange->turn->request.authenticator;
        if (job->status == NTS_OK) {
            enum key_age age = keyring_key_age(job->key, active, now_s);
            counter_add(&engine->counters.opened_by_age[age], 1);
        }
        if (job->status != NTS_OK) {
            answer_unproven(engine, exchange->turn, clock, job->status);
        } else if (!aead_nonce_fits(job->keys.aead, authenticator->nonce_len,
                                    authenticator->nonce_room)) {
            /* RFC 8915, section 5.6: too little Additional Padding means discard. */
            count_cause(engine, NTS_ERR_NONCE);
        } else {
            exchange->keys = &job->keys;
            keep(engine, &num_kept, exchange);
        }
    }
    engine->num_exchanges = num_kept;
}

/* Verifies all requests under C2S and takes in what they encrypted. */
static void verify_all(struct answer_engine *engine, const struct response_clock *clock)
{
    size_t num = engine->num_exchanges;
    size_t num_kept = 0;
    for (size_t i = 0; i < num; i++) {
        struct exchange *exchange = &engine->exchanges[i];
        const struct request *request = &exchange->turn->request;
        engine->aead_jobs[i] = (struct aead_job){
            .aead = exchange->keys->aead,
            .key = exchange->keys->c2s,
            .out = exchange->plaintext,
            .nonce = request->authenticator.nonce,
            .nonce_len = request->authenticator.nonce_len,
            .ad = exchange->turn->datagram->data,
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
            answer_unproven(engine, exchange->turn, clock, job->status);
            continue;
        }
        enum nts_status status = request_parse_encrypted(
            &exchange->turn->request, exchange->plaintext, job->in_len - AEAD_TAG_LEN);
        if (status != NTS_OK) {
            count_cause(engine, status);
            continue;
        }
        keep(engine, &num_kept, exchange);
    }
    engine->num_exchanges = num_kept;
}

/* What the cookies for one AEAD are sealed with. */
struct minting {
    const struct master_key *key; /* NULL: no key can */
    size_t cookie_len;            /* 0 then */
};

/* Lays out the cookie fields of one reply in its plaintext and queues the cookies to be made at
 * `jobs`. */
static void plan_cookies(struct exchange *exchange, const struct minting *minting,
                         struct cookie_seal_job *jobs)
{
    size_t len = minting->cookie_len;
    size_t num = response_num_cookies(&exchange->turn->request, exchange->keys->aead, len);
    struct writer w = writer_over(exchange->plaintext, REQUEST_MAX_LEN);
    for (size_t i = 0; i < num; i++) {
        jobs[i] = (struct cookie_seal_job){
            .key = minting->key,
            .keys = exchange->keys,
            .cookie = ext_field_write_space(&w, EF_NTS_COOKIE, len),
        };
    }
    exchange->plaintext_len = writer_len(&w);
    exchange->cookies = jobs;
    exchange->num_cookies = num;
}

/* Makes fresh cookies for all and drops the exchanges whose cookies cannot be made: a plaintext
 * that holds anything else must not leave. */
static void mint_all(struct answer_engine *engine, const struct answer_context *context,
                     int64_t now_s)
{
    struct minting minting[AEAD_NUM_ALGORITHMS];
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        const struct master_key *key = keyring_sealing_key(context->keyring, aead_at(i), now_s);
        minting[i].key = key;
        minting[i].cookie_len = key != NULL ? key_layout_cookie_len(key->layout, aead_at(i)) : 0;
    }
    size_t num_cookies = 0;
    for (size_t i = 0; i < engine->num_exchanges; i++) {
        struct exchange *exchange = &engine->exchanges[i];
        plan_cookies(exchange, &minting[exchange->keys->aead->index],
                     &engine->mint_jobs[num_cookies]);
        num_cookies += exchange->num_cookies;
    }
    if (cookie_seal_batch(engine->mint_jobs, num_cookies, &engine->random) == NTS_OK) {
        return;
    }
    size_t num_kept = 0;
    for (size_t i = 0; i < engine->num_exchanges; i++) {
        struct exchange *exchange = &engine->exchanges[i];
        if (cookie_seal_status(exchange->cookies, exchange->num_cookies) == NTS_OK) {
            keep(engine, &num_kept, exchange);
        } else {
            drop_reply(engine, exchange->turn, NTS_ERR_INTERNAL);
        }
    }
    engine->num_exchanges = num_kept;
}

/* Lays one reply out, but for its transmit timestamp and its ciphertext, and queues its seal. */
static bool lay_out(struct answer_engine *engine, struct aead_job *job,
                    const struct exchange *exchange, const struct response_clock *clock)
{
    struct turn *turn = exchange->turn;
    const struct aead_algorithm *aead = exchange->keys->aead;
    struct writer w = start_reply(turn, turn->grant->authentic, clock);
    size_t ad_len = writer_len(&w);
    struct response_seal seal = response_write_authenticator(&w, aead, exchange->plaintext_len);
    if (!finish_reply(engine, turn, turn->grant->authentic, &w)) {
        return false;
    }
    random_take(&engine->random, seal.nonce, aead->nonce_len);
    *job = (struct aead_job){
        .aead = aead,
        .key = exchange->keys->s2c,
        .out = seal.ciphertext,
        .nonce = seal.nonce,
        .nonce_len = aead->nonce_len,
        .ad = turn->datagram->reply,
        .ad_len = ad_len,
        .in = exchange->plaintext,
        .in_len = exchange->plaintext_len,
    };
    return true;
}

/* Lays out all replies, ready to be stamped and sealed. */
static void lay_out_all(struct answer_engine *engine, const struct response_clock *clock)
{
    size_t num_kept = 0;
    for (size_t i = 0; i < engine->num_exchanges; i++) {
        struct exchange *exchange = &engine->exchanges[i];
        if (lay_out(engine, &engine->aead_jobs[num_kept], exchange, clock)) {
            keep(engine, &num_kept, exchange);
        }
    }
    engine->num_exchanges = num_kept;
}

/* Stamps all replies with the instant at which each will leave: after all are sealed, one send
 * after the other. The transmit timestamp is inside what is sealed. */
static void stamp_all(struct answer_engine *engine, size_t num,
                      const struct answer_context *context, int64_t now_ns)
{
    int64_t leaves_ns = now_ns + (int64_t)engine->num_exchanges * engine->seal_cost_ns +
                        context->prediction.first_ns;
    for (size_t i = 0; i < num; i++) {
        const struct turn *turn = &engine->turns[i];
        struct datagram *datagram = turn->datagram;
        if (turn->reply != REPLY_NONE) {
            datagram->leaves_ns = leaves_ns;
            leaves_ns += context->prediction.next_ns;
            response_stamp(datagram->reply, &turn->request, turn->reply, datagram->rx_time_ns,
                           datagram->leaves_ns);
        }
    }
}

static void count_sealed(struct answer_engine *engine, bool is_fit)
{
    size_t num_answers = 0;
    size_t num_kisses = 0;
    size_t num_cookies = 0;
    size_t num_by_aead[AEAD_NUM_ALGORITHMS] = {0};
    for (size_t i = 0; i < engine->num_exchanges; i++) {
        const struct exchange *exchange = &engine->exchanges[i];
        size_t is_answer = exchange->turn->reply == REPLY_TIME ? 1 : 0;
        num_answers += is_answer;
        num_by_aead[exchange->keys->aead->index] += is_answer;
        if (exchange->turn->reply == REPLY_RATE_KISS) {
            num_kisses++;
            count_cause(engine, exchange->turn->grant->withheld);
        }
        num_cookies += exchange->turn->reply != REPLY_NONE ? exchange->num_cookies : 0;
    }
    count_event(engine, ANSWER_ANSWERED_NTS, num_answers);
    count_event(engine, ANSWER_UNSYNCHRONISED_ANSWERS, is_fit ? 0 : num_answers);
    count_event(engine, ANSWER_RATE_KISSES, num_kisses);
    count_event(engine, ANSWER_COOKIES_MINTED, num_cookies);
    for (size_t i = 0; i < AEAD_NUM_ALGORITHMS; i++) {
        counter_add(&engine->counters.answered_by_aead[i], num_by_aead[i]);
    }
}

static void seal_all(struct answer_engine *engine, const struct answer_context *context,
                     bool is_fit, int64_t stamped_ns)
{
    size_t num = engine->num_exchanges;
    if (num == 0) {
        return;
    }
    aead_seal_batch(engine->aead_jobs, num);
    for (size_t i = 0; i < num; i++) {
        if (engine->aead_jobs[i].status != NTS_OK) {
            drop_reply(engine, engine->exchanges[i].turn, NTS_ERR_INTERNAL);
        }
    }
    count_sealed(engine, is_fit);
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
    count_event(engine, ANSWER_BATCHES, 1);
    count_event(engine, ANSWER_REQUESTS, num);
    counter_add(&engine->counters.batch_sizes[batch_size_class(num)], 1);

    parse_all(engine, batch, num, context, &clock);
    if (engine->num_exchanges > 0) {
        open_cookies(engine, context, &clock, now_s);
        verify_all(engine, &clock);
        mint_all(engine, context, now_s);
        lay_out_all(engine, &clock);
    }
    int64_t stamped_ns = context->real_time_ns();
    stamp_all(engine, num, context, stamped_ns);
    seal_all(engine, context, is_fit, stamped_ns);
    secret_wipe(engine->cookie_jobs, num * sizeof(engine->cookie_jobs[0]));
}

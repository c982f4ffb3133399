#include "client/ntp_client.h"

#include "support/patience.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Test(ntp_sample, follows_rfc_5905)
{
    /* Ours is 100 s behind; 10 ms there, 30 ms back, 5 ms at the server. */
    const int64_t ms = NS_PER_MS;
    int64_t t1 = INT64_C(1800000000) * NS_PER_S;
    struct ntp_sample sample = {.sent_ns = t1, .received_ns = t1 + 45 * ms};
    struct ntp_header header = {
        .receive_time = ntp_time_from_unix_ns(t1 + 100 * NS_PER_S + 10 * ms),
        .transmit_time = ntp_time_from_unix_ns(t1 + 100 * NS_PER_S + 15 * ms),
    };
    ntp_sample_measure(&sample, &header);
    cr_assert_lt(llabs(sample.delay_ns - 40 * ms), 2);
    cr_assert_lt(llabs(sample.offset_ns - (100 * NS_PER_S - 10 * ms)), 2);
}

/* A time server in a thread that answers one request with what `script` says, letter by letter:
 * 'n' NAK, 'o' wrong origin, 'f' forged, 'r' an unauthenticated kiss, 'g' the good reply. */
struct fake_time_server {
    int fd;
    union net_address address;
    const char *script;
    const struct session_keys *keys;
    pthread_t thread;
};

static size_t make_reply(uint8_t *packet, const struct fake_time_server *server, char letter,
                         const uint8_t *request)
{
    static const uint8_t cookie[100] = {7};
    static const uint8_t nonce[AEAD_MAX_NONCE_LEN] = {1};
    struct ntp_header header = {
        .version = 4,
        .mode = NTP_MODE_SERVER,
        .stratum = letter == 'n' || letter == 'r' ? 0 : 1,
        .reference_id = letter == 'n' ? NTP_KISS_NTSN : UINT32_C(0x52415445),
        .origin_time = load_u64(request + 40) + (letter == 'o'),
        .receive_time = ntp_time_from_unix_ns(real_time_ns()),
        .transmit_time = ntp_time_from_unix_ns(real_time_ns()),
    };
    struct writer w = writer_over(packet, 1024);
    ntp_header_write(write_space(&w, NTP_HEADER_LEN), &header);
    write_bytes(&w, request + NTP_HEADER_LEN, 36); /* the unique identifier */
    if (letter != 'n' && letter != 'r') {
        uint8_t plaintext[104];
        struct writer fields = writer_over(plaintext, sizeof(plaintext));
        struct session_keys keys = *server->keys;
        memcpy(keys.c2s, keys.s2c, sizeof(keys.c2s));
        ext_field_write(&fields, EF_NTS_COOKIE, cookie, sizeof(cookie));
        const struct ntp_sealing sealing = {nonce, sizeof(nonce), plaintext, sizeof(plaintext), 0};
        ntp_authenticator_write(&w, &keys, &sealing);
        packet[NTP_HEADER_LEN - 1] ^= letter == 'f';
    }
    return writer_len(&w);
}

static void *run_time_server(void *arg)
{
    struct fake_time_server *server = arg;
    uint8_t request[2048];
    uint8_t reply[1024];
    union net_address client;
    socklen_t client_len = sizeof(client);
    if (recvfrom(server->fd, request, sizeof(request), 0, &client.sa, &client_len) < 84) {
        return NULL;
    }
    for (const char *letter = server->script; *letter != '\0'; letter++) {
        size_t len = make_reply(reply, server, *letter, request);
        sendto(server->fd, reply, len, 0, &client.sa, client_len);
    }
    return NULL;
}

struct outcome {
    enum nts_status status;
    struct ntp_reply reply;
    struct ntp_sample sample;
    struct error error;
    size_t num_left; /* cookies in the jar, of 8 */
};

static void open_server(struct fake_time_server *server)
{
    socklen_t len = sizeof(server->address.in);
    memset(&server->address, 0, sizeof(server->address));
    server->address.in.sin_family = AF_INET;
    server->address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert_eq(bind(server->fd, &server->address.sa, len), 0);
    getsockname(server->fd, &server->address.sa, &len);
}

/* How long the client waits when it is to wait to the end. */
#define SHORT_MS 300

static struct outcome exchange_within(const char *script, int64_t timeout_ms)
{
    static const uint8_t cookie[100] = {1};
    struct session_keys keys = {.aead = aead_find(15), .c2s = {1}, .s2c = {2}};
    struct fake_time_server server = {.script = script, .keys = &keys};
    struct cookie_jar jar = {0};
    struct outcome outcome;
    open_server(&server);
    pthread_create(&server.thread, NULL, run_time_server, &server);
    while (cookie_jar_put(&jar, cookie, sizeof(cookie))) {
    }
    struct ntp_exchange_options options = {
        .server = &server.address, .keys = &keys, .jar = &jar, .timeout_ms = timeout_ms};
    outcome.status = ntp_exchange(&outcome.reply, &outcome.sample, &options, &outcome.error);
    outcome.num_left = jar.num;
    pthread_join(server.thread, NULL);
    close(server.fd);
    return outcome;
}

/* The script has the good reply in it. */
static struct outcome exchange_with(const char *script)
{
    return exchange_within(script, PATIENCE_MS);
}

/* Without the good reply: the client waits to the end, and on a busy machine longer until all of
 * the script has come by then. */
static void assert_verdict(const char *script, enum nts_status expected)
{
    enum nts_status status = NTS_OK;
    for (int64_t ms = SHORT_MS; status != expected && ms < PATIENCE_MS; ms *= 2) {
        status = exchange_within(script, ms).status;
    }
    cr_assert_eq(status, expected, "%s", script);
}

Test(ntp_exchange, measures_and_gets_its_cookie_back)
{
    struct outcome outcome = exchange_with("g");
    cr_assert_eq(outcome.status, NTS_OK, "%s", outcome.error.text);
    cr_assert_eq(outcome.num_left, 8);
    cr_assert_eq(outcome.reply.num_cookies, 1);
    cr_assert_eq(outcome.sample.request_len, 228);
    /* Both have one clock: what is measured is by how much the two ways differ. */
    cr_assert_leq(llabs(outcome.sample.offset_ns), outcome.sample.delay_ns / 2 + NS_PER_MS);
    cr_assert_geq(outcome.sample.received_ns, outcome.sample.sent_ns);
}

Test(ntp_exchange, waits_past_what_anybody_could_have_sent)
{
    struct outcome outcome = exchange_with("onfrg");
    cr_assert_eq(outcome.status, NTS_OK, "%s", outcome.error.text);
    cr_assert_eq(outcome.sample.num_ignored, 4);
}

Test(ntp_exchange, reports_the_most_telling_when_time_is_over)
{
    assert_verdict("ofn", NTS_ERR_NAK);
    assert_verdict("nof", NTS_ERR_NAK);
    assert_verdict("fo", NTS_ERR_FORGED);
    assert_verdict("r", NTS_ERR_KISS);
    cr_assert_eq(exchange_within("o", SHORT_MS).status, NTS_ERR_TIMEOUT);
    struct outcome outcome = exchange_within("", SHORT_MS);
    cr_assert_eq(outcome.status, NTS_ERR_TIMEOUT);
    cr_assert_str_eq(outcome.error.text, "no answer in time");
    cr_assert_eq(outcome.num_left, 7, "a cookie is never used twice");
}

Test(ntp_exchange, tells_when_nobody_listens)
{
    struct fake_time_server server;
    struct ntp_reply reply;
    struct ntp_sample sample;
    struct error error;
    open_server(&server);
    close(server.fd);
    struct ntp_exchange_options options = {.server = &server.address};
    cr_assert_eq(ntp_exchange(&reply, &sample, &options, &error), NTS_ERR_SYSTEM);
    cr_assert_not_null(strstr(error.text, strerror(ECONNREFUSED)));
}

Test(ntp_exchange, sends_nothing_without_a_cookie)
{
    struct session_keys keys = {.aead = aead_find(15)};
    struct cookie_jar jar = {0};
    struct ntp_reply reply;
    struct ntp_sample sample;
    struct error error;
    union net_address address;
    cr_assert(address_parse(&address, "127.0.0.1", 9));
    struct ntp_exchange_options options = {.server = &address, .keys = &keys, .jar = &jar};
    cr_assert_eq(ntp_exchange(&reply, &sample, &options, &error), NTS_ERR_NTS_INCOMPLETE);
}

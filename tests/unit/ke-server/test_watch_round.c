/* A round of requests to a time server that the test plays. */
#include "ke-server/watch/watch_round.h"

#include "support/patience.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NUM_KEYS 2

static struct keyring *ring;
static struct watch_key watch_keys[NUM_KEYS];
static const struct watch_key *keys[NUM_KEYS] = {&watch_keys[0], &watch_keys[1]};
static struct watch_round probe;
static struct random_pool pool;
static int peer_fd;

static void open_peer(void)
{
    const struct master_key_spec specs[NUM_KEYS] = {
        {.id = 0xb01dface,
         .layout = KEY_LAYOUT_CHRONY_SIV,
         .expire_at_s = INT64_MAX,
         .secret = {1}},
        {.id = 0xc0ffee00, .layout = KEY_LAYOUT_NETNOD, .expire_at_s = INT64_MAX, .secret = {2}},
    };
    ring = keyring_create(1, specs, NUM_KEYS);
    cr_assert_not_null(ring);
    for (size_t i = 0; i < NUM_KEYS; i++) {
        watch_keys[i] = (struct watch_key){.id = ring->keys[i].id, .key = &ring->keys[i]};
    }
    socklen_t len = sizeof(probe.address.in);
    probe = (struct watch_round){.fd = -1, .max_offset_ns = 50 * NS_PER_S};
    probe.deadline_ns = deadline_in_ms(PATIENCE_MS);
    probe.address.in.sin_family = AF_INET;
    probe.address.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(peer_fd, &probe.address.sa, len), 0);
    getsockname(peer_fd, &probe.address.sa, &len);
}

static void close_peer(void)
{
    watch_round_end(&probe);
    close(peer_fd);
    snapshot_unref(&ring->snapshot);
}

#define ROUND_TEST(name)                                                                           \
    Test(watch_round, name, .init = open_peer, .fini = close_peer, .timeout = TEST_TIMEOUT_S)

/* A request as the time server sees it. */
struct asked {
    uint8_t packet[1024];
    size_t len;
    union net_address from;
    struct cookie_open_job cookie;
};

/* Takes the next request, and opens its cookie as a time server does. */
static void take_request(struct asked *asked)
{
    socklen_t from_len = sizeof(asked->from);
    ssize_t len =
        recvfrom(peer_fd, asked->packet, sizeof(asked->packet), 0, &asked->from.sa, &from_len);
    cr_assert_gt(len, NTP_HEADER_LEN);
    asked->len = (size_t)len;
    struct reader r = reader_over(asked->packet + NTP_HEADER_LEN, asked->len - NTP_HEADER_LEN);
    struct ext_field field;
    while (reader_more(&r) && ext_field_next(&r, &field, asked->packet)) {
        if (field.type == EF_NTS_COOKIE) {
            asked->cookie =
                (struct cookie_open_job){.cookie = field.body, .cookie_len = field.body_len};
        }
    }
    cr_assert_eq(reader_status(&r), NTS_OK);
    cookie_open_batch(ring, &asked->cookie, 1, 1);
    cr_assert_eq(asked->cookie.status, NTS_OK);
}

/* Answers, letter by letter: 'n' NAK, 'o' wrong origin, 'f' forged, 'r' an unauthenticated kiss,
 * 'k' an authentic one, 'u' unsynchronised, 'l' a clock that is a minute late, 'g' the good reply.
 */
static void reply(const struct asked *asked, const char *letters)
{
    static const uint8_t nonce[AEAD_MAX_NONCE_LEN] = {1};
    for (; *letters != '\0'; letters++) {
        uint8_t packet[512];
        bool is_bare = *letters == 'n' || *letters == 'r';
        int64_t now_ns = real_time_ns() - (*letters == 'l' ? 60 * NS_PER_S : 0);
        struct ntp_header header = {
            .leap = *letters == 'u' ? NTP_LEAP_UNSYNCHRONISED : NTP_LEAP_NONE,
            .version = 4,
            .mode = NTP_MODE_SERVER,
            .stratum = is_bare || *letters == 'k' ? 0 : 1,
            .reference_id = *letters == 'n' ? NTP_KISS_NTSN : UINT32_C(0x52415445),
            .origin_time = load_u64(asked->packet + 40) + (*letters == 'o'),
            .receive_time = ntp_time_from_unix_ns(now_ns),
            .transmit_time = ntp_time_from_unix_ns(now_ns),
        };
        struct writer w = writer_over(packet, sizeof(packet));
        ntp_header_write(write_space(&w, NTP_HEADER_LEN), &header);
        write_bytes(&w, asked->packet + NTP_HEADER_LEN, 36); /* the unique identifier */
        if (!is_bare) {
            struct session_keys session = asked->cookie.keys;
            memcpy(session.c2s, session.s2c, sizeof(session.c2s));
            const struct ntp_sealing sealing = {.nonce = nonce, .nonce_len = sizeof(nonce)};
            ntp_authenticator_write(&w, &session, &sealing);
            packet[NTP_HEADER_LEN - 1] ^= *letters == 'f';
        }
        cr_assert_gt(
            sendto(peer_fd, packet, writer_len(&w), 0, &asked->from.sa, address_len(&asked->from)),
            0);
    }
}

/* One key, asked and answered; loopback delivers before sendto returns. */
static enum watch_outcome outcome_of(const char *letters)
{
    struct asked asked;
    struct watch_verdict verdicts[WATCH_MAX_KEYS];
    watch_round_start(&probe, keys, 1, &pool);
    take_request(&asked);
    reply(&asked, letters);
    watch_round_receive(&probe);
    cr_assert_eq(watch_round_verdicts(&probe, verdicts), 1);
    cr_expect_eq(verdicts[0].key_id, keys[0]->id);
    watch_round_end(&probe);
    return verdicts[0].outcome;
}

ROUND_TEST(asks_under_each_key_at_once)
{
    struct asked asked[NUM_KEYS];
    watch_round_start(&probe, keys, NUM_KEYS, &pool);
    for (size_t i = 0; i < NUM_KEYS; i++) {
        take_request(&asked[i]);
        cr_expect_eq(asked[i].cookie.key, &ring->keys[i]);
        cr_expect_eq(asked[i].cookie.keys.aead->id, AEAD_AES_SIV_CMAC_256);
        cr_expect(!watch_round_is_over(&probe, mono_time_ns()));
    }
    cr_expect_neq(memcmp(asked[0].packet + NTP_HEADER_LEN, asked[1].packet + NTP_HEADER_LEN, 36), 0,
                  "each has a unique identifier of its own");

    struct watch_verdict verdicts[WATCH_MAX_KEYS];
    reply(&asked[1], "g"); /* out of turn */
    watch_round_receive(&probe);
    cr_expect(!watch_round_is_over(&probe, mono_time_ns()));
    cr_expect(watch_round_is_over(&probe, probe.deadline_ns));
    cr_assert_eq(watch_round_verdicts(&probe, verdicts), NUM_KEYS);
    cr_expect_eq(verdicts[0].outcome, WATCH_TIMEOUT);
    cr_expect_eq(verdicts[1].outcome, WATCH_ANSWERED);
    reply(&asked[0], "g");
    watch_round_receive(&probe);
    cr_expect(watch_round_is_over(&probe, mono_time_ns()));
}

ROUND_TEST(measures_the_clock)
{
    cr_expect_eq(outcome_of("g"), WATCH_ANSWERED);
    cr_assert(probe.has_sample);
    cr_expect_eq(probe.sample.stratum, 1);
    cr_expect_lt(llabs(probe.sample.offset_ns), 20 * NS_PER_S);
    cr_expect_eq(outcome_of("l"), WATCH_OFFSET);
    cr_expect_lt(probe.sample.offset_ns, -40 * NS_PER_S);
    cr_expect_eq(outcome_of("u"), WATCH_UNSYNCHRONISED);
}

ROUND_TEST(waits_past_what_anybody_could_have_sent)
{
    cr_expect_eq(outcome_of("onfrg"), WATCH_ANSWERED);
    cr_expect_eq(outcome_of("nu"), WATCH_UNSYNCHRONISED);
    cr_expect_eq(outcome_of("nk"), WATCH_KISS);
}

ROUND_TEST(keeps_to_the_first_authentic_answer)
{
    cr_expect_eq(outcome_of("gn"), WATCH_ANSWERED);
    cr_expect_eq(outcome_of("gu"), WATCH_ANSWERED);
    cr_expect_eq(outcome_of("ug"), WATCH_UNSYNCHRONISED);
}

ROUND_TEST(reports_the_most_telling_when_time_is_over)
{
    cr_expect_eq(outcome_of(""), WATCH_TIMEOUT);
    cr_expect_eq(outcome_of("o"), WATCH_TIMEOUT);
    cr_expect_eq(outcome_of("of"), WATCH_FORGED);
    cr_expect_eq(outcome_of("fr"), WATCH_KISS);
    cr_expect_eq(outcome_of("nof"), WATCH_NAK);
}

ROUND_TEST(tells_when_nobody_listens)
{
    struct watch_verdict verdicts[WATCH_MAX_KEYS];
    close(peer_fd);
    watch_round_start(&probe, keys, NUM_KEYS, &pool);
    watch_round_receive(&probe);
    cr_assert_eq(watch_round_verdicts(&probe, verdicts), NUM_KEYS);
    for (size_t i = 0; i < NUM_KEYS; i++) {
        cr_expect_eq(verdicts[i].outcome, WATCH_REFUSED, "%zu", i);
    }
    peer_fd = -1;
}

ROUND_TEST(tells_when_this_host_cannot_ask)
{
    struct watch_verdict verdicts[WATCH_MAX_KEYS];
    memset(&probe.address, 0, sizeof(probe.address));
    probe.address.in.sin_family = AF_INET;
    probe.address.in.sin_addr.s_addr = htonl(INADDR_BROADCAST); /* which nobody may by default */
    probe.address.in.sin_port = htons(123);
    watch_round_start(&probe, keys, NUM_KEYS, &pool);
    cr_expect(watch_round_is_over(&probe, mono_time_ns()));
    cr_assert_eq(watch_round_verdicts(&probe, verdicts), NUM_KEYS);
    cr_expect_eq(verdicts[0].outcome, WATCH_NOT_ASKED);
}

ROUND_TEST(leaves_no_session_keys_behind)
{
    static const uint8_t zeros[AEAD_MAX_KEY_LEN];
    (void)outcome_of("g");
    cr_expect_eq(memcmp(probe.keys.c2s, zeros, sizeof(zeros)), 0);
    cr_expect_eq(memcmp(probe.keys.s2c, zeros, sizeof(zeros)), 0);
    cr_expect_eq(probe.fd, -1);
}

/* Section 5 of the conformance matrix: the NTP header and plain NTP, and section 6's IL-01. */
#include "ntp_support.h"

#include "base/clock_time.h"

#include <openssl/md5.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct packet plain(void)
{
    struct packet p = {0};
    put_header(&p);
    return p;
}

static struct packet plain_first(uint8_t first_octet)
{
    struct packet p = plain();
    p.data[0] = first_octet;
    return p;
}

/* Appends zeros: what looks like a MAC. */
static struct packet with_trailer(struct packet p, size_t len)
{
    memset(p.data + p.len, 0, len);
    p.len += len;
    return p;
}

NTP_TEST(H_01_shorter_than_48_is_dropped)
{
    struct packet p = plain();
    for (size_t len = 1; len < NTP_HEADER_LEN; len++) {
        p.len = len;
        assert_silence(&p);
    }
    p.len = NTP_HEADER_LEN;
    assert_plain(&p);
}

NTP_TEST(H_02_length_not_a_multiple_of_four_is_dropped)
{
    for (size_t more = 1; more < 40; more++) {
        struct packet p = with_trailer(plain(), more);
        if (more % 4 != 0) {
            assert_silence(&p);
        }
    }
}

NTP_TEST(H_03_reply_version_is_request_version)
{
    static const uint8_t pairs[][2] = {{0x23, 0x24}, {0x1b, 0x1c}, {0x13, 0x14}, {0x0b, 0x0c}};
    for (size_t i = 0; i < 4; i++) {
        struct packet p = plain_first(pairs[i][0]);
        struct packet reply = ask(&p);
        cr_assert_eq(reply.len, NTP_HEADER_LEN);
        cr_assert_eq(reply.data[0], pairs[i][1]);
    }
}

NTP_TEST(H_04_version_0_is_dropped_and_version_1_mode_0_is_a_client)
{
    struct packet p = plain_first(0x03);
    assert_silence(&p);
    p = plain_first(0x00);
    assert_silence(&p);
    p = plain_first(0x08);
    struct packet reply = ask(&p);
    cr_assert_eq(reply.len, NTP_HEADER_LEN);
    cr_assert_eq(reply.data[0], 0x0c);
    p = plain_first(0x10); /* version 2, mode 0 */
    assert_silence(&p);
}

NTP_TEST(H_05_versions_5_to_7_are_dropped)
{
    const uint8_t first[] = {0x2b, 0x33, 0x3b};
    for (size_t i = 0; i < 3; i++) {
        struct packet p = plain_first(first[i]);
        assert_silence(&p);
    }
}

NTP_TEST(H_06_ntpv5_upgrade_probe_is_not_echoed)
{
    struct packet p = plain();
    memcpy(p.data + 16, "NTP5DRFT", 8);
    struct packet reply = ask(&p);
    cr_assert_eq(reply.len, NTP_HEADER_LEN);
    cr_assert_neq(memcmp(reply.data + 16, "NTP5DRFT", 8), 0);
    cr_assert_eq(reply.data[0], 0x24);
}

NTP_TEST(H_07_only_mode_3_is_answered)
{
    const uint8_t first[] = {0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x27};
    for (size_t i = 0; i < sizeof(first); i++) {
        struct packet p = plain_first(first[i]);
        assert_silence(&p);
    }
}

NTP_TEST(H_08_modes_6_and_7_are_never_answered)
{
    const char *const packets[] = {"160200010000000000000000", "1700032a00000000"};
    for (size_t i = 0; i < 2; i++) {
        struct packet p = packet_of(packets[i]);
        assert_silence(&p);
        p = with_trailer(p, NTP_HEADER_LEN - p.len);
        assert_silence(&p);
        p = with_trailer(p, 400);
        assert_silence(&p);
    }
}

NTP_TEST(H_09_origin_is_the_request_transmit_all_64_bits)
{
    for (int i = 0; i < 64; i++) {
        struct packet p = plain();
        assert_plain(&p); /* compares the origin */
    }
}

NTP_TEST(H_10_zero_transmit_is_still_answered)
{
    struct packet p = plain();
    memset(p.data + 40, 0, 8);
    struct packet reply = ask(&p);
    cr_assert_eq(header_of(&reply).origin_time, 0);
}

NTP_TEST(H_11_receive_is_before_transmit_and_both_are_now)
{
    for (int i = 0; i < 200; i++) {
        struct packet p = plain();
        uint64_t before = ntp_time_from_unix_ns(real_time_ns());
        struct packet reply = ask(&p);
        uint64_t after = ntp_time_from_unix_ns(real_time_ns());
        struct ntp_header header = header_of(&reply);
        cr_assert_lt(header.receive_time, header.transmit_time);
        cr_assert_leq(before, header.receive_time, "the kernel received it after we sent it");
        cr_assert_leq(header.receive_time, after);
    }
}

NTP_TEST(H_12_poll_is_echoed)
{
    const uint8_t polls[] = {0, 6, 17};
    for (size_t i = 0; i < sizeof(polls); i++) {
        struct packet p = plain();
        p.data[2] = polls[i];
        struct packet reply = ask(&p);
        cr_assert_eq(header_of(&reply).poll, polls[i]);
    }
}

NTP_TEST(H_13_synchronised_header_is_in_range)
{
    struct packet p = plain();
    struct packet reply = ask(&p);
    struct ntp_header header = header_of(&reply);
    cr_assert_leq(header.leap, 2);
    cr_assert(header.stratum >= 1 && header.stratum <= 15);
    cr_assert(header.precision >= -30 && header.precision <= -10);
    cr_assert_leq(header.root_delay, 0x10000);
    cr_assert(header.root_dispersion > 0 && header.root_dispersion <= 0x10000);
    cr_assert_neq(header.reference_time, 0);
    cr_assert_leq(header.reference_time, header.transmit_time);
}

static void open_without_server(void)
{
    const struct master_key_spec spec =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000);
    fixture_open();
    fixture_write_keyring(1, &spec, 1);
}

#define OWN_SERVER_TEST(name)                                                                      \
    Test(conformance, name, .init = open_without_server, .fini = time_server_down,                 \
         .timeout = TEST_TIMEOUT_S)

/* An upstream server on a port where nobody answers. */
#define SILENT_UPSTREAM "{\"source\": \"upstream\", \"server\": \"127.0.0.1:9\"}"

OWN_SERVER_TEST(H_14_not_synchronised_says_so)
{
    struct session_keys keys = session_keys_of(15);
    time_server_up_with(SILENT_UPSTREAM, "");
    struct packet p = plain();
    struct packet reply = ask(&p);
    cr_assert_eq(reply.data[0], 0xe4);
    cr_assert_eq(reply.data[1], 0);
    cr_assert_eq(memcmp(reply.data + 12, "INIT", 4), 0);
    cr_assert_lt(header_of(&reply).receive_time, header_of(&reply).transmit_time);

    p = query(&keys, 0);
    reply = ask(&p);
    struct nts_reply nts = open_reply(&p, &reply, &keys);
    cr_assert_eq(nts.header.leap, 3);
    cr_assert_eq(nts.header.stratum, 0);
    cr_assert_eq(nts.num_cookies, 1, "the client keeps its cookies");
    server_await_log(&time_server, "clock.unfit", 0);
}

/* Whether `text` is in the counters that the server logs now. */
static bool has_counted(const char *text)
{
    size_t from = server_log_end(&time_server);
    kill(time_server.pid, SIGUSR1);
    server_await_log(&time_server, "counters.transport", from);
    return strstr(time_server.log + from, text) != NULL;
}

OWN_SERVER_TEST(H_14_not_synchronised_is_silent_if_configured)
{
    time_server_up_with(SILENT_UPSTREAM, ", \"unsynchronised\": \"silent\"");
    struct packet p = plain();
    cr_assert_eq(send(ntp_fd, p.data, p.len, 0), (ssize_t)p.len);
    AWAIT(has_counted("unsynchronised=1"), "%s", time_server.log);
    cr_assert_eq(recv(ntp_fd, p.data, p.len, MSG_DONTWAIT), -1, "counted, and not answered");
}

OWN_SERVER_TEST(H_15_reference_id_of_stratum_1_is_ascii_and_below_it_an_address)
{
    struct server_process below[2];
    char config[512];
    struct packet p = plain();
    time_server_up_with(FIXED_CLOCK, "");
    struct packet reply = ask(&p);
    cr_assert_eq(header_of(&reply).reference_id, 0x47505300);

    /* Two below it, one over IPv4, one over IPv6 through a server that listens there too. */
    snprintf(config, sizeof(config),
             "{\"listen\": [\"[::1]:%u\"], \"keyring\": \"keyring.json\", \"workers\": 1, "
             "\"clock\": {\"source\": \"upstream\", \"server\": \"%s:%d\"}}",
             fixture_port, fixture_ip, FIXTURE_NTP_PORT);
    server_start(&below[0], "nts-time-server", config, "time.ready");
    server_await_log(&below[0], "clock.fit", 0);
    int fd = udp_connect("::1", (uint16_t)fixture_port, 0);
    reply = ask_on(fd, &p);
    union net_address address;
    cr_assert(address_parse(&address, fixture_ip, 1));
    cr_assert_eq(header_of(&reply).stratum, 2);
    cr_assert_eq(header_of(&reply).reference_id, ntohl(address.in.sin_addr.s_addr));
    close(fd);

    snprintf(config, sizeof(config),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"workers\": 1, "
             "\"clock\": {\"source\": \"upstream\", \"server\": \"[::1]:%u\"}}",
             fixture_ip, FIXTURE_NTP_PORT + 1, fixture_port);
    server_start(&below[1], "nts-time-server", config, "time.ready");
    server_await_log(&below[1], "clock.fit", 0);
    fd = udp_connect(fixture_ip, FIXTURE_NTP_PORT + 1, 0);
    reply = ask_on(fd, &p);
    uint8_t digest[MD5_DIGEST_LENGTH];
    const uint8_t loopback6[16] = {[15] = 1};
    MD5(loopback6, sizeof(loopback6), digest);
    cr_assert_eq(header_of(&reply).stratum, 3);
    cr_assert_eq(memcmp(reply.data + 12, digest, 4), 0);
    close(fd);
    server_stop(&below[1]);
    server_stop(&below[0]);
}

OWN_SERVER_TEST(H_16_reply_leaves_from_the_address_and_port_that_was_asked)
{
    struct server_process multihomed;
    char config[512];
    time_server_up_with(FIXED_CLOCK, "");
    snprintf(config, sizeof(config),
             "{\"listen\": [\"0.0.0.0:%u\", \"[::]:%u\"], \"keyring\": \"keyring.json\", "
             "\"transport\": \"%s\", \"clock\": " FIXED_CLOCK "}",
             fixture_port, fixture_port, fixture_transport());
    server_start(&multihomed, "nts-time-server", config, "time.ready");
    /* The sockets are connected: a reply from any other address or port does not arrive. */
    const uint16_t source_ports[] = {0, 123, 1024, 65535};
    const char *const addresses[] = {"127.0.0.1", fixture_ip, "::1"};
    for (size_t a = 0; a < 3; a++) {
        for (size_t s = 0; s < 4; s++) {
            int fd = udp_connect(addresses[a], (uint16_t)fixture_port, source_ports[s]);
            if (fd < 0) {
                continue; /* taken, or privileged and we are not */
            }
            struct packet p = plain();
            struct packet reply = ask_on(fd, &p);
            cr_assert_eq(reply.len, NTP_HEADER_LEN);
            close(fd);
        }
    }
    server_stop(&multihomed);
}

NTP_TEST(H_17_other_request_fields_do_not_matter)
{
    struct packet p = plain();
    struct packet first = ask(&p);
    for (int i = 0; i < 32; i++) {
        p = plain();
        RAND_bytes(p.data + 3, 37);
        RAND_bytes(p.data + 1, 1);
        p.data[0] = (uint8_t)(p.data[0] | i % 4 << 6); /* leap */
        struct packet reply = ask(&p);
        cr_assert_eq(reply.len, NTP_HEADER_LEN);
        cr_assert_arr_eq(reply.data, first.data, 8);
        cr_assert_arr_eq(reply.data + 12, first.data + 12, 4);
    }
}

NTP_TEST(H_18_legacy_mac_of_version_4_is_dropped)
{
    struct packet p = with_trailer(plain(), 20);
    assert_silence(&p);
    p = with_trailer(plain(), 24);
    assert_silence(&p);
}

NTP_TEST(H_19_crypto_nak_and_trailers_of_old_versions_are_dropped)
{
    struct packet p = with_trailer(plain(), 4);
    assert_silence(&p);
    const uint8_t first[] = {0x1b, 0x13, 0x0b};
    for (size_t i = 0; i < 3; i++) {
        p = with_trailer(plain_first(first[i]), 20);
        assert_silence(&p);
        p = plain_first(first[i]);
        put_field(&p, 0x4444, 24, 0);
        assert_silence(&p);
    }
}

NTP_TEST(H_20_datagrams_of_1280_octets_and_more_are_handled)
{
    const size_t lens[] = {1280, 1500, 2048};
    struct session_keys keys = session_keys_of(15);
    for (size_t i = 0; i < 3; i++) {
        struct packet p = {0};
        put_header(&p);
        put_unique_id(&p, 32);
        put_cookie(&p, &keys);
        put_field(&p, 0x4444, lens[i] - p.len - EF_HEADER_LEN - 40, 0);
        put_authenticator(&p, &keys);
        cr_assert_eq(p.len, lens[i]);
        assert_nts(&p, &keys, 1);
    }
    struct packet p = plain();
    put_field(&p, 0x4444, 2048 - 48, 0);
    assert_silence(&p); /* longer than any buffer of ours */
}

NTP_TEST(IL_01_interleaved_request_gets_a_basic_answer)
{
    struct packet p = plain();
    struct packet first = ask(&p);
    p = plain();
    memcpy(p.data + 24, first.data + 32, 8); /* origin: our last receive timestamp */
    RAND_bytes(p.data + 32, 8);
    struct packet reply = ask(&p);
    cr_assert_eq(memcmp(reply.data + 24, p.data + 40, 8), 0, "origin is the request's transmit");
    cr_assert_neq(memcmp(reply.data + 40, first.data + 40, 8), 0, "transmit is new");
}

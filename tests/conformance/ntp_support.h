/* Packets as a client of any kind may send them, and what the running time server answers. */
#ifndef NTS_CONFORMANCE_NTP_SUPPORT_H
#define NTS_CONFORMANCE_NTP_SUPPORT_H

#include "fixture.h"

#include "client/ntp_request.h"

#define PACKET_MAX_LEN 4096

struct packet {
    size_t len;
    uint8_t data[PACKET_MAX_LEN];
};

/* The clock of most tests. */
#define FIXED_CLOCK "{\"source\": \"fixed\", \"stratum\": 1, \"reference_id\": \"GPS\"}"

/* The time server of a test, on fixture_ip, with a keyring of FIXTURE_OLD_KEY and FIXTURE_NEW_KEY,
 * reference id GPS, and a socket that is connected to it. */
extern struct server_process time_server;
extern int ntp_fd;

/* time_server_up and time_server_down are .init and .fini of most tests. */
void time_server_up(void);
void time_server_down(void);

/* time_server_up_with starts one with other options: `options` is JSON members, each with a comma
 * in front, or empty. `keyring.json` has to be there. */
void time_server_up_with(const char *clock, const char *options);

/* udp_connect returns a socket connected to `ip`, from `source_port` (0: any); -1 if that port is
 * not to be had. */
int udp_connect(const char *ip, uint16_t port, uint16_t source_port);

/* The session of the client in a test: keys that no server was told but inside a cookie. */
struct session_keys session_keys_of(uint16_t aead_id);

/* Building blocks, in the order in which they stand in a packet. */
struct packet packet_of(const char *hex); /* octets as they are */
void put_header(struct packet *p);        /* H: 0x23, poll 6, precision 0x20, random transmit */
void put_field(struct packet *p, uint16_t type, size_t body_len, uint8_t fill);
void put_unique_id(struct packet *p, size_t len);                   /* counts up from 0x20 */
void put_cookie(struct packet *p, const struct session_keys *keys); /* under FIXTURE_NEW_KEY */
void put_cookie_of(struct packet *p, const struct session_keys *keys,
                   const struct master_key_spec *spec);
void put_placeholders(struct packet *p, const struct session_keys *keys, size_t num);
void put_authenticator(struct packet *p, const struct session_keys *keys);
void put_authenticator_with(struct packet *p, const struct session_keys *keys, size_t nonce_len,
                            size_t padding_len, const struct packet *plaintext);

/* query returns Q(num_placeholders): header, unique id, cookie, placeholders, authenticator. */
struct packet query(const struct session_keys *keys, size_t num_placeholders);

/* ask sends `packet` on ntp_fd and returns the reply, of length 0 for silence. Silence is proven by
 * a plain request behind it, whose reply comes first; more than one reply fails the test, and so
 * does a reply that is longer than the request. */
struct packet ask(const struct packet *packet);
struct packet ask_on(int fd, const struct packet *packet);

/* The header of a reply; fails the test if there is none. */
struct ntp_header header_of(const struct packet *reply);

/* assert_silence, assert_plain (48 octets, mode 4, the request's origin) and assert_nak (row
 * NAK-04, echoing `request`) say what came instead. */
void assert_silence(const struct packet *request);
void assert_plain(const struct packet *request);
void assert_nak(const struct packet *request);

/* What is inside an authentic NTS reply. */
struct nts_reply {
    struct ntp_header header;
    size_t len;
    size_t num_cookies;
    size_t cookie_len;
    uint8_t cookies[8][COOKIE_MAX_LEN];
    size_t nonce_len;
    uint8_t nonce[16];
};

/* assert_nts checks all that rows N-01, N-02, N-28 and N-29 ask of the reply to `request`, under
 * the S2C of `keys`, and fails the test unless it brings `num_cookies` cookies. */
struct nts_reply assert_nts(const struct packet *request, const struct session_keys *keys,
                            size_t num_cookies);
struct nts_reply open_reply(const struct packet *request, const struct packet *reply,
                            const struct session_keys *keys);

#define NTP_TEST(name)                                                                             \
    Test(conformance, name, .init = time_server_up, .fini = time_server_down,                      \
         .timeout = TEST_TIMEOUT_S)

#endif

/* NTS-KE dialogues with the running server: octets of the conformance matrix in, and a judgement of
 * every octet that comes back. */
#ifndef NTS_CONFORMANCE_KE_SUPPORT_H
#define NTS_CONFORMANCE_KE_SUPPORT_H

#include "fixture.h"

#include "client/cookie_jar.h"
#include "client/ke_connection.h"

/* The shorthand of the matrix. */
#define NP   "800100020000"
#define AE   "80040002000f"
#define EOM  "80000000"
#define ERR0 "80020002000080000000"
#define ERR1 "80020002000180000000"
#define ERR2 "80020002000280000000"

#define NO_PROTOCOL "8001000080000000"
#define NO_AEAD     "80010002000080040000" EOM

/* What an answer has in front of its cookies: OK15, and the same for other algorithms. */
#define OK15            NP AE
#define OK_AEAD(id_hex) NP "80040002" id_hex
#define R1024           "04000000" /* the record of that type */

#define KE_NUM_COOKIES 8

/* --- the server --- */

extern struct server_process ke_server;
extern struct server_process ke_time_server;

/* ke_open_files makes certificate and keyring (FIXTURE_OLD_KEY); ke_open starts the server on them
 * as well; ke_close stops what runs. .init and .fini of the tests. */
void ke_open_files(void);
void ke_open(void);
void ke_close(void);

/* ke_start starts the server on fixture_ip. `more` is more members for its configuration, each with
 * a comma before it. ke_configure only rewrites the configuration of the server that runs. */
void ke_start(const char *more);

/* ke_start_beside starts another one with the same configuration. */
void ke_start_beside(struct server_process *server, const char *more);
void ke_start_on(const char *listen_json, const char *more);
void ke_configure(const char *more);

/* ke_reload sends SIGHUP, waits for `text` in what the server logs then, and until it is true. */
void ke_reload(const char *text);

/* ke_replace_certificate makes server.crt and server.key anew, sends SIGHUP, and waits until the
 * server has loaded them. */
void ke_replace_certificate(void);

/* ke_rotate writes a keyring, waits until the servers that run have loaded it, and until their
 * workers use it. */
void ke_rotate(uint64_t generation, const struct master_key_spec *specs, size_t num);

/* ke_write_keyring writes the keyring of all servers; cookies are expected to open under it. */
void ke_write_keyring(uint64_t generation, const struct master_key_spec *specs, size_t num);

/* ke_start_time_server starts an NTP server on fixture_ip, with the same keyring. */
void ke_start_time_server(void);

/* --- one dialogue --- */

struct ke_dialog {
    struct ke_connection connection;
    size_t len;
    uint8_t answer[8192];
};

/* What server and client agreed on. */
struct ke_agreement {
    struct session_keys keys; /* as the client exported them */
    struct cookie_jar jar;
};

/* ke_options returns what a well-behaved client of the server uses. */
struct ke_connection_options ke_options(void);

/* ke_dialog_open does the handshake; NULL: as ke_options says. */
void ke_dialog_open(struct ke_dialog *dialog, const struct ke_connection_options *options);

/* ke_dialog_open_in_time repeats that until the handshake is done before a short deadline of the
 * server, which a busy machine may miss. */
void ke_dialog_open_in_time(struct ke_dialog *dialog);

/* ke_dialog_send sends octets in one TLS record (each 16384 of them). */
void ke_dialog_send(struct ke_dialog *dialog, const char *hex);

/* ke_dialog_finish reads to the end, which must be close_notify, then FIN, and no reset. */
void ke_dialog_finish(struct ke_dialog *dialog);

/* ke_dialog_expect finishes and closes; the answer must be exactly these octets, in one record. */
void ke_dialog_expect(struct ke_dialog *dialog, const char *answer_hex);

/* ke_dialog_agree finishes and closes; the answer must be, in one record, `head_hex` (Next
 * Protocol, AEAD and what else is expected), then KE_NUM_COOKIES distinct cookies of one length,
 * not critical, that open to the keys that the client exports, then End of Message, and nothing
 * else. */
struct ke_agreement ke_dialog_agree(struct ke_dialog *dialog, const char *head_hex);

/* The same for a connection with one request. */
void ke_expect(const char *request_hex, const char *answer_hex);
struct ke_agreement ke_agree(const char *request_hex, const char *head_hex);

/* ke_expect_ok15 is ke_agree with the answer to NP AE EOM. */
void ke_expect_ok15(const char *request_hex);

/* ke_await_service repeats NP AE EOM until the server has room for it. */
void ke_await_service(void);

/* ke_zeros returns `head_hex`, `num` zero octets, and `tail_hex`; valid until the next call. */
const char *ke_zeros(const char *head_hex, size_t num, const char *tail_hex);

/* --- beside NTS-KE --- */

/* ke_tcp_open connects without TLS and returns the socket. */
int ke_tcp_open(void);

/* ke_tcp_read_to_end reads until the server has closed; fails the test on a reset. Returns the
 * number of octets. */
size_t ke_tcp_read_to_end(int fd, uint8_t *data, size_t capacity);

/* ke_ask_time sends one NTP query with the oldest cookie, and returns what ntp_reply_check says of
 * the first datagram that comes back; new cookies go to the jar. */
enum nts_status ke_ask_time(struct ke_agreement *agreement);

/* KE_TEST is a row that a server with the usual configuration proves; KE_FILES_TEST one that starts
 * its own. */
#define KE_TEST(name)                                                                              \
    Test(conformance, name, .init = ke_open, .fini = ke_close, .timeout = TEST_TIMEOUT_S)
#define KE_FILES_TEST(name)                                                                        \
    Test(conformance, name, .init = ke_open_files, .fini = ke_close, .timeout = TEST_TIMEOUT_S)

#endif

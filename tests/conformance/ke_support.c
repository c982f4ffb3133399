#include "ke_support.h"

#include "base/cursor.h"
#include "client/ntp_client.h"
#include "support/octets.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_REQUEST_LEN 65536
#define TLS_RECORD_LEN  16384

struct server_process ke_server;
struct server_process ke_time_server;

static struct keyring *ring;

/* --- the server --- */

void ke_write_keyring(uint64_t generation, const struct master_key_spec *specs, size_t num)
{
    if (ring != NULL) {
        snapshot_unref(&ring->snapshot);
    }
    ring = keyring_create(generation, specs, num);
    cr_assert_not_null(ring);
    fixture_write_keyring(generation, specs, num);
}

void ke_open_files(void)
{
    fixture_open();
    fixture_write_certificate();
    struct master_key_spec spec =
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -7200, 86400);
    ke_write_keyring(1, &spec, 1);
}

void ke_open(void)
{
    ke_open_files();
    ke_start("");
}

void ke_close(void)
{
    if (ke_time_server.pid > 0) {
        server_stop(&ke_time_server);
    }
    if (ke_server.pid > 0) {
        server_stop(&ke_server);
    }
    fixture_close();
}

static const char *config_text(const char *listen_json, const char *more)
{
    static char text[4096];
    int len = snprintf(text, sizeof(text),
                       "{\"listen\": [%s], \"certificate\": \"server.crt\","
                       " \"private_key\": \"server.key\", \"keyring\": \"keyring.json\","
                       " \"workers\": 1%s}",
                       listen_json, more);
    cr_assert_lt(len, (int)sizeof(text));
    return text;
}

static const char *usual_listen(void)
{
    static char text[64];
    snprintf(text, sizeof(text), "\"%s:%d\"", fixture_ip, FIXTURE_KE_PORT);
    return text;
}

void ke_start_on(const char *listen_json, const char *more)
{
    server_start(&ke_server, "nts-ke-server", config_text(listen_json, more), "ke.ready");
}

void ke_start_beside(struct server_process *server, const char *more)
{
    server_start(server, "nts-ke-server", config_text(usual_listen(), more), "ke.ready");
}

void ke_start(const char *more)
{
    ke_start_on(usual_listen(), more);
}

void ke_configure(const char *more)
{
    fixture_write(ke_server.config_name, config_text(usual_listen(), more));
}

void ke_reload(const char *text)
{
    size_t from = server_log_end(&ke_server);
    cr_assert_eq(kill(ke_server.pid, SIGHUP), 0);
    server_await_log(&ke_server, text, from);
}

void ke_replace_certificate(void)
{
    size_t from = server_log_end(&ke_server); /* it may see the file before the signal */
    fixture_write_certificate();
    cr_assert_eq(kill(ke_server.pid, SIGHUP), 0);
    server_await_log(&ke_server, "certificate.loaded", from);
}

void ke_rotate(uint64_t generation, const struct master_key_spec *specs, size_t num)
{
    struct server_process *const servers[] = {&ke_server, &ke_time_server};
    size_t from[] = {ke_server.pid > 0 ? server_log_end(&ke_server) : 0,
                     ke_time_server.pid > 0 ? server_log_end(&ke_time_server) : 0};
    ke_write_keyring(generation, specs, num);
    for (int i = 0; i < 2; i++) {
        if (servers[i]->pid > 0) {
            server_await_log(servers[i], "keyring.loaded", from[i]);
        }
    }
}

void ke_start_time_server(void)
{
    char text[512];
    snprintf(text, sizeof(text),
             "{\"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"workers\": 1,"
             " \"transport\": \"%s\","
             " \"clock\": {\"source\": \"fixed\", \"stratum\": 1, \"reference_id\": \"TEST\"}}",
             fixture_ip, FIXTURE_NTP_PORT, fixture_transport());
    server_start(&ke_time_server, "nts-time-server", text, "time.ready");
}

/* --- one dialogue --- */

struct ke_connection_options ke_options(void)
{
    static char ca_file[128];
    snprintf(ca_file, sizeof(ca_file), "%s", fixture_path("server.crt"));
    return (struct ke_connection_options){
        .host = fixture_ip, .port = FIXTURE_KE_PORT, .family = AF_INET, .ca_file = ca_file};
}

void ke_dialog_open(struct ke_dialog *dialog, const struct ke_connection_options *options)
{
    struct error error = {0};
    struct ke_connection_options usual = ke_options();
    enum nts_status status =
        ke_connection_open(&dialog->connection, options != NULL ? options : &usual,
                           deadline_in_ms(PATIENCE_MS), &error);
    cr_assert_eq(status, NTS_OK, "%s", error.text);
}

void ke_dialog_send(struct ke_dialog *dialog, const char *hex)
{
    static uint8_t octets[MAX_REQUEST_LEN];
    size_t len = strlen(hex) / 2;
    cr_assert_leq(len, sizeof(octets));
    cr_assert(hex_decode(octets, len, hex), "not hexadecimal: %s", hex);
    for (size_t at = 0; at < len; at += TLS_RECORD_LEN) {
        struct error error = {0};
        size_t record_len = len - at < TLS_RECORD_LEN ? len - at : TLS_RECORD_LEN;
        enum nts_status status = ke_connection_write(&dialog->connection, octets + at, record_len,
                                                     deadline_in_ms(PATIENCE_MS), &error);
        cr_assert_eq(status, NTS_OK, "%s", error.text);
    }
}

size_t ke_tcp_read_to_end(int fd, uint8_t *data, size_t capacity)
{
    int64_t deadline_ns = deadline_in_ms(PATIENCE_MS);
    for (size_t len = 0;;) {
        cr_assert(deadline_wait(fd, POLLIN, deadline_ns), "the server does not close");
        ssize_t got = recv(fd, data + len, capacity - len, 0);
        cr_assert_geq(got, 0, "%s", strerror(errno));
        len += (size_t)got;
        cr_assert_lt(len, capacity, "more than %zu octets", capacity);
        if (got == 0) {
            return len;
        }
    }
}

void ke_dialog_finish(struct ke_dialog *dialog)
{
    struct error error = {0};
    uint8_t behind[64];
    enum ke_read_end end =
        ke_connection_read_all(&dialog->connection, dialog->answer, &dialog->len,
                               sizeof(dialog->answer), deadline_in_ms(PATIENCE_MS), &error);
    cr_assert_eq(end, KE_READ_CLOSE_NOTIFY, "no close_notify after %zu octets: %s", dialog->len,
                 error.text);
    cr_assert_eq(ke_tcp_read_to_end(dialog->connection.fd, behind, sizeof(behind)), 0,
                 "octets behind close_notify");
}

static void assert_one_record(const struct ke_dialog *dialog)
{
    cr_assert_eq(dialog->connection.num_data_records, 1, "%u TLS records for one answer",
                 dialog->connection.num_data_records);
}

void ke_dialog_expect(struct ke_dialog *dialog, const char *answer_hex)
{
    char got[2 * sizeof(dialog->answer) + 1];
    ke_dialog_finish(dialog);
    hex_encode(got, dialog->answer, dialog->len);
    cr_assert_str_eq(got, answer_hex, "the answer is %s, not %s", got, answer_hex);
    assert_one_record(dialog);
    ke_connection_close(&dialog->connection);
}

/* The keys as RFC 8915, section 5.1 has them, spelled out again: these tests are what the code of
 * server and client is held against. */
static struct session_keys export_keys(SSL *ssl, uint16_t aead_id)
{
    struct session_keys keys = {.aead = aead_find(aead_id)};
    uint8_t context[5] = {0, 0, (uint8_t)(aead_id >> 8), (uint8_t)aead_id, 0};
    cr_assert_not_null(keys.aead);
    for (int direction = 0; direction < 2; direction++) {
        context[4] = (uint8_t)direction;
        cr_assert_eq(SSL_export_keying_material(
                         ssl, direction == 0 ? keys.c2s : keys.s2c, keys.aead->key_len,
                         "EXPORTER-network-time-security", 30, context, sizeof(context), 1),
                     1);
    }
    return keys;
}

static void assert_cookie_opens(const uint8_t *cookie, size_t len, const struct session_keys *keys)
{
    struct cookie_open_job job = {.cookie = cookie, .cookie_len = len};
    cookie_open_batch(ring, &job, 1, real_time_ns() / NS_PER_S);
    cr_assert_eq(job.status, NTS_OK, "cookie: %s", status_text(job.status));
    cr_assert_eq(job.keys.aead, keys->aead);
    cr_assert_arr_eq(job.keys.c2s, keys->c2s, keys->aead->key_len);
    cr_assert_arr_eq(job.keys.s2c, keys->s2c, keys->aead->key_len);
}

/* Judges the `len` octets behind the head. */
static void take_cookies(struct ke_agreement *agreement, const uint8_t *at, size_t len)
{
    cr_assert_gt(len, 4);
    size_t cookie_len = load_u16(at + 2);
    size_t stride = 4 + cookie_len;
    cr_assert(cookie_len % 4 == 0 && cookie_len >= 12 && cookie_len <= 192, "%zu", cookie_len);
    cr_assert_eq(len, KE_NUM_COOKIES * stride + 4, "%zu octets of cookies and End of Message", len);
    for (size_t i = 0; i < KE_NUM_COOKIES; i++) {
        const uint8_t *record = at + i * stride;
        cr_assert_eq(load_u16(record), 0x0005);
        cr_assert_eq(load_u16(record + 2), cookie_len);
        for (size_t j = 0; j < i; j++) {
            cr_assert_neq(memcmp(at + j * stride, record, stride), 0, "cookies %zu, %zu", j, i);
        }
        assert_cookie_opens(record + 4, cookie_len, &agreement->keys);
        cr_assert(cookie_jar_put(&agreement->jar, record + 4, cookie_len));
    }
    assert_octets(at + KE_NUM_COOKIES * stride, 4, EOM);
}

struct ke_agreement ke_dialog_agree(struct ke_dialog *dialog, const char *head_hex)
{
    struct octets head = octets_of(head_hex);
    char got[2 * sizeof(dialog->answer) + 1];
    ke_dialog_finish(dialog);
    hex_encode(got, dialog->answer, dialog->len);
    cr_assert(dialog->len >= head.len && strncmp(got, head_hex, 2 * head.len) == 0,
              "the answer is %s, which does not begin with %s", got, head_hex);
    assert_one_record(dialog);

    /* Next Protocol with one number, then the AEAD record with one: it ends at octet 12. */
    struct ke_agreement agreement = {
        .keys = export_keys(dialog->connection.ssl, load_u16(head.data + 10))};
    take_cookies(&agreement, dialog->answer + head.len, dialog->len - head.len);
    ke_connection_close(&dialog->connection);
    return agreement;
}

void ke_expect(const char *request_hex, const char *answer_hex)
{
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, request_hex);
    ke_dialog_expect(&dialog, answer_hex);
}

struct ke_agreement ke_agree(const char *request_hex, const char *head_hex)
{
    struct ke_dialog dialog;
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, request_hex);
    return ke_dialog_agree(&dialog, head_hex);
}

void ke_expect_ok15(const char *request_hex)
{
    ke_agree(request_hex, OK15);
}

static bool try_to_open(struct ke_dialog *dialog, const struct ke_connection_options *options,
                        struct error *error)
{
    if (ke_connection_open(&dialog->connection, options, deadline_in_ms(PATIENCE_MS), error) ==
        NTS_OK) {
        return true;
    }
    ke_connection_close(&dialog->connection);
    return false;
}

void ke_dialog_open_in_time(struct ke_dialog *dialog)
{
    struct ke_connection_options options = ke_options();
    struct error error = {0};
    AWAIT(try_to_open(dialog, &options, &error), "no handshake: %s", error.text);
}

void ke_await_service(void)
{
    struct ke_connection_options options = ke_options();
    struct ke_dialog dialog;
    struct error error = {0};
    AWAIT(try_to_open(&dialog, &options, &error), "no room for another client: %s", error.text);
    ke_dialog_send(&dialog, NP AE EOM);
    ke_dialog_agree(&dialog, OK15);
}

const char *ke_zeros(const char *head_hex, size_t num, const char *tail_hex)
{
    static char text[2 * MAX_REQUEST_LEN + 1];
    int len = snprintf(text, sizeof(text), "%s%0*d%s", head_hex, (int)(2 * num), 0, tail_hex);
    cr_assert_lt(len, (int)sizeof(text));
    return text;
}

/* --- beside NTS-KE --- */

int ke_tcp_open(void)
{
    int fd;
    union net_address peer;
    struct error error;
    const struct ke_endpoint endpoint = {fixture_ip, FIXTURE_KE_PORT, AF_INET};
    cr_assert_eq(ke_tcp_connect(&fd, &peer, &endpoint, deadline_in_ms(PATIENCE_MS), &error), NTS_OK,
                 "%s", error.text);
    return fd;
}

enum nts_status ke_ask_time(struct ke_agreement *agreement)
{
    static struct ntp_request request;
    union net_address server;
    struct client_cookie cookie;
    struct ntp_reply reply;
    struct error error;
    uint8_t data[2048];
    size_t len;
    int64_t received_ns;
    int fd;
    cr_assert(cookie_jar_take(&agreement->jar, &cookie));
    request = (struct ntp_request){
        .keys = &agreement->keys, .cookie = cookie.octets, .cookie_len = cookie.len};
    ntp_request_randomise(&request);
    cr_assert_eq(ntp_request_build(&request), NTS_OK);
    cr_assert(address_parse(&server, fixture_ip, FIXTURE_NTP_PORT));
    cr_assert_eq(ntp_socket_open(&fd, &server, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(send(fd, request.packet, request.len, 0), (ssize_t)request.len);
    cr_assert_eq(
        ntp_socket_receive(fd, data, &len, sizeof(data), &received_ns, deadline_in_ms(PATIENCE_MS)),
        NTS_OK);
    close(fd);
    return ntp_reply_check(&reply, &agreement->jar, &request, data, len);
}

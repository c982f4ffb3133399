#include "ntp_support.h"

#include "base/hex.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct server_process time_server;
int ntp_fd = -1;

/* The kernel closes the sockets of a ring some time after the process that had it has ended; until
 * then they get a share of what is sent to the address. */
static bool is_free_address(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(FIXTURE_NTP_PORT)};
    cr_assert_eq(inet_pton(AF_INET, fixture_ip, &address.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int result = bind(fd, (struct sockaddr *)&address, sizeof(address));
    close(fd);
    return result == 0;
}

void time_server_up_with(const char *clock, const char *options)
{
    AWAIT(is_free_address(), "another process listens on %s", fixture_ip);
    char config[1024];
    snprintf(config, sizeof(config),
             "{ \"listen\": [\"%s:%d\"], \"keyring\": \"keyring.json\", \"workers\": 1, "
             "\"transport\": \"%s\", \"clock\": %s%s }",
             fixture_ip, FIXTURE_NTP_PORT, fixture_transport(), clock, options);
    server_start(&time_server, "nts-time-server", config, "time.ready");
    ntp_fd = udp_connect(fixture_ip, FIXTURE_NTP_PORT, 0);
    cr_assert_geq(ntp_fd, 0);
}

void time_server_up(void)
{
    const struct master_key_spec specs[] = {
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_SIV, -2000, 10000),
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000),
    };
    fixture_open();
    fixture_write_keyring(1, specs, 2);
    time_server_up_with(FIXED_CLOCK, "");
}

void time_server_down(void)
{
    close(ntp_fd);
    server_stop(&time_server);
    fixture_close();
}

int udp_connect(const char *ip, uint16_t port, uint16_t source_port)
{
    union net_address address;
    union net_address source = {0};
    cr_assert(address_parse(&address, ip, port));
    source.sa.sa_family = address.sa.sa_family;
    if (address.sa.sa_family == AF_INET6) {
        source.in6.sin6_port = htons(source_port);
    } else {
        source.in.sin_port = htons(source_port);
    }
    int fd = socket(address.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    if (bind(fd, &source.sa, address_len(&source)) != 0) {
        close(fd);
        return -1;
    }
    cr_assert_eq(connect(fd, &address.sa, address_len(&address)), 0);
    return fd;
}

struct session_keys session_keys_of(uint16_t aead_id)
{
    struct session_keys keys = {.aead = aead_find(aead_id)};
    memset(keys.c2s, 0xc2, keys.aead->key_len);
    memset(keys.s2c, 0x52, keys.aead->key_len);
    return keys;
}

struct packet packet_of(const char *hex)
{
    struct packet p = {.len = strlen(hex) / 2};
    cr_assert(hex_decode(p.data, p.len, hex), "not hexadecimal: %s", hex);
    return p;
}

/* A writer behind what the packet holds already. */
static struct writer writer_behind(struct packet *p)
{
    struct writer w = writer_over(p->data, sizeof(p->data));
    write_space(&w, p->len);
    return w;
}

static void keep_written(struct packet *p, const struct writer *w)
{
    cr_assert_eq(writer_status(w), NTS_OK);
    p->len = writer_len(w);
}

void put_header(struct packet *p)
{
    struct writer w = writer_behind(p);
    uint8_t *space = write_space(&w, NTP_HEADER_LEN);
    memset(space, 0, NTP_HEADER_LEN);
    memcpy(space, "\x23\x00\x06\x20", 4);
    RAND_bytes(space + 40, 8);
    keep_written(p, &w);
}

void put_field(struct packet *p, uint16_t type, size_t body_len, uint8_t fill)
{
    struct writer w = writer_behind(p);
    uint8_t *body = ext_field_write_space(&w, type, body_len);
    keep_written(p, &w);
    memset(body, fill, body_len);
}

void put_unique_id(struct packet *p, size_t len)
{
    size_t at = p->len + EF_HEADER_LEN;
    put_field(p, EF_UNIQUE_IDENTIFIER, len, 0);
    for (size_t i = 0; i < len; i++) {
        p->data[at + i] = (uint8_t)(0x20 + i);
    }
}

void put_cookie_of(struct packet *p, const struct session_keys *keys,
                   const struct master_key_spec *spec)
{
    uint8_t cookie[COOKIE_MAX_LEN];
    size_t len = fixture_seal(cookie, spec, keys);
    struct writer w = writer_behind(p);
    ext_field_write(&w, EF_NTS_COOKIE, cookie, len);
    keep_written(p, &w);
}

void put_cookie(struct packet *p, const struct session_keys *keys)
{
    struct master_key_spec spec = fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, 0, 1);
    put_cookie_of(p, keys, &spec);
}

void put_placeholders(struct packet *p, const struct session_keys *keys, size_t num)
{
    for (size_t i = 0; i < num; i++) {
        put_field(p, EF_NTS_COOKIE_PLACEHOLDER,
                  key_layout_cookie_len(KEY_LAYOUT_CHRONY_SIV, keys->aead), 0);
    }
}

void put_authenticator_with(struct packet *p, const struct session_keys *keys, size_t nonce_len,
                            size_t padding_len, const struct packet *plaintext)
{
    uint8_t nonce[256];
    RAND_bytes(nonce, sizeof(nonce));
    struct writer w = writer_behind(p);
    const struct ntp_sealing sealing = {
        .nonce = nonce,
        .nonce_len = nonce_len,
        .plaintext = plaintext != NULL ? plaintext->data : NULL,
        .plaintext_len = plaintext != NULL ? plaintext->len : 0,
        .padding_len = padding_len,
    };
    ntp_authenticator_write(&w, keys, &sealing);
    keep_written(p, &w);
}

void put_authenticator(struct packet *p, const struct session_keys *keys)
{
    put_authenticator_with(p, keys, keys->aead->nonce_len, 0, NULL);
}

struct packet query(const struct session_keys *keys, size_t num_placeholders)
{
    struct packet p = {0};
    put_header(&p);
    put_unique_id(&p, 32);
    put_cookie(&p, keys);
    put_placeholders(&p, keys, num_placeholders);
    put_authenticator(&p, keys);
    return p;
}

static struct packet receive(int fd)
{
    struct packet p;
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1, "the server is silent altogether:\n%s",
                 time_server.log);
    ssize_t len = recv(fd, p.data, sizeof(p.data), 0);
    cr_assert_geq(len, 0, "%s", strerror(errno));
    p.len = (size_t)len;
    return p;
}

static void send_packet(int fd, const struct packet *packet)
{
    cr_assert_eq(send(fd, packet->data, packet->len, 0), (ssize_t)packet->len, "%s",
                 strerror(errno));
}

struct packet ask_on(int fd, const struct packet *packet)
{
    /* One socket of the server sees both, in order: when the second is answered, the first has been
     * dealt with. */
    struct packet sentinel = {0};
    put_header(&sentinel);
    send_packet(fd, packet);
    send_packet(fd, &sentinel);
    struct packet reply = {0};
    for (;;) {
        struct packet p = receive(fd);
        if (p.len == NTP_HEADER_LEN && memcmp(p.data + 24, sentinel.data + 40, 8) == 0) {
            return reply;
        }
        cr_assert_eq(reply.len, 0, "two replies to one request");
        cr_assert_gt(p.len, 0);
        cr_assert_leq(p.len, packet->len, "the reply is longer than the request (AMP-01)");
        reply = p;
    }
}

struct packet ask(const struct packet *packet)
{
    return ask_on(ntp_fd, packet);
}

struct ntp_header header_of(const struct packet *reply)
{
    struct ntp_header header;
    cr_assert_geq(reply->len, NTP_HEADER_LEN, "no reply");
    ntp_header_read(&header, reply->data);
    return header;
}

void assert_silence(const struct packet *request)
{
    struct packet reply = ask(request);
    cr_assert_eq(reply.len, 0, "a reply of %zu octets, first %#x", reply.len, reply.data[0]);
}

void assert_plain(const struct packet *request)
{
    struct packet reply = ask(request);
    struct ntp_header header = header_of(&reply);
    cr_assert_eq(reply.len, NTP_HEADER_LEN);
    cr_assert_eq(header.mode, NTP_MODE_SERVER);
    cr_assert_eq(header.stratum, 1);
    cr_assert_eq(memcmp(reply.data + 24, request->data + 40, 8), 0, "origin");
}

/* The body of the first unique identifier field of a request, in *len its length. */
static const uint8_t *find_unique_id(const struct packet *request, size_t *len)
{
    struct reader r = reader_over(request->data + NTP_HEADER_LEN, request->len - NTP_HEADER_LEN);
    struct ext_field field;
    while (reader_more(&r) && ext_field_next(&r, &field, request->data)) {
        if (field.type == EF_UNIQUE_IDENTIFIER) {
            *len = field.body_len;
            return field.body;
        }
    }
    return NULL;
}

void assert_nak(const struct packet *request)
{
    struct packet reply = ask(request);
    struct ntp_header header = header_of(&reply);
    size_t len = 0;
    const uint8_t *unique_id = find_unique_id(request, &len);
    cr_assert_eq(header.leap, 3);
    cr_assert_eq(header.version, 4);
    cr_assert_eq(header.mode, NTP_MODE_SERVER);
    cr_assert_eq(header.stratum, 0);
    cr_assert_eq(header.reference_id, NTP_KISS_NTSN);
    cr_assert_eq(memcmp(reply.data + 24, request->data + 40, 8), 0, "origin");
    cr_assert_eq(reply.len, NTP_HEADER_LEN + EF_HEADER_LEN + len, "and nothing else");
    cr_assert_eq(load_u16(reply.data + 48), EF_UNIQUE_IDENTIFIER);
    cr_assert_eq(memcmp(reply.data + 52, unique_id, len), 0);
}

static void take_cookies(struct nts_reply *out, const uint8_t *plaintext, size_t len)
{
    struct reader r = reader_over(plaintext, len);
    struct ext_field field;
    while (reader_more(&r)) {
        cr_assert(ext_field_next_encrypted(&r, &field));
        cr_assert_eq(field.type, EF_NTS_COOKIE, "only cookies are inside (N-27)");
        cr_assert_lt(out->num_cookies, 8);
        cr_assert_leq(field.body_len, COOKIE_MAX_LEN);
        out->cookie_len = field.body_len;
        memcpy(out->cookies[out->num_cookies++], field.body, field.body_len);
    }
}

struct nts_reply open_reply(const struct packet *request, const struct packet *reply,
                            const struct session_keys *keys)
{
    struct nts_reply out = {.header = header_of(reply), .len = reply->len};
    struct ext_field field;
    struct authenticator a;
    uint8_t plaintext[PACKET_MAX_LEN];
    size_t unique_id_len = 0;
    const uint8_t *unique_id = find_unique_id(request, &unique_id_len);
    struct reader r = reader_over(reply->data + NTP_HEADER_LEN, reply->len - NTP_HEADER_LEN);

    cr_assert(ext_field_next(&r, &field, reply->data), "%zu octets", reply->len);
    cr_assert_eq(field.type, EF_UNIQUE_IDENTIFIER, "first (Q-16), in clear (N-02)");
    cr_assert_eq(field.body_len, unique_id_len);
    cr_assert_eq(memcmp(field.body, unique_id, unique_id_len), 0);
    cr_assert(ext_field_next(&r, &field, reply->data));
    cr_assert_eq(field.type, EF_NTS_AUTHENTICATOR, "and no cookie in clear (N-29)");
    cr_assert_not(reader_more(&r), "the last field (N-28)");
    cr_assert_eq(authenticator_parse(&a, field.body, field.body_len), NTS_OK);
    cr_assert_eq(a.nonce_len, keys->aead->nonce_len, "N-27");
    cr_assert_eq(field.body_len, 4 + a.nonce_len + a.ciphertext_len, "no padding (N-28)");
    struct aead_job job = {.aead = keys->aead,
                           .key = keys->s2c,
                           .out = plaintext,
                           .nonce = a.nonce,
                           .nonce_len = a.nonce_len,
                           .ad = reply->data,
                           .ad_len = field.offset,
                           .in = a.ciphertext,
                           .in_len = a.ciphertext_len};
    aead_open_batch(&job, 1);
    cr_assert_eq(job.status, NTS_OK, "the tag does not verify under S2C");
    out.nonce_len = a.nonce_len;
    memcpy(out.nonce, a.nonce, a.nonce_len);
    take_cookies(&out, plaintext, a.ciphertext_len - AEAD_TAG_LEN);
    return out;
}

struct nts_reply assert_nts(const struct packet *request, const struct session_keys *keys,
                            size_t num_cookies)
{
    struct packet reply = ask(request);
    struct nts_reply out = open_reply(request, &reply, keys);
    cr_assert_eq(out.header.mode, NTP_MODE_SERVER);
    cr_assert_eq(out.header.version, 4);
    cr_assert_eq(out.header.stratum, 1);
    cr_assert_eq(memcmp(reply.data + 24, request->data + 40, 8), 0, "origin");
    cr_assert_eq(out.num_cookies, num_cookies);
    return out;
}

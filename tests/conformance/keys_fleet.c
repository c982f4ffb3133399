/* nts-keys verify --fleet, asking real time servers. */
#include "ntp_support.h"

#include "base/clock_time.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define UPCOMING_KEY     UINT32_C(0xcccc0002)
#define ACTIVE_IN_S      (22 * 3600 + 1800)
#define LACKING_PORT     4124
#define DEAD_PORT        4125
#define SILENT_PORT      4126
#define PLAIN_PORT       4127
#define NUM_ALL_KEYS     4
#define VERIFY_ARGUMENTS "verify --keyring full.json --fleet fleet.txt "

static struct server_process full_server;
static struct server_process lacking_server;
static json_t *nodes; /* of the last verify_json */

static void keep_keyring_as(const char *name)
{
    cr_assert_eq(rename(fixture_path("keyring.json"), fixture_path(name)), 0);
}

/* full.json has an expired key too; lacking.json lacks the upcoming one, other.json knows it by
 * another secret. */
static void write_keyrings(void)
{
    struct master_key_spec specs[NUM_ALL_KEYS] = {
        fixture_spec(UINT32_C(0x99990003), KEY_LAYOUT_CHRONY_SIV, -4000, -10),
        fixture_spec(FIXTURE_OLD_KEY, KEY_LAYOUT_CHRONY_GCMSIV, -2000, 10000),
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_NETNOD, -1000, 10000),
        fixture_spec(UPCOMING_KEY, KEY_LAYOUT_CHRONY_SIV, ACTIVE_IN_S, 200000),
    };
    fixture_write_keyring(2, specs, NUM_ALL_KEYS);
    keep_keyring_as("full.json");
    fixture_write_keyring(1, specs, NUM_ALL_KEYS - 1);
    keep_keyring_as("lacking.json");
    specs[NUM_ALL_KEYS - 1].secret[0] ^= 1;
    fixture_write_keyring(2, specs, NUM_ALL_KEYS);
    keep_keyring_as("other.json");
}

static void start_server(struct server_process *server, const char *listen, const char *keyring)
{
    char config[512];
    snprintf(config, sizeof(config),
             "{ \"listen\": [%s], \"keyring\": \"%s\", \"workers\": 1, \"transport\": \"%s\", "
             "\"clock\": " FIXED_CLOCK " }",
             listen, keyring, fixture_transport());
    server_start(server, "nts-time-server", config, "time.ready");
}

/* A server with every key, on IPv4 and IPv6, and one with `keyring`. */
static void start_servers(const char *keyring)
{
    char listen[128];
    snprintf(listen, sizeof(listen), "\"%s:%d\", \"[::1]:%u\"", fixture_ip, FIXTURE_NTP_PORT,
             fixture_port);
    start_server(&full_server, listen, "full.json");
    snprintf(listen, sizeof(listen), "\"%s:%d\"", fixture_ip, LACKING_PORT);
    start_server(&lacking_server, listen, keyring);
}

static void fleet_up(void)
{
    fixture_open();
    write_keyrings();
}

static void fleet_down(void)
{
    json_decref(nodes);
    server_stop(&full_server);
    server_stop(&lacking_server);
    fixture_close();
}

static void write_fleet(const int *ports, size_t num)
{
    char text[512];
    int len = snprintf(text, sizeof(text), "# the farm\n");
    for (size_t i = 0; i < num; i++) {
        len += snprintf(text + len, sizeof(text) - (size_t)len, "%s:%d\n", fixture_ip, ports[i]);
    }
    fixture_write("fleet.txt", text);
}

static void verify_json(int exit_status)
{
    json_error_t error;
    fixture_assert_run("nts-keys", VERIFY_ARGUMENTS "--json >verify.json", exit_status, "");
    json_t *root = json_load_file(fixture_path("verify.json"), 0, &error);
    cr_assert_not_null(root, "%s", error.text);
    const char *result = json_string_value(json_object_get(root, "result"));
    cr_assert_not_null(result);
    cr_assert_eq(strcmp(result, "failed") == 0, exit_status == 1, "%s", result);
    nodes = json_incref(json_object_get(root, "fleet"));
    cr_assert(json_is_array(nodes));
    json_decref(root);
}

static json_t *member_of(size_t at, const char *name)
{
    json_t *value = json_object_get(json_array_get(nodes, at), name);
    cr_assert_not_null(value, "node %zu has no %s", at, name);
    return value;
}

/* Fails the test unless the node is there in that state, with so many keys that it opens. */
static void assert_node(size_t at, const char *address, int port, const char *state, int num_opened)
{
    cr_assert_str_eq(json_string_value(member_of(at, "address")), address);
    cr_assert_eq(json_integer_value(member_of(at, "port")), port);
    cr_assert_str_eq(json_string_value(member_of(at, "state")), state, "node %zu: %s", at,
                     json_string_value(member_of(at, "reason")));
    cr_assert_eq(json_integer_value(member_of(at, "keys_opened")), num_opened);
}

static void assert_lacks_upcoming(size_t at)
{
    const json_t *lacks = member_of(at, "lacks");
    cr_assert_eq(json_array_size(lacks), 1);
    const json_t *key = json_array_get(lacks, 0);
    cr_assert_str_eq(json_string_value(json_object_get(key, "id")), "cccc0002");
    cr_assert_str_eq(json_string_value(json_object_get(key, "state")), "upcoming");
    json_int_t in_s = json_integer_value(json_object_get(key, "activates_in_s"));
    cr_assert(in_s > ACTIVE_IN_S - 60 && in_s <= ACTIVE_IN_S, "%d", (int)in_s);
}

static void assert_reason(size_t at, const char *text)
{
    const char *reason = json_string_value(member_of(at, "reason"));
    cr_assert(reason != NULL && strstr(reason, text) != NULL, "no '%s' in '%s'", text, reason);
}

#define FLEET_TEST(name)                                                                           \
    Test(keys_fleet, name, .init = fleet_up, .fini = fleet_down, .timeout = TEST_TIMEOUT_S)

FLEET_TEST(is_in_order_when_every_node_opens_every_key_that_lives)
{
    char fleet[128];
    start_servers("full.json");
    snprintf(fleet, sizeof(fleet), "%s:%d\n[::1]:%u\n%s:%d # the other\n", fixture_ip,
             FIXTURE_NTP_PORT, fixture_port, fixture_ip, LACKING_PORT);
    fixture_write("fleet.txt", fleet);
    verify_json(0);
    cr_assert_eq(json_array_size(nodes), 3);
    assert_node(0, fixture_ip, FIXTURE_NTP_PORT, "ok", NUM_ALL_KEYS - 1);
    assert_node(1, "::1", (int)fixture_port, "ok", NUM_ALL_KEYS - 1);
    assert_node(2, fixture_ip, LACKING_PORT, "ok", NUM_ALL_KEYS - 1);
    cr_assert_eq(json_array_size(member_of(0, "lacks")), 0);
    cr_assert(json_is_null(member_of(0, "reason")));
    fixture_assert_run("nts-keys", VERIFY_ARGUMENTS, 0,
                       "3 nodes, 3 keys: 3 in order, 0 lack keys, 0 do not answer");
}

FLEET_TEST(finds_who_lacks_the_upcoming_key)
{
    static const int ports[] = {FIXTURE_NTP_PORT, LACKING_PORT};
    start_servers("lacking.json");
    write_fleet(ports, 2);
    verify_json(1);
    assert_node(0, fixture_ip, FIXTURE_NTP_PORT, "ok", NUM_ALL_KEYS - 1);
    assert_node(1, fixture_ip, LACKING_PORT, "lacks", NUM_ALL_KEYS - 2);
    assert_lacks_upcoming(1);
    fixture_assert_run("nts-keys", VERIFY_ARGUMENTS, 1, "lacks cccc0002 (activates in 22 h");
    fixture_assert_run("nts-keys", VERIFY_ARGUMENTS, 1, ": clients will get NAKs from then)");
}

FLEET_TEST(finds_who_has_another_secret_under_the_id)
{
    static const int ports[] = {LACKING_PORT};
    start_servers("other.json");
    write_fleet(ports, 1);
    verify_json(1);
    assert_node(0, fixture_ip, LACKING_PORT, "lacks", NUM_ALL_KEYS - 2);
    assert_lacks_upcoming(0);
}

/* A socket on fixture_ip that nobody reads from. */
static int bind_udp(uint16_t port)
{
    union net_address address;
    cr_assert(address_parse(&address, fixture_ip, port));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &address.sa, address_len(&address)), 0);
    return fd;
}

/* A time server without NTS: the request's extension fields mean nothing to it. */
static void *answer_plainly(void *arg)
{
    uint8_t packet[PACKET_MAX_LEN];
    union net_address client;
    socklen_t client_len = sizeof(client);
    int fd = *(int *)arg;
    while (recvfrom(fd, packet, sizeof(packet), 0, &client.sa, &client_len) > 0) {
        struct ntp_header request;
        ntp_header_read(&request, packet);
        struct ntp_header reply = {.version = 4,
                                   .mode = NTP_MODE_SERVER,
                                   .stratum = 1,
                                   .origin_time = request.transmit_time};
        ntp_header_write(packet, &reply);
        sendto(fd, packet, NTP_HEADER_LEN, 0, &client.sa, client_len);
    }
    return NULL;
}

FLEET_TEST(tells_who_does_not_answer_and_who_does_not_speak_nts)
{
    static const int ports[] = {FIXTURE_NTP_PORT, DEAD_PORT, SILENT_PORT, PLAIN_PORT};
    pthread_t thread;
    int silent_fd = bind_udp(SILENT_PORT);
    int plain_fd = bind_udp(PLAIN_PORT);
    start_servers("full.json");
    write_fleet(ports, 4);
    cr_assert_eq(pthread_create(&thread, NULL, answer_plainly, &plain_fd), 0);
    int64_t start_ns = mono_time_ns();
    verify_json(1);
    /* Two tries of a second each and no more, and all nodes at the same time. */
    cr_assert_lt(mono_time_ns() - start_ns, 6 * NS_PER_S);
    cr_assert_eq(json_array_size(nodes), 4);
    assert_node(0, fixture_ip, FIXTURE_NTP_PORT, "ok", NUM_ALL_KEYS - 1);
    assert_node(1, fixture_ip, DEAD_PORT, "no_answer", 0);
    assert_reason(1, "Connection refused");
    assert_node(2, fixture_ip, SILENT_PORT, "no_answer", 0);
    assert_reason(2, "no answer in time");
    assert_node(3, fixture_ip, PLAIN_PORT, "wrong_answer", 0);
    assert_reason(3, "no unique identifier");
    shutdown(plain_fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(plain_fd);
    close(silent_fd);
}

FLEET_TEST(refuses_a_list_that_is_malformed)
{
    fixture_write("fleet.txt", "192.0.2.1\nntp.example:0\n");
    fixture_assert_run("nts-keys", VERIFY_ARGUMENTS, 1, "fleet.txt:2: got 'ntp.example:0'");
}

#include "nts-keys-fleet.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/nts-fleet-XXXXXX";
static char path[64];

static void make_directory(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/fleet", directory);
}

static void remove_directory(void)
{
    remove(path); /* file, FIFO or directory */
    cr_assert_eq(rmdir(directory), 0);
}

static void write_octets(const char *text, size_t len)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(text, 1, len, file), len);
    fclose(file);
}

static void assert_refused_file(const char *expected)
{
    struct fleet fleet;
    struct error error;
    cr_assert_eq(fleet_read(&fleet, path, &error), NTS_ERR_FILE);
    cr_assert_eq(strncmp(error.text, path, strlen(path)), 0, "%s", error.text);
    cr_assert_not_null(strstr(error.text, expected), "no '%s' in '%s'", expected, error.text);
    fleet_free(&fleet);
}

static void assert_refused(const char *text, const char *expected)
{
    write_octets(text, strlen(text));
    assert_refused_file(expected);
}

static struct fleet read_fleet(const char *text)
{
    struct fleet fleet;
    struct error error;
    write_octets(text, strlen(text));
    cr_assert_eq(fleet_read(&fleet, path, &error), NTS_OK, "%s", error.text);
    return fleet;
}

static void assert_server(const struct fleet *fleet, size_t at, const char *host, uint16_t port)
{
    cr_assert_lt(at, fleet->num_servers);
    cr_assert_str_eq(fleet->servers[at].host, host);
    cr_assert_eq(fleet->servers[at].port, port);
}

#define FLEET_TEST(name) Test(fleet, name, .init = make_directory, .fini = remove_directory)

FLEET_TEST(reads_names_and_addresses_with_and_without_port)
{
    struct fleet fleet = read_fleet("# the farm\n\n"
                                    "ntp1.example.net\n"
                                    "  ntp2.example.net:4123\t# S\xc3\xbc"
                                    "d\r\n"
                                    "192.0.2.1:65535\n"
                                    "2001:db8::1\n"
                                    "[2001:db8::2]\n"
                                    "[fe80::1%eth0]:1");
    cr_assert_eq(fleet.num_servers, 6);
    assert_server(&fleet, 0, "ntp1.example.net", 123);
    assert_server(&fleet, 1, "ntp2.example.net", 4123);
    assert_server(&fleet, 2, "192.0.2.1", 65535);
    assert_server(&fleet, 3, "2001:db8::1", 123);
    assert_server(&fleet, 4, "2001:db8::2", 123);
    assert_server(&fleet, 5, "fe80::1%eth0", 1);
    fleet_free(&fleet);
}

FLEET_TEST(refuses_ports_and_hosts_that_are_none)
{
    static const char *const lines[] = {
        "ntp:0",   "ntp:65536",    "ntp:",      "ntp:12x", "ntp:-1",  "ntp:+1",      ":123",
        "[]:123",  "[ntp]:123",    "[::1",      "[::1]x",  "[::1]:0", "1:2:3",       "::1::2",
        "ntp one", "ntp\tone:123", "%eth0:1:2", "n\x01tp", "n\x7ftp", "n\xc3\xbctp", "\x1b[31mntp",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_refused(lines[i], ":1: got '");
        assert_refused(lines[i], "expected HOST[:PORT]");
    }
}

FLEET_TEST(names_line_and_value_without_control_characters)
{
    assert_refused("# one\nntp.example\n\n  bad:port  # four\n", "/fleet:4: got 'bad:port',");
    assert_refused("\x1b]0;x\x07", "/fleet:1: got '?]0;x?',");
    write_octets("ntp\0.example\n", 13);
    assert_refused_file(":1: got 'ntp?.example',");
}

FLEET_TEST(refuses_a_host_that_is_too_long)
{
    char line[400];
    memset(line, 'a', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    assert_refused(line, "' and so on, expected");
    line[HOST_TEXT_LEN] = '\0';
    assert_refused(line, "' and so on, expected");
    line[HOST_TEXT_LEN - 1] = '\0';
    struct fleet fleet = read_fleet(line);
    assert_server(&fleet, 0, line, 123);
    fleet_free(&fleet);
}

FLEET_TEST(refuses_a_file_without_servers)
{
    assert_refused("", "no server in it");
    assert_refused("# ntp.example\n \t \n\n", "no server in it");
}

FLEET_TEST(refuses_more_servers_than_it_asks)
{
    size_t capacity = 2 * (FLEET_MAX_SERVERS + 1) + 1;
    char *text = calloc(1, capacity);
    cr_assert_not_null(text);
    for (size_t i = 0; i < FLEET_MAX_SERVERS + 1; i++) {
        memcpy(text + 2 * i, "a\n", 2);
    }
    assert_refused(text, ":4097: expected at most 4096 servers");
    text[2 * FLEET_MAX_SERVERS] = '#';
    struct fleet fleet = read_fleet(text);
    cr_assert_eq(fleet.num_servers, FLEET_MAX_SERVERS);
    fleet_free(&fleet);
    free(text);
}

FLEET_TEST(refuses_what_is_not_a_file_of_sensible_size)
{
    assert_refused_file("cannot open");
    cr_assert_eq(mkfifo(path, 0600), 0);
    assert_refused_file("not a regular file");
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    assert_refused_file("not a regular file");
    cr_assert_eq(rmdir(path), 0);
    write_octets("ntp.example\n", 12);
    cr_assert_eq(truncate(path, FLEET_FILE_MAX_LEN + 1), 0);
    assert_refused_file("1048577 octets, expected at most 1048576");
}

FLEET_TEST(asks_nobody_without_a_key_that_opens)
{
    const struct fleet_options options = {0};
    const struct master_key_spec expired = {
        .id = 1, .activate_at_s = 1000, .expire_at_s = 2000, .secret = {1}};
    struct error error;
    struct fleet fleet = read_fleet("192.0.2.1\n");
    struct keyring *ring = keyring_create(1, &expired, 1);
    cr_assert_not_null(ring);
    cr_assert_eq(fleet_ask(&fleet, ring, &options, 2000, &error), NTS_ERR_NO_SEALING_KEY);
    fleet_free(&fleet);
    snapshot_unref(&ring->snapshot);
}

FLEET_TEST(tells_what_cannot_be_resolved)
{
    const struct fleet_options options = {.family = AF_INET6};
    const struct master_key_spec key = {
        .id = 1, .activate_at_s = 1000, .expire_at_s = 2000, .secret = {1}};
    struct error error;
    struct fleet fleet = read_fleet("192.0.2.1\n");
    struct keyring *ring = keyring_create(1, &key, 1);
    cr_assert_not_null(ring);
    cr_assert_eq(fleet_ask(&fleet, ring, &options, 1500, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(fleet.num_nodes, 1);
    cr_assert_eq(fleet.nodes[0].state, FLEET_NO_ANSWER);
    cr_assert_not_null(strstr(fleet.nodes[0].reason, "cannot resolve: "));
    cr_assert_not(fleet_is_in_order(&fleet));
    fleet_free(&fleet);
    snapshot_unref(&ring->snapshot);
}

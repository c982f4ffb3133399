/* Real servers for the conformance tests: started from the build under test with a configuration
 * and a keyring of the test's own, in a directory of its own, and stopped cleanly at its end. Every
 * test is a process, so this is one set of globals per test. */
#ifndef NTS_CONFORMANCE_FIXTURE_H
#define NTS_CONFORMANCE_FIXTURE_H

#include "base/address.h"
#include "base/clock_time.h"
#include "keys/cookie.h"
#include "support/make_certificate.h"
#include "support/patience.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

/* AWAIT evaluates `condition` until it is true; once PATIENCE_MS are over it fails the test with
 * the message. It is how tests wait for what they can only poll; for a log line there is
 * server_await_log, for a descriptor poll() with PATIENCE_MS. */
#define AWAIT(condition, ...)                                                                      \
    do {                                                                                           \
        int64_t await_until_ns = mono_time_ns() + PATIENCE_MS * NS_PER_MS;                         \
        while (!(condition)) {                                                                     \
            cr_assert_lt(mono_time_ns(), await_until_ns, __VA_ARGS__);                             \
            usleep(10000);                                                                         \
        }                                                                                          \
    } while (0)

/* Addresses that no other test process uses: 127.1.x.y, from the process id. */
extern char fixture_ip[16];
extern char fixture_directory[64];

/* A port for ::1 and for wildcards, below the ephemeral ones. fixture_open reserves it against
 * other tests, and takes none that another program uses. */
extern unsigned fixture_port;

#define FIXTURE_NTP_PORT 4123
#define FIXTURE_KE_PORT  4460

/* The master keys that fixture_write_keyring knows. Both are active, FIXTURE_NEW_KEY since later.
 */
#define FIXTURE_OLD_KEY UINT32_C(0xaaaa0000)
#define FIXTURE_NEW_KEY UINT32_C(0xbbbb0001)

struct server_process {
    pid_t pid;
    int log_fd;
    char config_name[32]; /* its configuration, a file of the directory */
    size_t log_len;
    char log[1 << 19]; /* what it has logged so far, NUL-terminated */
};

/* fixture_open makes the directory and the addresses; fixture_close removes it. */
void fixture_open(void);
void fixture_close(void);

/* fixture_path returns the path of a file in the directory; valid until the fourth next call. */
const char *fixture_path(const char *name);

/* fixture_write writes a file of the directory, mode 0600, in one step (rename). */
void fixture_write(const char *name, const char *text);

/* fixture_spec returns a key of layout chrony-siv with that id, a secret derived from it, and
 * activation and expiry relative to now. */
struct master_key_spec fixture_spec(uint32_t id, enum key_layout layout, int64_t activate_in_s,
                                    int64_t expire_in_s);

/* fixture_write_keyring replaces keyring.json with these keys, in one step. */
void fixture_write_keyring(uint64_t generation, const struct master_key_spec *specs, size_t num);
void fixture_write_keyring_to(const char *name, uint64_t generation,
                              const struct master_key_spec *specs, size_t num);

/* fixture_write_certificate makes server.crt and server.key, self-signed, ECDSA P-256, for
 * localhost, 127.0.0.1, ::1 and fixture_ip; server.crt is its own CA file. */
void fixture_write_certificate(void);

/* fixture_write_certificate_as makes NAME.crt and NAME.key, and writes over what is there; without
 * names in the recipe for those above. */
void fixture_write_certificate_as(const char *name, const struct certificate_recipe *recipe);

/* fixture_seal makes a cookie under the key of that spec and returns its length. */
size_t fixture_seal(uint8_t cookie[COOKIE_MAX_LEN], const struct master_key_spec *spec,
                    const struct session_keys *keys);

/* server_start runs build/bin/`program` --config `config_json`, written to a file, and waits until
 * it logs `ready` ("time.ready", "ke.ready"). Fails the test if it does not. */
void server_start(struct server_process *server, const char *program, const char *config_json,
                  const char *ready);

/* server_await_log waits until the log has `text` behind its first `from` characters; fails the
 * test if that does not happen. */
void server_await_log(struct server_process *server, const char *text, size_t from);

/* server_log_end takes in what the server has logged and returns where that ends: what is logged
 * from now on is behind it. */
size_t server_log_end(struct server_process *server);

/* server_await_either waits like server_await_log for one of two texts; true if the first is there.
 */
bool server_await_either(struct server_process *server, const char *first, const char *second,
                         size_t from);

/* server_stop ends the server, if it was started, with SIGTERM and fails the test unless it exits
 * with 0, as it does when neither it nor a sanitizer had something to complain about. */
void server_stop(struct server_process *server);

/* fixture_give_to_nobody makes the directory and the keyring those of the user nobody. Skips the
 * test when it does not run as root. */
void fixture_give_to_nobody(void);

/* server_assert_is_nobody fails the test unless the server runs as nobody, without capabilities or
 * a way to get some, under a filter of system calls, and leaves no core. */
void server_assert_is_nobody(const struct server_process *server);

/* fixture_forbid_io_uring: from here on this process and its children may not use io_uring, as in
 * many containers. */
void fixture_forbid_io_uring(void);

/* fixture_bin_directory returns where the programs under test are: $NTS_BIN_DIR, or their build. */
const char *fixture_bin_directory(void);

/* fixture_assert_run runs a program of the build in the directory, to its end, and fails the test
 * unless it exits with `exit_status` and has `text` in what it says. */
void fixture_assert_run(const char *program, const char *arguments, int exit_status,
                        const char *text);

/* The transport that time servers under test use: "auto", or $NTS_TEST_TRANSPORT. */
const char *fixture_transport(void);

#endif

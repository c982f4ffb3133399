#include "ke-server/net/passed_sockets.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- dealing out --- */

/* Passed sockets whose addresses are told by letters: "aab" are two of one and one of another. */
static struct passed_sockets passed_as(const char *letters)
{
    struct passed_sockets passed = {.num = strlen(letters)};
    passed.list = calloc(passed.num, sizeof(*passed.list));
    for (size_t i = 0; i < passed.num; i++) {
        char text[32];
        snprintf(text, sizeof(text), "127.0.0.%d:4460", letters[i] - 'a' + 1);
        cr_assert(address_parse(&passed.list[i].address, text, 0));
    }
    return passed;
}

Test(passed_sockets, every_worker_serves_every_address_and_no_socket_is_left_out)
{
    static const char *const cases[] = {"a", "ab", "aab", "aaab", "abab", "aaaaaabbb", "abcabca"};
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct passed_sockets passed = passed_as(cases[c]);
        for (size_t num_workers = 1; num_workers <= 7; num_workers++) {
            unsigned num_of_socket[16] = {0};
            for (size_t worker = 0; worker < num_workers; worker++) {
                bool has_address[26] = {false};
                for (size_t i = 0; i < passed.num; i++) {
                    if (passed_sockets_serves(&passed, i, worker, num_workers)) {
                        num_of_socket[i]++;
                        has_address[cases[c][i] - 'a'] = true;
                    }
                }
                for (size_t i = 0; i < passed.num; i++) {
                    cr_assert(has_address[cases[c][i] - 'a'], "%s: worker %zu of %zu lacks %c",
                              cases[c], worker, num_workers, cases[c][i]);
                }
            }
            for (size_t i = 0; i < passed.num; i++) {
                cr_assert_gt(num_of_socket[i], 0, "%s: socket %zu, %zu workers", cases[c], i,
                             num_workers);
            }
        }
        free(passed.list);
    }
}

Test(passed_sockets, as_many_sockets_as_workers_are_one_each)
{
    struct passed_sockets passed = passed_as("abab");
    for (size_t worker = 0; worker < 2; worker++) {
        for (size_t i = 0; i < 4; i++) {
            cr_assert_eq(passed_sockets_serves(&passed, i, worker, 2), i / 2 == worker);
        }
    }
    free(passed.list);
}

/* --- what is taken --- */

enum { BOUND = 1, LISTENING = 2, DUAL_STACK = 4 };

static int make_socket(int family, int type, unsigned what)
{
    union net_address address = {0};
    int only = (what & DUAL_STACK) == 0;
    int fd = socket(family, type, 0);
    cr_assert_geq(fd, 0);
    address.sa.sa_family = (sa_family_t)family;
    if (family == AF_INET6) {
        cr_assert_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
    }
    if ((what & BOUND) != 0) {
        cr_assert_eq(bind(fd, &address.sa, address_len(&address)), 0);
    }
    if ((what & LISTENING) != 0) {
        cr_assert_eq(listen(fd, 1), 0);
    }
    return fd;
}

struct passing {
    int family;
    int type;
    unsigned what;
    const char *error; /* NULL: taken */
};

/* Takes a socket as a service manager passes it: at descriptor 3, which in the test's own process
 * is the framework's. Returns what is wrong with the outcome, NULL if nothing. */
static const char *take_passed(int fd, const struct passing *passing)
{
    static struct error error;
    struct passed_sockets passed;
    struct listener listener;
    size_t num;
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    if (fd != 3 && dup2(fd, 3) != 3) {
        return "dup2";
    }
    enum nts_status status = passed_sockets_open(&passed, &error);
    if (passing->error != NULL) {
        return status == NTS_ERR_SYSTEM && strstr(error.text, passing->error) != NULL &&
                       strstr(error.text, "passed descriptor 3") != NULL
                   ? NULL
                   : error.text;
    }
    if (status != NTS_OK) {
        return error.text;
    }
    status = passed_sockets_listeners(&listener, &num, &passed, 0, 1, &error);
    bool is_right = status == NTS_OK && passed.num == 1 && num == 1 && listener.fd > 3 &&
                    listener.family == passing->family;
    return is_right ? NULL : "not what was passed";
}

static void try_passing(const struct passing *passing)
{
    if (!NTS_WITH_SYSTEMD) {
        cr_skip_test("built without libsystemd");
    }
    int fd = make_socket(passing->family, passing->type, passing->what);
    char *complaint = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)complaint, MAP_FAILED);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        const char *text = take_passed(fd, passing);
        snprintf(complaint, 4096, "%s", text != NULL ? text : "");
        _exit(text != NULL);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "%s", complaint);
    close(fd);
    munmap(complaint, 4096);
}

#define STREAM_EXPECTED "expected a listening TCP socket"

Test(passed_sockets, takes_a_listening_socket_of_ipv4)
{
    try_passing(&(struct passing){AF_INET, SOCK_STREAM, BOUND | LISTENING, NULL});
}

Test(passed_sockets, takes_a_listening_socket_of_ipv6_alone)
{
    try_passing(&(struct passing){AF_INET6, SOCK_STREAM, BOUND | LISTENING, NULL});
}

Test(passed_sockets, refuses_one_for_both_families)
{
    try_passing(&(struct passing){AF_INET6, SOCK_STREAM, BOUND | LISTENING | DUAL_STACK,
                                  "BindIPv6Only=ipv6-only"});
}

Test(passed_sockets, refuses_one_that_does_not_listen)
{
    try_passing(&(struct passing){AF_INET, SOCK_STREAM, BOUND, STREAM_EXPECTED});
}

Test(passed_sockets, refuses_datagrams)
{
    try_passing(&(struct passing){AF_INET, SOCK_DGRAM, BOUND, STREAM_EXPECTED});
}

Test(passed_sockets, refuses_a_unix_socket)
{
    try_passing(&(struct passing){AF_UNIX, SOCK_STREAM, 0, STREAM_EXPECTED});
}

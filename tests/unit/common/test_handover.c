/* Two servers at one Unix socket: the old one is a process of its own, as it is in life. */
#include "process/handover.h"

#include "support/patience.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "nts-test-server"

static void open_scratch(void)
{
    scratch_make();
}

static void remove_scratch(void)
{
    scratch_remove();
}

#define HANDOVER_TEST(name)                                                                        \
    Test(handover, name, .init = open_scratch, .fini = remove_scratch, .timeout = TEST_TIMEOUT_S)

struct new_server {
    struct handover handover;
    struct socket_pool pool;
    struct error error;
};

static enum nts_status start(struct new_server *server, const char *program)
{
    *server = (struct new_server){0};
    return handover_open(&server->handover, &server->pool, scratch_path("socket"), program,
                         &server->error);
}

static void end(struct new_server *server)
{
    handover_close(&server->handover);
    socket_pool_close(&server->pool);
}

/* Says that it is ready, and lives until it has been replaced, or, if `looks` is not negative, for
 * so many events. Exits with 0 if it was replaced. */
static void be_old_server(size_t num_sockets, bool is_fit, int looks, int ready_fd)
{
    struct new_server self;
    int *fds = calloc(num_sockets, sizeof(*fds));
    if (start(&self, PROGRAM) != NTS_OK || self.pool.num != 0 || fds == NULL) {
        _exit(2);
    }
    for (size_t i = 0; i < num_sockets; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
        union net_address any = {.in = {.sin_family = AF_INET}};
        if (bind(fds[i], &any.sa, sizeof(any.in)) != 0) {
            _exit(3);
        }
    }
    const struct handover_offer offer = {fds, num_sockets, -1, is_fit};
    if (write(ready_fd, "", 1) != 1) {
        _exit(5);
    }
    for (int i = 0; i != looks; i++) {
        struct pollfd polled = {.fd = handover_fd(&self.handover), .events = POLLIN};
        poll(&polled, 1, -1);
        if (handover_look(&self.handover, &offer) == HANDOVER_END) {
            _exit(handover_fd(&self.handover) == -1 ? 0 : 4);
        }
    }
    _exit(1);
}

static pid_t start_old_server(size_t num_sockets, bool is_fit, int looks)
{
    int ready[2];
    char octet;
    cr_assert_eq(pipe(ready), 0);
    pid_t pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        be_old_server(num_sockets, is_fit, looks, ready[1]);
    }
    cr_assert_eq(read(ready[0], &octet, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static int exit_status_of(pid_t pid)
{
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

HANDOVER_TEST(is_off_without_a_path)
{
    struct new_server server = {0};
    cr_assert_eq(handover_open(&server.handover, &server.pool, NULL, PROGRAM, &server.error),
                 NTS_OK);
    cr_assert_eq(handover_fd(&server.handover), -1);
    cr_assert_eq(server.pool.num, 0);
    handover_commit(&server.handover);
    end(&server);
}

HANDOVER_TEST(a_first_server_makes_a_socket_for_its_user_alone)
{
    struct new_server server;
    struct stat info;
    umask(0);
    cr_assert_eq(start(&server, PROGRAM), NTS_OK);
    cr_assert_eq(stat(scratch_path("socket"), &info), 0);
    cr_assert_eq(info.st_mode, S_IFSOCK | 0600);
    cr_assert_eq(server.pool.num, 0);
    cr_assert_eq(handover_fd(&server.handover), server.handover.listen_fd);
    end(&server);
}

HANDOVER_TEST(what_a_server_left_that_ended_is_replaced)
{
    struct new_server server;
    cr_assert_eq(start(&server, PROGRAM), NTS_OK);
    end(&server);
    cr_assert(scratch_has("socket"));
    cr_assert_eq(start(&server, PROGRAM), NTS_OK, "%s", server.error.text);
    cr_assert_eq(server.handover.state, HANDOVER_IDLE);
    end(&server);
}

HANDOVER_TEST(a_file_that_is_no_socket_stays_what_it_is)
{
    struct new_server server;
    scratch_write("socket", "mine", 4, 0600);
    cr_assert_eq(start(&server, PROGRAM), NTS_ERR_SYSTEM);
    cr_assert_not_null(strstr(server.error.text, "handover: cannot make the socket"));
    cr_assert_not_null(strstr(server.error.text, "Address already in use"));
    end(&server);
    cr_assert_eq(scratch_run("test \"$(cat socket)\" = mine"), 0);
}

HANDOVER_TEST(a_directory_that_is_not_there_is_an_error)
{
    struct new_server server = {0};
    cr_assert_eq(handover_open(&server.handover, &server.pool, scratch_path("no/socket"), PROGRAM,
                               &server.error),
                 NTS_ERR_SYSTEM);
    cr_assert_not_null(strstr(server.error.text, "No such file"));
    end(&server);
}

HANDOVER_TEST(the_new_server_gets_every_socket_and_the_old_one_its_word)
{
    /* With the Unix socket: one message, exactly one, just more than one, several. */
    static const size_t nums[] = {1, 127, 128, 300};
    for (size_t i = 0; i < sizeof(nums) / sizeof(nums[0]); i++) {
        struct new_server server;
        pid_t old = start_old_server(nums[i], true, -1);
        cr_assert_eq(start(&server, PROGRAM), NTS_OK, "%s", server.error.text);
        cr_assert_eq(server.handover.state, HANDOVER_TAKING);
        cr_assert(server.handover.old_was_fit);
        cr_assert_eq(handover_fd(&server.handover), -1, "nothing to wait for before the word");
        cr_assert_eq(socket_pool_count(&server.pool, SOCK_DGRAM, NULL), nums[i]);
        cr_assert_eq(fcntl(server.pool.fds[0], F_GETFD), FD_CLOEXEC);
        handover_commit(&server.handover);
        cr_assert_eq(exit_status_of(old), 0);
        const struct handover_offer none = {0};
        cr_assert_eq(handover_look(&server.handover, &none), HANDOVER_RELEASED);
        cr_assert_eq(handover_fd(&server.handover), server.handover.listen_fd,
                     "ready for the next one, at the same Unix socket");
        end(&server);
        unlink(scratch_path("socket"));
    }
}

HANDOVER_TEST(the_new_server_learns_whether_the_old_one_was_fit)
{
    struct new_server server;
    pid_t old = start_old_server(1, false, -1);
    cr_assert_eq(start(&server, PROGRAM), NTS_OK);
    cr_assert_not(server.handover.old_was_fit);
    handover_commit(&server.handover);
    cr_assert_eq(exit_status_of(old), 0);
    end(&server);
}

HANDOVER_TEST(a_new_server_that_fails_changes_nothing)
{
    struct new_server server;
    pid_t old = start_old_server(2, true, -1);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(start(&server, PROGRAM), NTS_OK, "%s", server.error.text);
        cr_assert_eq(server.pool.num, 2);
        end(&server);
        cr_assert_eq(waitpid(old, NULL, WNOHANG), 0);
    }
    cr_assert_eq(start(&server, PROGRAM), NTS_OK);
    handover_commit(&server.handover);
    cr_assert_eq(exit_status_of(old), 0);
    end(&server);
}

HANDOVER_TEST(an_old_server_that_dies_before_the_word_has_let_go)
{
    struct new_server server;
    pid_t old = start_old_server(1, true, 1);
    cr_assert_eq(start(&server, PROGRAM), NTS_OK);
    cr_assert_eq(exit_status_of(old), 1);
    handover_commit(&server.handover);
    const struct handover_offer none = {0};
    cr_assert_eq(handover_look(&server.handover, &none), HANDOVER_RELEASED);
    end(&server);
}

HANDOVER_TEST(a_server_of_another_kind_is_an_error_and_changes_nothing)
{
    struct new_server server;
    pid_t old = start_old_server(1, true, -1);
    cr_assert_eq(start(&server, "nts-other-server"), NTS_ERR_MISMATCH);
    cr_assert_str_eq(server.error.text, "handover: who listens there is not a nts-other-server "
                                        "that speaks nts-handover/1");
    end(&server);
    cr_assert_eq(start(&server, PROGRAM), NTS_OK);
    handover_commit(&server.handover);
    cr_assert_eq(exit_status_of(old), 0);
    end(&server);
}

HANDOVER_TEST(words_that_are_not_the_word_change_nothing)
{
    struct new_server server;
    pid_t old = start_old_server(1, true, -1);
    cr_assert_eq(start(&server, PROGRAM), NTS_OK);
    cr_assert_eq(send(server.handover.peer_fd, "nts-handover/1", 15, 0), 15);
    end(&server);
    cr_assert_eq(start(&server, PROGRAM), NTS_OK, "%s", server.error.text);
    handover_commit(&server.handover);
    cr_assert_eq(exit_status_of(old), 0);
    end(&server);
}

/* The mode of the file stops others; should it be changed, the kernel still says who asks. */
HANDOVER_TEST(another_user_gets_nothing)
{
    if (geteuid() != 0) {
        cr_skip_test("needs to be root to become another user");
    }
    pid_t old = start_old_server(1, true, -1);
    for (int is_open = 0; is_open <= 1; is_open++) {
        cr_assert_eq(chmod(scratch_directory, 0755), 0);
        cr_assert_eq(chmod(scratch_path("socket"), is_open ? 0666 : 0600), 0);
        pid_t other = fork();
        if (other == 0) {
            struct new_server server;
            if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) {
                _exit(9);
            }
            enum nts_status status = start(&server, PROGRAM);
            const char *text = is_open ? "refuses to be replaced" : "Permission denied";
            _exit(status == NTS_ERR_SYSTEM && server.pool.num == 0 &&
                          strstr(server.error.text, text) != NULL
                      ? 0
                      : 1);
        }
        cr_assert_eq(exit_status_of(other), 0);
    }
    struct new_server server;
    cr_assert_eq(start(&server, PROGRAM), NTS_OK);
    handover_commit(&server.handover);
    cr_assert_eq(exit_status_of(old), 0);
    end(&server);
}

Test(handover, a_path_fits_into_the_address_of_a_socket)
{
    char longest[109];
    const char *path = longest;
    memset(longest, 'x', sizeof(longest));
    longest[107] = '\0';
    cr_assert_null(handover_check_path(&path));
    longest[107] = 'x';
    longest[108] = '\0';
    cr_assert_not_null(strstr(handover_check_path(&path), "107 octets"));
}

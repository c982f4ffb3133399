#include "process/syscall_filter.h"

#include "process/sanitized.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each returns 0 if the kernel did it, else errno. */
static int result(long value)
{
    return value >= 0 ? 0 : errno;
}

static int inet_socket(void)
{
    return result(socket(AF_INET6, SOCK_STREAM, 0));
}

static int packet_socket(void)
{
    return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int look_up_name(void)
{
    const struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list = NULL;
    int outcome = getaddrinfo("localhost", "123", &hints, &list);
    if (outcome == 0) {
        freeaddrinfo(list);
    }
    return outcome != 0;
}

static int count_waiting_octets(void)
{
    int num;
    int fds[2];
    return pipe2(fds, O_CLOEXEC) == 0 ? result(ioctl(fds[0], FIONREAD, &num)) : errno;
}

static int ask_for_terminal(void)
{
    struct winsize size;
    int fds[2];
    return pipe2(fds, O_CLOEXEC) == 0 ? result(ioctl(fds[0], TIOCGWINSZ, &size)) : errno;
}

static int open_to_read(void)
{
    return result(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static int open_to_write(void)
{
    return result(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static int map_data(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                   MAP_FAILED
               ? 0
               : errno;
}

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED
               ? 0
               : errno;
}

static int change_mode(void)
{
    return result(chmod("/nonexistent", 0600));
}

/* Without a place for its parameters the kernel makes no ring, if it comes to that. */
static int make_ring(void)
{
    return result(syscall(SYS_io_uring_setup, 1, NULL));
}

static void *do_nothing(void *argument)
{
    return argument;
}

static int start_thread(void)
{
    pthread_t thread;
    int cause = pthread_create(&thread, NULL, do_nothing, NULL);
    return cause == 0 ? pthread_join(thread, NULL) : cause;
}

static int make_process(void)
{
    return result(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
}

static int run_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return errno;
}

static int change_root(void)
{
    return result(chroot("/"));
}

static int mount_something(void)
{
    return result(mount("none", "/nonexistent", "tmpfs", 0, NULL));
}

static int read_other_memory(void)
{
    return result(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int become_root(void)
{
    return result(setuid(0));
}

#define KILLED (-1)

/* What comes of the call in a process of its own that has the filter in that mode. */
static int try(int (*call)(void), enum syscall_filter_mode mode, bool started)
{
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct error error;
        if (syscall_filter_open(mode, NULL, &error) != NTS_OK ||
            (started && syscall_filter_close_start(mode, NULL, &error) != NTS_OK)) {
            _exit(255);
        }
        _exit(call());
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        cr_assert_eq(WTERMSIG(status), SIGSYS);
        return KILLED;
    }
    cr_assert_neq(WEXITSTATUS(status), 255, "the filter was not taken");
    return WEXITSTATUS(status);
}

Test(syscall_filter, knows_every_call_of_its_table)
{
    for (size_t i = 0; i < syscall_table_common.num_rows; i++) {
        const struct syscall_row *row = &syscall_table_common.rows[i];
        cr_assert(syscall_row_is_known(row), "%s", row->name);
    }
    cr_assert_not(syscall_row_is_known(&(struct syscall_row){.name = "io_uring_entry"}));
}

Test(syscall_filter, allows_what_a_server_does_and_refuses_its_neighbours)
{
    static const struct {
        int (*call)(void);
        int outcome;
        bool only_unsanitized; /* sanitizers do it themselves */
    } cases[] = {
        {inet_socket, 0, false},  {packet_socket, EPERM, false},    {open_to_read, 0, false},
        {map_data, 0, false},     {open_to_write, EPERM, true},     {map_code, EPERM, true},
        {start_thread, 0, false}, {make_process, EPERM, true},      {change_mode, EPERM, false},
        {look_up_name, 0, false}, {count_waiting_octets, 0, false}, {ask_for_terminal, EPERM, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!cases[i].only_unsanitized || !NTS_SANITIZED) {
            cr_assert_eq(try(cases[i].call, SYSCALL_FILTER_ENFORCE, true), cases[i].outcome,
                         "case %zu", i);
        }
    }
}

Test(syscall_filter, ends_a_process_that_does_what_only_an_intruder_does)
{
    static int (*const calls[])(void) = {change_root, mount_something, read_other_memory,
                                         become_root};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        cr_assert_eq(try(calls[i], SYSCALL_FILTER_ENFORCE, true), KILLED, "case %zu", i);
    }
    if (!NTS_SANITIZED) { /* their reports are made legible by another program */
        cr_assert_eq(try(run_program, SYSCALL_FILTER_ENFORCE, true), KILLED);
    }
}

Test(syscall_filter, permits_rings_to_the_start_alone)
{
    int cause = try(make_ring, SYSCALL_FILTER_ENFORCE, false);
    if (cause == EPERM || cause == ENOSYS) {
        cr_skip_test("io_uring is not permitted here at all");
    }
    cr_assert_eq(cause, EFAULT);
    cr_assert_eq(try(make_ring, SYSCALL_FILTER_ENFORCE, true), EPERM);
}

Test(syscall_filter, refuses_nothing_when_it_only_logs_or_is_off)
{
    for (int mode = SYSCALL_FILTER_LOG; mode <= SYSCALL_FILTER_OFF; mode++) {
        cr_assert_eq(try(open_to_write, (enum syscall_filter_mode)mode, true), 0);
        cr_assert_eq(try(run_program, (enum syscall_filter_mode)mode, true), 0);
    }
}

struct waiting_thread {
    int wake[2];
    int outcome;
};

static void *call_when_woken(void *argument)
{
    struct waiting_thread *waiting = argument;
    char octet;
    waiting->outcome = read(waiting->wake[0], &octet, 1) == 1 ? change_mode() : 0;
    return NULL;
}

Test(syscall_filter, holds_for_threads_that_run_already)
{
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct waiting_thread waiting = {.outcome = 0};
        struct error error;
        pthread_t thread;
        if (pipe(waiting.wake) != 0 ||
            pthread_create(&thread, NULL, call_when_woken, &waiting) != 0 ||
            syscall_filter_open(SYSCALL_FILTER_ENFORCE, NULL, &error) != NTS_OK ||
            write(waiting.wake[1], "x", 1) != 1 || pthread_join(thread, NULL) != 0) {
            _exit(255);
        }
        _exit(waiting.outcome);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == EPERM, "status %#x", (unsigned)status);
}

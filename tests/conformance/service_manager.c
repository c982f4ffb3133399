/* Beyond the conformance matrix: what the servers tell the service manager that started them, which
 * is played here by a socket, and what it learns of a worker that hangs. */
#include "ke_support.h"
#include "ntp_support.h"

#include "base/clock_time.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int manager_fd;

/* For the servers that are started next. */
static void open_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!NTS_WITH_SYSTEMD) {
        cr_skip_test("built without libsystemd");
    }
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture_path("notify"));
    manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(manager_fd, 0);
    cr_assert_eq(bind(manager_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "4000000", 1);
}

/* The next message within that time; NULL if none comes. */
static const char *next_message(int wait_ms)
{
    static char text[1024];
    struct pollfd polled = {.fd = manager_fd, .events = POLLIN};
    if (poll(&polled, 1, wait_ms) <= 0) {
        return NULL;
    }
    ssize_t len = recv(manager_fd, text, sizeof(text) - 1, 0);
    cr_assert_geq(len, 0);
    text[len] = '\0';
    return text;
}

/* Waits for a message that begins like this; others may come before. */
static void await_message(const char *beginning)
{
    const char *text;
    AWAIT((text = next_message(100)) != NULL && strncmp(text, beginning, strlen(beginning)) == 0,
          "no '%s'", beginning);
}

/* A life from the manager's point of view. */
static void assert_life(struct server_process *server, const char *status)
{
    await_message(status);
    await_message("READY=1");
    await_message("WATCHDOG=1");
    cr_assert_eq(kill(server->pid, SIGHUP), 0);
    await_message("RELOADING=1\nMONOTONIC_USEC=");
    await_message("READY=1");
    await_message("WATCHDOG=1");
    server_stop(server);
    await_message("STOPPING=1");
    server->pid = 0; /* .fini has nothing to stop */
}

static void open_time_server(void)
{
    const struct master_key_spec spec =
        fixture_spec(FIXTURE_NEW_KEY, KEY_LAYOUT_CHRONY_SIV, -1000, 10000);
    fixture_open();
    fixture_write_keyring(1, &spec, 1);
    open_manager();
    time_server_up_with(FIXED_CLOCK, "");
}

static void close_time_server(void)
{
    time_server_down();
    close(manager_fd);
}

static void open_ke_server(void)
{
    ke_open_files();
    open_manager();
    ke_start("");
}

static void close_ke_server(void)
{
    ke_close();
    close(manager_fd);
}

#define MANAGER_TEST(name, program)                                                                \
    Test(service_manager, name, .init = open_##program, .fini = close_##program,                   \
         .timeout = TEST_TIMEOUT_S)

MANAGER_TEST(hears_of_the_life_of_a_time_server, time_server)
{
    assert_life(&time_server, "STATUS=Addresses: 1; workers: ");
}

MANAGER_TEST(hears_of_the_life_of_a_ke_server, ke_server)
{
    assert_life(&ke_server, "STATUS=Workers: ");
}

/* The thread id of a worker; the last one that the directory names. */
static pid_t worker_of(const struct server_process *server)
{
    char path[300];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)server->pid);
    DIR *tasks = opendir(path);
    cr_assert_not_null(tasks);
    pid_t worker = 0;
    const struct dirent *entry;
    while ((entry = readdir(tasks)) != NULL) {
        char name[32] = "";
        snprintf(path, sizeof(path), "/proc/%d/task/%.20s/comm", (int)server->pid, entry->d_name);
        FILE *file = fopen(path, "r");
        if (file != NULL && fgets(name, sizeof(name), file) != NULL &&
            strncmp(name, "worker", strlen("worker")) == 0) {
            worker = (pid_t)atoi(entry->d_name);
        }
        if (file != NULL) {
            fclose(file);
        }
    }
    closedir(tasks);
    cr_assert_gt(worker, 0);
    return worker;
}

/* One thread alone can be stopped by whoever traces it. */
static void assert_hanging_worker_is_noticed(struct server_process *server)
{
    int status;
    pid_t worker = worker_of(server);
    await_message("WATCHDOG=1");
    if (ptrace(PTRACE_SEIZE, worker, NULL, NULL) != 0) {
        cr_skip_test("needs to be permitted to trace");
    }
    size_t from = server_log_end(server);
    cr_assert_eq(ptrace(PTRACE_INTERRUPT, worker, NULL, NULL), 0);
    cr_assert_eq(waitpid(worker, &status, __WALL), worker);
    server_await_log(server, "watchdog.withheld", from);
    while (next_message(0) != NULL) { /* from before */
    }
    int64_t until_ns = mono_time_ns() + 5 * NS_PER_S; /* longer than the manager would wait */
    while (mono_time_ns() < until_ns) {
        const char *text = next_message(100);
        cr_assert(text == NULL || strcmp(text, "WATCHDOG=1") != 0);
    }
    cr_assert_eq(ptrace(PTRACE_DETACH, worker, NULL, NULL), 0);
    await_message("WATCHDOG=1");
    server_await_log(server, "watchdog.resumed", from);
}

MANAGER_TEST(does_not_hear_from_a_time_server_with_a_worker_that_hangs, time_server)
{
    assert_hanging_worker_is_noticed(&time_server);
}

MANAGER_TEST(does_not_hear_from_a_ke_server_with_a_worker_that_hangs, ke_server)
{
    assert_hanging_worker_is_noticed(&ke_server);
}

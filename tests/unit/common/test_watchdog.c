#include "process/watchdog.h"

#include "base/clock_time.h"
#include "process/heartbeat.h"
#include "process/service_manager.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int manager_fd;

/* A service manager that listens; the name is one without a file. */
static void open_manager(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    if (!NTS_WITH_SYSTEMD) {
        cr_skip_test("built without libsystemd");
    }
    manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_assert_geq(manager_fd, 0);
    snprintf(name, sizeof(name), "@nts-watchdog-%d", (int)getpid());
    memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
    cr_assert_eq(bind(manager_fd, (struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                 0);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "10000000", 1);
}

/* What the manager was told since it was asked last; "" if nothing. */
static const char *told(void)
{
    static char text[512];
    ssize_t len = recv(manager_fd, text, sizeof(text) - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

Test(watchdog, speaks_twice_in_an_interval_while_all_workers_turn, .init = open_manager)
{
    struct watchdog watchdog;
    watchdog_open(&watchdog);
    int num_told = 0;
    for (int64_t second = 0; second < 20; second++) {
        watchdog_tick(&watchdog, WATCHDOG_ALL_ALIVE, second * NS_PER_S);
        const char *text = told();
        num_told += strcmp(text, "WATCHDOG=1") == 0 ? 1 : 0;
        cr_assert(text[0] == '\0' || second % 4 == 0, "second %d: %s", (int)second, text);
    }
    cr_assert_eq(num_told, 5);
}

Test(watchdog, is_silent_while_one_worker_hangs_and_speaks_when_it_turns_again,
     .init = open_manager)
{
    struct watchdog watchdog;
    watchdog_open(&watchdog);
    for (int64_t second = 0; second < 9; second++) {
        watchdog_tick(&watchdog, 1, second * NS_PER_S);
        cr_assert_str_empty(told(), "second %d", (int)second);
    }
    watchdog_tick(&watchdog, WATCHDOG_ALL_ALIVE, 9 * NS_PER_S);
    cr_assert_str_eq(told(), "WATCHDOG=1");
}

Test(watchdog, gives_a_worker_half_the_interval_at_most, .init = open_manager)
{
    struct watchdog watchdog;
    watchdog_open(&watchdog); /* 10 s */
    cr_assert_eq(watchdog_patience_ns(&watchdog), HEARTBEAT_PATIENCE_NS);
    setenv("WATCHDOG_USEC", "6000000", 1);
    watchdog_open(&watchdog);
    cr_assert_eq(watchdog_patience_ns(&watchdog), 3 * NS_PER_S);
    unsetenv("WATCHDOG_USEC");
    watchdog_open(&watchdog);
    cr_assert_eq(watchdog_patience_ns(&watchdog), HEARTBEAT_PATIENCE_NS);
}

Test(watchdog, does_nothing_without_a_manager_that_watches, .init = open_manager)
{
    struct watchdog watchdog;
    unsetenv("WATCHDOG_USEC");
    watchdog_open(&watchdog);
    watchdog_tick(&watchdog, WATCHDOG_ALL_ALIVE, 0);
    cr_assert_str_empty(told());
}

Test(service_manager, tells_a_status_once, .init = open_manager)
{
    service_manager_status("workers: %d", 2);
    cr_assert_str_eq(told(), "STATUS=workers: 2");
    service_manager_status("workers: %d", 2);
    cr_assert_str_empty(told());
    service_manager_status("workers: %d", 3);
    cr_assert_str_eq(told(), "STATUS=workers: 3");
}

Test(service_manager, says_when_a_reload_began, .init = open_manager)
{
    int64_t before_us = mono_time_ns() / 1000;
    service_manager_reloading();
    long long at_us = 0;
    cr_assert_eq(sscanf(told(), "RELOADING=1\nMONOTONIC_USEC=%lld", &at_us), 1);
    cr_assert(at_us >= before_us && at_us <= mono_time_ns() / 1000);
}

Test(service_manager, goes_on_without_one)
{
    int first_fd;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("LISTEN_FDS");
    service_manager_ready();
    cr_assert_eq(service_manager_sockets(&first_fd), 0);
    setenv("LISTEN_FDS", "2", 1); /* somebody else's */
    setenv("LISTEN_PID", "1", 1);
    cr_assert_eq(service_manager_sockets(&first_fd), 0);
}

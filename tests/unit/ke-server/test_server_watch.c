/* The thread of the watch: what it shares with others. */
#include "ke-server/watch/server_watch.h"

#include "support/patience.h"
#include "support/scratch.h"

#include <criterion/criterion.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_bool log_hangs;
static sem_t is_logging;
static sem_t may_log;

/* In the place of the C library's: standard error may be a pipe that nobody reads. */
ssize_t write(int fd, const void *data, size_t len)
{
    if (fd == STDERR_FILENO && atomic_exchange(&log_hangs, false)) {
        sem_post(&is_logging);
        sem_wait(&may_log);
    }
    return syscall(SYS_write, fd, data, len);
}

/* Settings with one time server, at a port where nobody listens. */
static struct ke_settings *make_settings(void)
{
    struct host_settings *settings;
    struct error error;
    union net_address address;
    socklen_t len = sizeof(address);
    cr_assert(address_parse(&address, "127.0.0.1:1", 0));
    address.in.sin_port = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &address.sa, address_len(&address)), 0);
    cr_assert_eq(getsockname(fd, &address.sa, &len), 0);
    close(fd);
    FILE *file = fopen(scratch_path("ke.json"), "w");
    fprintf(file,
            "{\"listen\":[\"127.0.0.1:4460\"],\"certificate\":\"c\",\"private_key\":\"k\","
            "\"keyring\":\"k.json\",\"time_servers\":[{\"name\":\"127.0.0.1\",\"port\":%u}],"
            "\"watch_interval_s\":1}",
            address_port(&address));
    fclose(file);
    cr_assert_eq(host_settings_load(&settings, &ke_settings_type, scratch_path("ke.json"), &error),
                 NTS_OK, "%s", error.text);
    return ke_settings_of(settings);
}

Test(server_watch, a_log_that_hangs_holds_up_nobody_who_asks_for_a_report, .init = scratch_make,
     .fini = scratch_remove, .timeout = TEST_TIMEOUT_S)
{
    const struct master_key_spec spec = {
        .id = 1, .layout = KEY_LAYOUT_CHRONY_SIV, .expire_at_s = INT64_MAX, .secret = {1}};
    static struct server_watch watch;
    struct watch_report report;
    struct error error;
    struct ke_settings *settings = make_settings();
    struct keyring *ring = keyring_create(1, &spec, 1);
    sem_init(&is_logging, 0, 0);
    sem_init(&may_log, 0, 0);
    atomic_store(&log_hangs, true);
    cr_assert_eq(server_watch_start(&watch, settings, ring, &error), NTS_OK, "%s", error.text);
    sem_wait(&is_logging); /* time_server.down */
    cr_assert(server_watch_report(&watch, 0, &report));
    cr_assert_str_eq(report.name, "127.0.0.1");
    sem_post(&may_log);
    server_watch_close(&watch);
    snapshot_unref(&settings->host.snapshot);
    snapshot_unref(&ring->snapshot);
}

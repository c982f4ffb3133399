#include "process/service_manager.h"

#include "base/clock_time.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#if NTS_WITH_SYSTEMD
#include <systemd/sd-daemon.h>
#else /* no service manager to notify */
#define SD_LISTEN_FDS_START 3
static int sd_notify(int unset_environment, const char *state)
{
    (void)unset_environment;
    (void)state;
    return 0;
}
static int sd_watchdog_enabled(int unset_environment, uint64_t *interval_us)
{
    (void)unset_environment;
    (void)interval_us;
    return 0;
}
static int sd_listen_fds(int unset_environment)
{
    (void)unset_environment;
    return 0;
}
#endif

/* What cannot be delivered is the manager's loss: the service goes on. */
static void tell(const char *state)
{
    sd_notify(0, state);
}

void service_manager_ready(void)
{
    tell("READY=1");
}

void service_manager_reloading(void)
{
    char state[64];
    /* The time tells the manager which of two reloads an answer belongs to. */
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, mono_time_ns() / 1000);
    tell(state);
}

void service_manager_stopping(void)
{
    tell("STOPPING=1\nSTATUS=Stopping");
}

void service_manager_status(const char *format, ...)
{
    static char last[SERVICE_STATUS_LEN];
    char state[SERVICE_STATUS_LEN] = "STATUS=";
    size_t len = strlen(state);
    va_list args;
    va_start(args, format);
    vsnprintf(state + len, sizeof(state) - len, format, args);
    va_end(args);
    if (strcmp(state, last) != 0) {
        memcpy(last, state, sizeof(last));
        tell(state);
    }
}

void service_manager_alive(void)
{
    tell("WATCHDOG=1");
}

int64_t service_manager_watchdog_ns(void)
{
    uint64_t interval_us = 0;
    if (sd_watchdog_enabled(0, &interval_us) <= 0 || interval_us > INT64_MAX / 1000) {
        return 0;
    }
    return (int64_t)interval_us * 1000;
}

size_t service_manager_sockets(int *first_fd)
{
    int num = sd_listen_fds(1);
    *first_fd = SD_LISTEN_FDS_START;
    return num > 0 ? (size_t)num : 0;
}

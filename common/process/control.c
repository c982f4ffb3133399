#include "process/control.h"

#include "log/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Levels are set by number, so that a signal that comes twice does no more than one. */
static const struct {
    int offset; /* from SIGRTMIN */
    enum log_level level;
} level_signals[] = {
#define LEVEL_SIGNAL(name, label, priority) {priority, LOG_LEVEL_##name},
    LOG_LEVEL_TABLE(LEVEL_SIGNAL)
#undef LEVEL_SIGNAL
};

static void set_level(int signal_number)
{
    for (size_t i = 0; i < LOG_NUM_LEVELS; i++) {
        if (signal_number == SIGRTMIN + level_signals[i].offset) {
            log_change_level(level_signals[i].level);
        }
    }
}

enum nts_status control_open(int *signal_fd, struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    for (size_t i = 0; i < LOG_NUM_LEVELS; i++) {
        sigaddset(&set, SIGRTMIN + level_signals[i].offset);
    }
    signal(SIGPIPE, SIG_IGN);
    if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot block signals");
    }
    *signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (*signal_fd < 0) {
        return error_set(error, NTS_ERR_SYSTEM, "signalfd: %s", strerror(errno));
    }
    return NTS_OK;
}

static unsigned read_signals(int signal_fd)
{
    unsigned events = 0;
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        switch (info.ssi_signo) {
        case SIGHUP:
            events |= CONTROL_RELOAD;
            break;
        case SIGUSR1:
            events |= CONTROL_DUMP;
            break;
        case SIGTERM:
        case SIGINT:
            events |= CONTROL_STOP;
            break;
        default:
            set_level((int)info.ssi_signo);
            break;
        }
    }
    return events;
}

unsigned control_wait(int signal_fd, const int *fds, size_t num, int timeout_ms)
{
    struct pollfd polled[1 + CONTROL_MAX_FDS] = {{.fd = signal_fd, .events = POLLIN}};
    assert(num <= CONTROL_MAX_FDS);
    for (size_t i = 0; i < num; i++) {
        polled[1 + i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    }
    if (poll(polled, 1 + num, timeout_ms) <= 0) {
        return 0;
    }
    unsigned events = polled[0].revents != 0 ? read_signals(signal_fd) : 0;
    for (size_t i = 0; i < num; i++) {
        if (polled[1 + i].revents != 0) {
            events |= (unsigned)CONTROL_FD_BASE << i;
        }
    }
    return events;
}

/* What --check finds before it goes wrong. Each finding is logged as it comes: what is wrong, and
 * what to do. An error: a start would fail, or clients would suffer. A warning: it would work, but
 * not as it should, or not for long. Start-up only, one thread. */
#ifndef NTS_SERVICE_PREFLIGHT_H
#define NTS_SERVICE_PREFLIGHT_H

#include "log/log.h"

/* One row is the finding, its name in the log, and what to do about it. */
#define PREFLIGHT_TABLE(X)                                                                         \
    /* files */                                                                                    \
    X(CONFIG, "config", "correct the file; --options lists every option")                          \
    X(KEYRING, "keyring", "copy the farm's keyring here again; nts-keys verify judges it")         \
    X(NO_ACTIVE_KEY, "no_active_key", "nts-keys rotate, and copy the keyring here")                \
    X(NO_UPCOMING_KEY, "no_upcoming_key", "let a timer call nts-keys rotate and copy the keyring") \
    X(KEYRING_NEAR_END, "keyring_near_end", "nts-keys rotate before the last key expires")         \
    X(CERTIFICATE, "certificate", "put a certificate in place that is valid, and its key")         \
    X(CERTIFICATE_NEAR_END, "certificate_near_end", "renew it")                                    \
    X(CERTIFICATE_WEAK, "certificate_weak",                                                        \
      "get one that suits all clients, with its whole chain")                                      \
    X(CERTIFICATE_NAME, "certificate_name",                                                        \
      "get a certificate that has this name, or correct server_names")                             \
    /* the user that the server becomes */                                                         \
    X(USER, "user", "name a user that exists in the option user, and start as root")               \
    X(ROOT, "root", "name an unprivileged user in the option user")                                \
    X(NOT_READABLE, "not_readable", "chown the file to the user, and let it pass the directories") \
    X(NOT_LOCKED, "not_locked", "raise RLIMIT_MEMLOCK: LimitMEMLOCK= of the unit, or ulimit -l")   \
    /* what this host permits */                                                                   \
    X(KERNEL, "kernel", "run Linux 6.1 or newer")                                                  \
    X(IO_URING, "io_uring",                                                                        \
      "set sysctl kernel.io_uring_disabled to 0, and permit io_uring_setup, io_uring_enter and "   \
      "io_uring_register in the seccomp profile of the container")                                 \
    X(DESCRIPTORS, "descriptors",                                                                  \
      "raise RLIMIT_NOFILE (LimitNOFILE= of the unit, ulimit -n), or have less workers or "        \
      "connections")                                                                               \
    X(RECEIVE_BUFFER, "receive_buffer", "raise sysctl net.core.rmem_max, or start as root")        \
    /* addresses */                                                                                \
    X(PORT_TAKEN, "port_taken", "stop that process, or listen on another address or port")         \
    X(PORT_SHARED, "port_shared", "nothing if that is this server; else stop one of the two")      \
    X(PORT_FORBIDDEN, "port_forbidden", "start as root, or with CAP_NET_BIND_SERVICE")             \
    X(ADDRESS, "address", "give this host the address, or take it out of listen")                  \
    /* others */                                                                                   \
    X(CLOCK, "clock", "see to the clock of this host; until then clients get no time they use")    \
    X(CLOCK_SILENT, "clock_silent",                                                                \
      "start the NTP server of clock.server, let it answer this host, and check address and port") \
    X(TIME_SERVER_NAME, "time_server_name", "correct the name, or the DNS of this host")           \
    X(TIME_SERVER_SILENT, "time_server_silent",                                                    \
      "start nts-time-server there, and let UDP to that port through firewalls")                   \
    X(TIME_SERVER_KEY, "time_server_key", "copy the keyring there: it refuses our cookies")        \
    X(TIME_SERVER_CLOCK, "time_server_clock", "see to its clock source, or take it out")           \
    X(TIME_SERVER_REPLY, "time_server_reply", "see what listens there, and which version it is")

enum preflight_finding {
#define PREFLIGHT_ENUM(name, label, advice) PREFLIGHT_##name,
    PREFLIGHT_TABLE(PREFLIGHT_ENUM)
#undef PREFLIGHT_ENUM
        PREFLIGHT_NUM_FINDINGS
};

/* Zero-initialised: nothing found. */
struct preflight {
    unsigned num_errors;
    unsigned num_warnings;
};

/* preflight_find logs a finding, LOG_LEVEL_ERROR or LOG_LEVEL_WARNING, with what is wrong in the
 * words of `format`, and counts it. */
void preflight_find(struct preflight *preflight, enum log_level level,
                    enum preflight_finding finding, const char *format, ...) NTS_PRINTF(4, 5);

/* preflight_end logs the result for the file at `config_path`, and returns the exit status: 1 if
 * there was an error. */
int preflight_end(const struct preflight *preflight, const char *config_path);

#endif

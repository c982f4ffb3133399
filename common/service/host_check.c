#include "service/host_check.h"

#include "net/listen.h"
#include "net/port_owner.h"
#include "net/ring.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#define KERNEL_MAJOR 6 /* 6.1: DEFER_TASKRUN, and what else the rings are opened with */
#define KERNEL_MINOR 1

void host_check_io_uring(struct preflight *preflight, enum log_level level)
{
    struct utsname host;
    struct error error;
    unsigned major = 0;
    unsigned minor = 0;
    /* The kernel's own numbers, which fit. NOLINTNEXTLINE(cert-err34-c) */
    if (uname(&host) == 0 && sscanf(host.release, "%u.%u", &major, &minor) == 2 &&
        (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR))) {
        preflight_find(preflight, level, PREFLIGHT_KERNEL, "Linux %s is older than %d.%d",
                       host.release, KERNEL_MAJOR, KERNEL_MINOR);
    }
    if (ring_probe(&error) != NTS_OK) {
        preflight_find(preflight, level, PREFLIGHT_IO_URING, "%s", error.text);
    }
}

/* Another process is bound to the address already: finds which. */
static void find_taken(struct preflight *preflight, const union net_address *address, int type,
                       const char *program, const char *text)
{
    struct port_owner owner;
    if (port_owner_find(&owner, address, type)) {
        bool is_ours = strcmp(owner.name, program) == 0;
        preflight_find(preflight, is_ours ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR,
                       is_ours ? PREFLIGHT_PORT_SHARED : PREFLIGHT_PORT_TAKEN,
                       "%s is bound by %s, process %d", text, owner.name, owner.pid);
    } else if (listen_try(address, type) != EADDRINUSE) {
        return; /* it has just gone */
    } else if (port_owner_guess(&owner, program)) {
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_PORT_SHARED,
                       "%s is bound by a process that this user may not see, perhaps %s, process "
                       "%d",
                       text, owner.name, owner.pid);
    } else {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_PORT_TAKEN,
                       "%s is bound by a process that this user may not see", text);
    }
}

static void check_address(struct preflight *preflight, const union net_address *address, int type,
                          const char *program)
{
    char text[ADDRESS_TEXT_LEN + 8] = "";
    int cause = listen_try(address, type);
    strcpy(text, type == SOCK_STREAM ? "tcp " : "udp ");
    address_format(text + strlen(text), address);
    switch (cause) {
    case 0:
        break;
    case EADDRINUSE:
        find_taken(preflight, address, type, program, text);
        break;
    case EACCES:
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_PORT_FORBIDDEN,
                       "%s may not be bound by this user", text);
        break;
    default:
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_ADDRESS, "%s cannot be bound: %s",
                       text, strerror(cause));
    }
}

void host_check_addresses(struct preflight *preflight, const struct option_list *listen, int type,
                          const char *program)
{
    const union net_address *addresses = listen->items;
    for (size_t i = 0; i < listen->num; i++) {
        check_address(preflight, &addresses[i], type, program);
    }
}

void host_check_metrics(struct preflight *preflight, const union net_address *metrics,
                        const char *program)
{
    if (metrics->sa.sa_family != AF_UNSPEC) {
        check_address(preflight, metrics, SOCK_STREAM, program);
    }
}

void host_check_descriptors(struct preflight *preflight, enum log_level level, size_t needed,
                            bool can_raise)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    rlim_t granted = can_raise ? limit.rlim_max : limit.rlim_cur;
    if (granted != RLIM_INFINITY && granted < needed) {
        preflight_find(preflight, level, PREFLIGHT_DESCRIPTORS,
                       "%zu descriptors are needed, RLIMIT_NOFILE grants %zu", needed,
                       (size_t)granted);
    }
}

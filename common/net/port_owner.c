#include "net/port_owner.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCP_STATE_LISTEN 0x0a

/* The address as /proc/net/tcp and its like write it: words of 32 bits in the order of the host. */
static void format_as_proc(char text[33], const union net_address *address)
{
    if (address->sa.sa_family == AF_INET) {
        snprintf(text, 33, "%08X", address->in.sin_addr.s_addr);
        return;
    }
    for (size_t i = 0; i < 4; i++) {
        uint32_t word;
        memcpy(&word, address->in6.sin6_addr.s6_addr + 4 * i, sizeof(word));
        snprintf(text + 8 * i, 9, "%08X", word);
    }
}

static bool is_zeros(const char *text)
{
    return text[strspn(text, "0")] == '\0';
}

/* Whether one of the process's descriptors is the socket. */
static bool process_has_socket(const char *pid, unsigned long inode)
{
    char path[64];
    char wanted[64];
    bool has_it = false;
    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    DIR *descriptors = opendir(path);
    if (descriptors == NULL) {
        return false;
    }
    for (const struct dirent *entry; !has_it && (entry = readdir(descriptors)) != NULL;) {
        char target[64];
        ssize_t len = readlinkat(dirfd(descriptors), entry->d_name, target, sizeof(target) - 1);
        target[len > 0 ? len : 0] = '\0';
        has_it = strcmp(target, wanted) == 0;
    }
    closedir(descriptors);
    return has_it;
}

static bool read_name(struct port_owner *owner)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/comm", owner->pid);
    FILE *file = fopen(path, "re");
    bool is_read = file != NULL && fgets(owner->name, sizeof(owner->name), file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    owner->name[is_read ? strcspn(owner->name, "\n") : 0] = '\0';
    return is_read;
}

/* What find_process looks for: a socket, or a name. */
struct wanted_process {
    unsigned long inode;
    const char *name; /* NULL: the socket */
};

static bool process_is_wanted(struct port_owner *owner, const char *pid,
                              const struct wanted_process *wanted)
{
    owner->pid = (int)strtol(pid, NULL, 10); /* a directory of /proc: digits */
    if (wanted->name == NULL) {
        return process_has_socket(pid, wanted->inode) && read_name(owner);
    }
    return owner->pid != (int)getpid() && read_name(owner) &&
           strncmp(owner->name, wanted->name, sizeof(owner->name) - 1) == 0;
}

static bool find_process(struct port_owner *owner, const struct wanted_process *wanted)
{
    bool is_found = false;
    DIR *processes = opendir("/proc");
    if (processes == NULL) {
        return false;
    }
    for (const struct dirent *entry; !is_found && (entry = readdir(processes)) != NULL;) {
        is_found = entry->d_name[strspn(entry->d_name, "0123456789")] == '\0' &&
                   process_is_wanted(owner, entry->d_name, wanted);
    }
    closedir(processes);
    return is_found;
}

/* Goes through the sockets of one protocol and family. */
static bool find_in(struct port_owner *owner, const char *path, const union net_address *address,
                    int type)
{
    char wanted[33];
    char line[512];
    bool is_found = false;
    FILE *sockets = fopen(path, "re");
    if (sockets == NULL) {
        return false;
    }
    format_as_proc(wanted, address);
    while (!is_found && fgets(line, sizeof(line), sockets) != NULL) {
        char local[33];
        unsigned port;
        unsigned state;
        unsigned long inode;
        /* sl local:port remote:port state queues timer retransmits uid timeout inode: the kernel's
         * own numbers, which fit. NOLINTNEXTLINE(cert-err34-c) */
        if (sscanf(line, " %*d: %32[0-9A-F]:%x %*s %x %*s %*s %*s %*u %*u %lu", local, &port,
                   &state, &inode) != 4 ||
            port != address_port(address) || (type == SOCK_STREAM && state != TCP_STATE_LISTEN)) {
            continue;
        }
        is_found =
            (is_zeros(local) || address_is_wildcard(address) || strcmp(local, wanted) == 0) &&
            find_process(owner, &(struct wanted_process){.inode = inode});
    }
    fclose(sockets);
    return is_found;
}

bool port_owner_find(struct port_owner *owner, const union net_address *address, int type)
{
    /* A socket of IPv6 that is bound to all addresses may hold those of IPv4 too. */
    bool is_ipv6 = address->sa.sa_family == AF_INET6;
    if (type == SOCK_STREAM) {
        return (!is_ipv6 && find_in(owner, "/proc/net/tcp", address, type)) ||
               find_in(owner, "/proc/net/tcp6", address, type);
    }
    return (!is_ipv6 && find_in(owner, "/proc/net/udp", address, type)) ||
           find_in(owner, "/proc/net/udp6", address, type);
}

bool port_owner_guess(struct port_owner *owner, const char *program)
{
    return find_process(owner, &(struct wanted_process){.name = program});
}

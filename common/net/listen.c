#include "net/listen.h"

#include "log/log.h"

#include <errno.h>
#include <unistd.h>

int listen_try(const union net_address *address, int type)
{
    int on = 1;
    int cause = 0;
    int fd = socket(address->sa.sa_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    /* Without SO_REUSEPORT the bind fails if there is any other socket; with SO_REUSEADDR old TCP
     * connections do not count. */
    if (type == SOCK_STREAM) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (address->sa.sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(fd, &address->sa, address_len(address)) != 0) {
        cause = errno;
    }
    close(fd);
    return cause;
}

void listen_warn_if_shared(const union net_address *address, int type)
{
    /* Where it fails for another reason, the real bind says so. */
    if (listen_try(address, type) == EADDRINUSE) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, address);
        log_warning("listen.shared",
                    "address=%s reason=\"another process is bound to it too and gets a share of "
                    "the clients\"",
                    text);
    }
}

const char *listen_advice(int cause)
{
    switch (cause) {
    case EADDRINUSE:
        return " (stop the process that is bound to it, or listen elsewhere; --check names it)";
    case EACCES:
        return " (start as root, or with CAP_NET_BIND_SERVICE)";
    case EADDRNOTAVAIL:
        return " (no address of this host: give it to an interface, or take it out of listen)";
    case EAFNOSUPPORT:
        return " (this host has no such address family: take it out of listen)";
    default:
        return "";
    }
}

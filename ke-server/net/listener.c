#include "ke-server/net/listener.h"

#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Connections that wait to be accepted: what one worker completes in a fraction of the time that
 * clients wait. A SYN to a full backlog is dropped, and the client retransmits it after a second.
 * The kernel takes net.core.somaxconn if that is less. */
#define BACKLOG 1024

static bool set_option(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof(on)) == 0;
}

enum nts_status listener_open(struct listener *listener, const union net_address *address,
                              struct error *error)
{
    int family = address->sa.sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* TCP_NODELAY passes to the accepted sockets: each flight is one send, none waits. */
    if (fd < 0 || !set_option(fd, SOL_SOCKET, SO_REUSEADDR) ||
        !set_option(fd, SOL_SOCKET, SO_REUSEPORT) || !set_option(fd, IPPROTO_TCP, TCP_NODELAY) ||
        (family == AF_INET6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        bind(fd, &address->sa, address_len(address)) != 0) {
        char text[ADDRESS_TEXT_LEN];
        int cause = errno;
        address_format(text, address);
        if (fd >= 0) {
            close(fd);
        }
        return error_set(error, NTS_ERR_SYSTEM, "cannot listen on tcp %s: %s%s", text,
                         strerror(cause), listen_advice(cause));
    }
    *listener = (struct listener){.fd = fd, .family = family};
    return NTS_OK;
}

enum nts_status listener_adopt(struct listener *listener, int fd, int family, struct error *error)
{
    *listener = (struct listener){.fd = fd, .family = family};
    if (!set_option(fd, IPPROTO_TCP, TCP_NODELAY) || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot use a socket that was handed over: %s",
                         strerror(errno));
    }
    return NTS_OK;
}

enum nts_status listener_start(const struct listener *listener, struct error *error)
{
    if (listen(listener->fd, BACKLOG) == 0) {
        return NTS_OK;
    }
    int cause = errno;
    char text[ADDRESS_TEXT_LEN];
    union net_address address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(listener->fd, &address.sa, &len) == 0) {
        address_format(text, &address);
    } else {
        snprintf(text, sizeof(text), "its address");
    }
    return error_set(error, NTS_ERR_SYSTEM, "cannot listen on %s: %s", text, strerror(cause));
}

void listener_close(struct listener *listener)
{
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    listener->fd = -1;
}

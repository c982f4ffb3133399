#include "ke-server/net/client_socket.h"

#include "base/clock_time.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

void client_socket_local(union net_address *local, int fd, int family)
{
    socklen_t len = sizeof(*local);
    if (getsockname(fd, &local->sa, &len) != 0) {
        *local = (union net_address){.sa.sa_family = (sa_family_t)family};
    }
}

void client_socket_will_reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

void client_socket_reset(int fd)
{
    client_socket_will_reset(fd);
    close(fd);
}

void client_socket_acknowledge(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

int64_t client_socket_quiet_ns(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) {
        return 0;
    }
    return info.tcpi_last_data_recv * NS_PER_MS;
}

bool client_socket_has_left(int fd)
{
    char octet;
    ssize_t got = recv(fd, &octet, sizeof(octet), MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

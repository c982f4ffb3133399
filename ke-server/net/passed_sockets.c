#include "ke-server/net/passed_sockets.h"

#include "process/service_manager.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    return getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

/* NULL if we can serve it, else what was expected. */
static const char *examine(const struct passed_socket *socket)
{
    int family = socket->address.sa.sa_family;
    if (option_of(socket->fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM ||
        option_of(socket->fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
        (family != AF_INET && family != AF_INET6)) {
        return "a listening TCP socket (ListenStream= with a port, Accept=no)";
    }
    /* Clients are sent to time servers of the family that they came over: the socket tells it. */
    if (family == AF_INET6 && option_of(socket->fd, IPPROTO_IPV6, IPV6_V6ONLY) != 1) {
        return "one for IPv6 alone and another one for IPv4 (BindIPv6Only=ipv6-only)";
    }
    return NULL;
}

static enum nts_status take(struct passed_socket *socket, int fd, struct error *error)
{
    int on = 1;
    socklen_t len = sizeof(socket->address);
    *socket = (struct passed_socket){.fd = fd};
    const char *expected = "a socket";
    if (getsockname(fd, &socket->address.sa, &len) == 0) {
        expected = examine(socket);
    }
    if (expected != NULL) {
        return error_set(error, NTS_ERR_SYSTEM,
                         "the service manager passed descriptor %d, expected %s", fd, expected);
    }
    /* As listener_open does. */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "descriptor %d: %s", fd, strerror(errno));
    }
    return NTS_OK;
}

enum nts_status passed_sockets_open(struct passed_sockets *passed, struct error *error)
{
    int first_fd;
    *passed = (struct passed_sockets){0};
    size_t num = service_manager_sockets(&first_fd);
    if (num == 0) {
        return NTS_OK;
    }
    passed->list = calloc(num, sizeof(*passed->list));
    if (passed->list == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    for (; passed->num < num; passed->num++) {
        enum nts_status status =
            take(&passed->list[passed->num], first_fd + (int)passed->num, error);
        if (status != NTS_OK) {
            return status;
        }
    }
    return NTS_OK;
}

void passed_sockets_close(struct passed_sockets *passed)
{
    for (size_t i = 0; i < passed->num; i++) {
        close(passed->list[i].fd);
    }
    free(passed->list);
    *passed = (struct passed_sockets){0};
}

bool passed_sockets_serves(const struct passed_sockets *passed, size_t index, size_t worker,
                           size_t num_workers)
{
    size_t position = 0; /* among those of the same address */
    size_t num_same = 0;
    for (size_t i = 0; i < passed->num; i++) {
        if (address_equal(&passed->list[i].address, &passed->list[index].address)) {
            position += i < index ? 1 : 0;
            num_same++;
        }
    }
    return num_same >= num_workers ? position % num_workers == worker
                                   : worker % num_same == position;
}

enum nts_status passed_sockets_listeners(struct listener *listeners, size_t *num,
                                         const struct passed_sockets *passed, size_t worker,
                                         size_t num_workers, struct error *error)
{
    *num = 0;
    for (size_t i = 0; i < passed->num; i++) {
        const struct passed_socket *socket = &passed->list[i];
        if (!passed_sockets_serves(passed, i, worker, num_workers)) {
            continue;
        }
        int fd = fcntl(socket->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            return error_set(error, NTS_ERR_SYSTEM, "cannot duplicate a passed socket: %s",
                             strerror(errno));
        }
        listeners[(*num)++] = (struct listener){.fd = fd, .family = socket->address.sa.sa_family};
    }
    return NTS_OK;
}

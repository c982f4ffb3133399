#include "time-server/transport/udp_socket.h"

#include "base/clock_time.h"
#include "net/listen.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

_Static_assert(CMSG_SPACE(sizeof(struct scm_timestamping)) + CMSG_SPACE(sizeof(uint32_t)) +
                       CMSG_SPACE(sizeof(struct in6_pktinfo)) <=
                   UDP_CONTROL_LEN,
               "there is room for all that a datagram brings");

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

bool udp_socket_timestamps(int fd)
{
    return set_option(fd, SOL_SOCKET, SO_TIMESTAMPING,
                      SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
                          SOF_TIMESTAMPING_OPT_TSONLY);
}

/* As the kernel counts it, with its own overhead: twice of what was asked for. */
static int receive_buffer_of(int fd)
{
    int doubled = 0;
    socklen_t len = sizeof(doubled);
    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &doubled, &len);
    return doubled;
}

/* What this process would get for the asking. */
static int permitted_receive_buffer(int receive_buffer_len)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int doubled = 0;
    if (fd >= 0 && set_option(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer_len)) {
        doubled = receive_buffer_of(fd);
    }
    close(fd);
    return doubled;
}

bool udp_socket_receive_buffer(int fd, int receive_buffer_len)
{
    int current = receive_buffer_of(fd);
    /* The forced size needs CAP_NET_ADMIN; without it the kernel's limit holds, below which a
     * buffer must not fall that was forced before the privileges went. */
    if (current != 2 * receive_buffer_len &&
        !set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer_len) &&
        (current > 2 * receive_buffer_len ||
         current < permitted_receive_buffer(receive_buffer_len))) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer_len);
    }
    return receive_buffer_of(fd) == 2 * receive_buffer_len;
}

/* What must be said before bind, and cannot be later. */
static bool set_sharing(int fd, const union net_address *address)
{
    return set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) &&
           (address->sa.sa_family != AF_INET6 || set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
}

static bool set_options(int fd, const union net_address *address, int receive_buffer_len)
{
    bool is_ipv6 = address->sa.sa_family == AF_INET6;
    udp_socket_receive_buffer(fd, receive_buffer_len);
    set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1); /* without it they are not counted */
    if (!udp_socket_timestamps(fd)) {
        return false;
    }
    /* No forged ICMP message may set the path MTU of our replies. */
    if (!is_ipv6) {
        set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    }
    if (!address_is_wildcard(address)) {
        return true;
    }
    return is_ipv6 ? set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                   : set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

enum nts_status udp_socket_open(int *fd, const union net_address *address, int receive_buffer_len,
                                struct error *error)
{
    char text[ADDRESS_TEXT_LEN];
    address_format(text, address);
    *fd = socket(address->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
    if (*fd < 0 || !set_sharing(*fd, address) || !set_options(*fd, address, receive_buffer_len) ||
        bind(*fd, &address->sa, address_len(address)) != 0) {
        error_set(error, NTS_ERR_SYSTEM, "cannot listen on udp %s: %s%s", text, strerror(errno),
                  listen_advice(errno));
        if (*fd >= 0) {
            close(*fd);
        }
        *fd = -1;
        return NTS_ERR_SYSTEM;
    }
    return NTS_OK;
}

enum nts_status udp_socket_adopt(int fd, const union net_address *address, int receive_buffer_len,
                                 struct error *error)
{
    if (!set_options(fd, address, receive_buffer_len)) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, address);
        return error_set(error, NTS_ERR_SYSTEM, "cannot use the socket for udp %s: %s", text,
                         strerror(errno));
    }
    return NTS_OK;
}

/* The software timestamp; the message has room for hardware ones too. */
static int64_t software_time_ns(const struct cmsghdr *c)
{
    struct scm_timestamping times;
    memcpy(&times, CMSG_DATA(c), sizeof(times));
    return times.ts[0].tv_sec * NS_PER_S + times.ts[0].tv_nsec;
}

void udp_control_read(struct udp_received *received, struct msghdr *message)
{
    received->rx_time_ns = 0;
    received->has_local = false;
    received->num_dropped = 0; /* the kernel does not say zero */
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
            received->rx_time_ns = software_time_ns(c);
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
            memcpy(&received->num_dropped, CMSG_DATA(c), sizeof(received->num_dropped));
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            received->has_local = true;
            received->local.in.sin_family = AF_INET;
            received->local.in.sin_addr = info.ipi_spec_dst;
            received->interface = 0; /* routing decides */
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof(info));
            received->has_local = true;
            received->local.in6.sin6_family = AF_INET6;
            received->local.in6.sin6_addr = info.ipi6_addr;
            received->interface =
                IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr) ? (unsigned)info.ipi6_ifindex : 0;
        }
    }
    if (received->rx_time_ns == 0) {
        received->rx_time_ns = real_time_ns();
    }
}

/* Appends a control message. */
static void put_control(struct msghdr *message, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *c =
        (struct cmsghdr *)((uint8_t *)message->msg_control + message->msg_controllen);
    memset(c, 0, CMSG_SPACE(len));
    c->cmsg_len = CMSG_LEN(len);
    c->cmsg_level = level;
    c->cmsg_type = type;
    memcpy(CMSG_DATA(c), data, len);
    message->msg_controllen += CMSG_SPACE(len);
}

void udp_control_write(struct msghdr *message, uint8_t *control,
                       const struct udp_received *received, bool wants_tx_time)
{
    message->msg_control = control;
    message->msg_controllen = 0;
    if (received->has_local && received->local.sa.sa_family == AF_INET6) {
        const struct in6_pktinfo info = {.ipi6_addr = received->local.in6.sin6_addr,
                                         .ipi6_ifindex = received->interface};
        put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    } else if (received->has_local) {
        const struct in_pktinfo info = {.ipi_spec_dst = received->local.in.sin_addr};
        put_control(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
    }
    if (wants_tx_time) {
        const uint32_t flags = SOF_TIMESTAMPING_TX_SOFTWARE;
        put_control(message, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags));
    }
    if (message->msg_controllen == 0) {
        message->msg_control = NULL;
    }
}

bool udp_socket_tx_time(int fd, int64_t *tx_time_ns)
{
    bool is_there = false;
    for (;;) {
        /* The timestamp, and what the error queue says of itself. */
        _Alignas(struct cmsghdr) uint8_t control[256];
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
        if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
            return is_there;
        }
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPING) {
                *tx_time_ns = software_time_ns(c);
                is_there = true;
            }
        }
    }
}

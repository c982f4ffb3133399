#include "udp_socket.h"

#include "base/clock_time.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

bool udp_socket_timestamps(int fd)
{
    return set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
}

static bool set_options(int fd, const union net_address *address, int receive_buffer_len)
{
    bool is_ipv6 = address->sa.sa_family == AF_INET6;
    /* The forced size needs CAP_NET_ADMIN; without it the kernel's limit holds. */
    if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer_len)) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer_len);
    }
    if (!set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) || !udp_socket_timestamps(fd)) {
        return false;
    }
    if (is_ipv6 && !set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) {
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
    if (*fd < 0 || !set_options(*fd, address, receive_buffer_len) ||
        bind(*fd, &address->sa, address_len(address)) != 0) {
        error_set(error, NTS_ERR_SYSTEM, "cannot listen on udp %s: %s", text, strerror(errno));
        if (*fd >= 0) {
            close(*fd);
        }
        return NTS_ERR_SYSTEM;
    }
    return NTS_OK;
}

void udp_control_read(struct udp_received *received, struct msghdr *message)
{
    received->rx_time_ns = 0;
    received->has_local = false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(c), sizeof(time));
            received->rx_time_ns = time.tv_sec * NS_PER_S + time.tv_nsec;
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

void udp_control_write(struct msghdr *message, uint8_t *control,
                       const struct udp_received *received)
{
    message->msg_control = NULL;
    message->msg_controllen = 0;
    if (!received->has_local) {
        return;
    }
    bool is_ipv6 = received->local.sa.sa_family == AF_INET6;
    size_t info_len = is_ipv6 ? sizeof(struct in6_pktinfo) : sizeof(struct in_pktinfo);
    memset(control, 0, CMSG_SPACE(info_len));
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(info_len);
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    c->cmsg_len = CMSG_LEN(info_len);
    if (is_ipv6) {
        struct in6_pktinfo info = {.ipi6_addr = received->local.in6.sin6_addr,
                                   .ipi6_ifindex = received->interface};
        c->cmsg_level = IPPROTO_IPV6;
        c->cmsg_type = IPV6_PKTINFO;
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    } else {
        struct in_pktinfo info = {.ipi_spec_dst = received->local.in.sin_addr};
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        memcpy(CMSG_DATA(c), &info, sizeof(info));
    }
}

ssize_t udp_socket_receive(int fd, uint8_t *data, size_t capacity, int64_t *rx_time_ns)
{
    _Alignas(struct cmsghdr) uint8_t control[UDP_CONTROL_LEN];
    struct iovec iov = {.iov_base = data, .iov_len = capacity};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t len;
    do {
        len = recvmsg(fd, &message, MSG_DONTWAIT);
        /* A connected socket reports the ICMP errors of earlier datagrams: read on behind them. */
    } while (len < 0 && (errno == ECONNREFUSED || errno == EINTR));
    if (len >= 0) {
        struct udp_received received;
        udp_control_read(&received, &message);
        *rx_time_ns = received.rx_time_ns;
    }
    return len;
}

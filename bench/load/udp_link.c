#include "load/udp_link.h"

#include "base/clock_time.h"
#include "client/ntp_client.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_BUFFER_LEN (4 << 20)
#define MAX_SEGMENTS      16

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static bool set_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

static int open_socket(const struct udp_link_options *options)
{
    int family = options->target.sa.sa_family;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /* The forced sizes need CAP_NET_ADMIN; without it the kernel's limits hold. */
    if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER_LEN)) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER_LEN);
    }
    if (!set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER_LEN)) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER_LEN);
    }
    if (!set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1)) {
        close(fd);
        return -1;
    }
    int result;
    if (options->source_net.num == 0) {
        result = connect(fd, &options->target.sa, address_len(&options->target));
    } else {
        union net_address any = {.sa.sa_family = (sa_family_t)family};
        /* IPv6 lets no address be named that is only local by a route, unless it is told to. */
        if (family == AF_INET6) {
            set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
        }
        result = bind(fd, &any.sa, address_len(&any));
    }
    if (result != 0) {
        int code = errno;
        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

/* What is received goes to the same places all the time. */
static void prepare_receive(struct udp_link *link)
{
    for (size_t i = 0; i < UDP_LINK_BATCH; i++) {
        link->in_parts[i] = (struct iovec){.iov_base = link->in_packets + i * UDP_LINK_MAX_PACKET,
                                           .iov_len = UDP_LINK_MAX_PACKET};
        link->in_messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &link->in_parts[i],
            .msg_iovlen = 1,
            .msg_control = link->in_control + i * UDP_LINK_CONTROL_LEN,
        };
    }
}

static bool allocate(struct udp_link *link)
{
    link->fds = malloc(link->options.num_sockets * sizeof(*link->fds));
    link->out_messages = calloc(UDP_LINK_BATCH, sizeof(*link->out_messages));
    link->out_parts = calloc(UDP_LINK_BATCH, sizeof(*link->out_parts));
    link->out_control = calloc(UDP_LINK_BATCH, UDP_LINK_CONTROL_LEN);
    link->out_first = calloc(UDP_LINK_BATCH, sizeof(*link->out_first));
    link->in_messages = calloc(UDP_LINK_BATCH, sizeof(*link->in_messages));
    link->in_parts = calloc(UDP_LINK_BATCH, sizeof(*link->in_parts));
    link->in_control = calloc(UDP_LINK_BATCH, UDP_LINK_CONTROL_LEN);
    link->in_packets = calloc(UDP_LINK_BATCH, UDP_LINK_MAX_PACKET);
    for (size_t i = 0; link->fds != NULL && i < link->options.num_sockets; i++) {
        link->fds[i] = -1;
    }
    return link->fds != NULL && link->out_messages != NULL && link->out_parts != NULL &&
           link->out_control != NULL && link->out_first != NULL && link->in_messages != NULL &&
           link->in_parts != NULL && link->in_control != NULL && link->in_packets != NULL;
}

enum nts_status udp_link_open(struct udp_link *link, const struct udp_link_options *options,
                              struct error *error)
{
    *link = (struct udp_link){.options = *options};
    if (link->options.num_segments > MAX_SEGMENTS) {
        link->options.num_segments = MAX_SEGMENTS;
    }
    if (!allocate(link)) {
        udp_link_close(link);
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    prepare_receive(link);
    for (size_t i = 0; i < options->num_sockets; i++) {
        link->fds[i] = open_socket(options);
        if (link->fds[i] < 0) {
            char text[ADDRESS_TEXT_LEN];
            address_format(text, &options->target);
            error_set(error, NTS_ERR_SYSTEM, "no socket %zu of %zu towards %s: %s", i + 1,
                      options->num_sockets, text, strerror(errno));
            udp_link_close(link);
            return NTS_ERR_SYSTEM;
        }
    }
    return NTS_OK;
}

void udp_link_close(struct udp_link *link)
{
    for (size_t i = 0; link->fds != NULL && i < link->options.num_sockets; i++) {
        if (link->fds[i] >= 0) {
            close(link->fds[i]);
        }
    }
    free(link->fds);
    free(link->out_messages);
    free(link->out_parts);
    free(link->out_control);
    free(link->out_first);
    free(link->in_messages);
    free(link->in_parts);
    free(link->in_control);
    free(link->in_packets);
    link->fds = NULL;
}

/* --- sending --- */

static void *add_control(struct msghdr *message, uint8_t *control, int level, int type, size_t len)
{
    struct cmsghdr *c = (struct cmsghdr *)(control + message->msg_controllen);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    message->msg_control = control;
    message->msg_controllen += CMSG_SPACE(len);
    return CMSG_DATA(c);
}

static void set_source(struct msghdr *message, uint8_t *control,
                       const struct udp_link_options *options, uint32_t index)
{
    union net_address source = source_net_at(&options->source_net, index);
    if (source.sa.sa_family == AF_INET6) {
        struct in6_pktinfo info = {.ipi6_addr = source.in6.sin6_addr};
        memcpy(add_control(message, control, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(info)), &info,
               sizeof(info));
    } else {
        struct in_pktinfo info = {.ipi_spec_dst = source.in.sin_addr};
        memcpy(add_control(message, control, IPPROTO_IP, IP_PKTINFO, sizeof(info)), &info,
               sizeof(info));
    }
}

/* How many of the requests, from the first on, can be one message: equal length (the last may be
 * shorter), and the same source. */
static size_t segments_of(const struct udp_link *link, const struct udp_out *out, size_t num)
{
    size_t max = num < link->options.num_segments ? num : link->options.num_segments;
    size_t num_segments = 1;
    while (num_segments < max && out[num_segments].socket == out->socket &&
           (link->options.source_net.num == 0 || out[num_segments].address == out->address) &&
           out[num_segments].len <= out->len) {
        num_segments++;
        if (out[num_segments - 1].len < out->len) {
            break;
        }
    }
    return num_segments;
}

static void put_message(struct udp_link *link, size_t index, const struct udp_out *out,
                        size_t num_segments)
{
    const struct udp_link_options *options = &link->options;
    struct iovec *parts = &link->out_parts[link->out_first[index]];
    struct msghdr *message = &link->out_messages[index].msg_hdr;
    uint8_t *control = link->out_control + index * UDP_LINK_CONTROL_LEN;
    for (size_t i = 0; i < num_segments; i++) {
        parts[i] = (struct iovec){.iov_base = (void *)out[i].data, .iov_len = out[i].len};
    }
    *message = (struct msghdr){.msg_iov = parts, .msg_iovlen = num_segments};
    if (options->source_net.num > 0) {
        message->msg_name = (void *)&options->target;
        message->msg_namelen = address_len(&options->target);
        set_source(message, control, options, out->address);
    }
    if (num_segments > 1) {
        uint16_t segment_len = (uint16_t)out->len;
        memcpy(add_control(message, control, IPPROTO_UDP, UDP_SEGMENT, sizeof(segment_len)),
               &segment_len, sizeof(segment_len));
    }
}

size_t udp_link_send(struct udp_link *link, const struct udp_out *out, size_t num)
{
    size_t num_sent = 0;
    while (num_sent < num) {
        uint32_t socket = out[num_sent].socket;
        size_t num_messages = 0;
        size_t at = num_sent;
        while (at < num && out[at].socket == socket) {
            size_t num_segments = segments_of(link, &out[at], num - at);
            link->out_first[num_messages] = at;
            put_message(link, num_messages++, &out[at], num_segments);
            at += num_segments;
        }
        int result =
            sendmmsg(link->fds[socket], link->out_messages, (unsigned)num_messages, MSG_DONTWAIT);
        if (result < 0) {
            /* The error may be that of an earlier datagram, for which ICMP has come back. */
            link->num_send_errors++;
            link->send_errno = errno;
            return num_sent;
        }
        if ((size_t)result < num_messages) {
            return link->out_first[result];
        }
        num_sent = at;
    }
    return num_sent;
}

/* --- receiving --- */

size_t udp_link_receive(struct udp_link *link, uint32_t socket, struct udp_in *in)
{
    for (size_t i = 0; i < UDP_LINK_BATCH; i++) {
        link->in_messages[i].msg_hdr.msg_controllen = CMSG_SPACE(sizeof(struct timespec));
    }
    int num = recvmmsg(link->fds[socket], link->in_messages, UDP_LINK_BATCH,
                       MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (num < 0) {
        return 0; /* nothing there, or an ICMP error that the next call is rid of */
    }
    for (size_t i = 0; i < (size_t)num; i++) {
        in[i] = (struct udp_in){
            .data = link->in_parts[i].iov_base,
            .len = link->in_messages[i].msg_len,
            .received_ns = ntp_message_received_ns(&link->in_messages[i].msg_hdr),
        };
    }
    return (size_t)num;
}

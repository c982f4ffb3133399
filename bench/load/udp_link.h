/* The sockets of the simulated clients: how requests get out and replies in, many to a system call.
 *
 * A client is a source port and a source address. Without a source network every socket is
 * connected, its port the kernel's choice, and clients = sockets at most have a port of their own.
 * With one, sockets are bound to a port of the wildcard address, and each datagram names the
 * address it comes from: sockets x addresses different clients from a few descriptors. The machine
 * must take those addresses for its own, so that the replies come in: they are configured on an
 * interface, or `ip route add local 10.1.0.0/16 dev lo` makes all of a network local (AnyIP); all
 * of 127.0.0.0/8 is anyway. One thread. */
#ifndef NTS_LOAD_UDP_LINK_H
#define NTS_LOAD_UDP_LINK_H

#include "load/source_net.h"

#include <netinet/ip.h>
#include <sys/uio.h>

#define UDP_LINK_BATCH       64
#define UDP_LINK_MAX_PACKET  2048
#define UDP_LINK_MAX_SOCKETS 28000 /* about what the kernel has of ephemeral ports */
#define UDP_LINK_CONTROL_LEN 128

/* One request on its way out. */
struct udp_out {
    const uint8_t *data;
    size_t len;
    uint32_t socket;  /* below num_sockets */
    uint32_t address; /* below the source network's `num`; without one it does not count */
};

/* One datagram that came in. */
struct udp_in {
    const uint8_t *data;
    size_t len;          /* the whole length: what is above UDP_LINK_MAX_PACKET was cut off */
    int64_t received_ns; /* the kernel's timestamp, CLOCK_REALTIME */
};

struct udp_link_options {
    union net_address target;
    struct source_net source_net; /* num = 0: none */
    size_t num_sockets;
    size_t num_segments; /* datagrams to the same socket that go through the kernel's stack as one
                            (UDP_SEGMENT); 1: each by itself */
};

struct udp_link {
    struct udp_link_options options;
    int *fds;
    struct mmsghdr *out_messages;
    struct iovec *out_parts;
    uint8_t *out_control;
    size_t *out_first; /* of each message, the first packet in it */
    struct mmsghdr *in_messages;
    struct iovec *in_parts;
    uint8_t *in_control;
    uint8_t *in_packets;
    uint64_t num_send_errors; /* refused by the kernel or, on behalf of the server, by ICMP */
    int send_errno;           /* of the last of them */
};

/* udp_link_open makes the sockets. NTS_ERR_SYSTEM or NTS_ERR_NO_MEMORY with text. */
NTS_MUST_CHECK enum nts_status udp_link_open(struct udp_link *link,
                                             const struct udp_link_options *options,
                                             struct error *error);
void udp_link_close(struct udp_link *link);

/* udp_link_send hands `num` requests (up to UDP_LINK_BATCH) to the kernel, in order, and returns
 * how many it took. */
size_t udp_link_send(struct udp_link *link, const struct udp_out *out, size_t num);

/* udp_link_receive takes up to UDP_LINK_BATCH datagrams that wait on one socket, without waiting.
 * They stay valid until the next call. */
size_t udp_link_receive(struct udp_link *link, uint32_t socket, struct udp_in *in);

#endif

/* UDP sockets as the server wants them, and the control messages that come and go with each
 * datagram: the kernel's receive timestamp, the address that was asked, and drops. */
#ifndef NTS_TIME_UDP_SOCKET_H
#define NTS_TIME_UDP_SOCKET_H

#include "base/address.h"

#include <sys/types.h>

#define UDP_CONTROL_LEN 128 /* timestamp, drops and packet info, either family */

/* udp_socket_open binds a socket to `address`, shared with other workers (SO_REUSEPORT). If the
 * address is a wildcard, the socket reports which address was asked. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status udp_socket_open(int *fd, const union net_address *address,
                                               int receive_buffer_len, struct error *error);

/* udp_socket_adopt gives a socket that another process has bound to `address` the same options, as
 * far as they can still be given. NTS_ERR_SYSTEM. */
NTS_MUST_CHECK enum nts_status udp_socket_adopt(int fd, const union net_address *address,
                                                int receive_buffer_len, struct error *error);

/* udp_socket_receive_buffer sets the size of the receive buffer. False if the kernel permits less
 * to this process: then it is as large as possible. */
bool udp_socket_receive_buffer(int fd, int receive_buffer_len);

/* udp_socket_timestamps switches receive timestamps on, and transmit timestamps on request. */
bool udp_socket_timestamps(int fd);

/* What the control messages of a received datagram say. */
struct udp_received {
    int64_t rx_time_ns; /* CLOCK_REALTIME; our own reading if the kernel gave none */
    bool has_local;     /* the address that was asked is known */
    union net_address local;
    unsigned interface;
    uint32_t num_dropped; /* at this socket since it was opened, before this one; wraps */
};

void udp_control_read(struct udp_received *received, struct msghdr *message);

/* udp_control_write makes `message` leave from the address that was asked (RFC 5905, section 9.2),
 * if it is known, and, if `wants_tx_time`, asks the kernel when it leaves. Uses UDP_CONTROL_LEN
 * octets at `control`. */
void udp_control_write(struct msghdr *message, uint8_t *control,
                       const struct udp_received *received, bool wants_tx_time);

/* udp_socket_tx_time reads when the datagram has left that was last asked for, CLOCK_REALTIME;
 * false if the kernel has not said so yet. Does not wait. */
bool udp_socket_tx_time(int fd, int64_t *tx_time_ns);

#endif

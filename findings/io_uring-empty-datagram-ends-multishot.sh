#!/bin/bash
about="An empty UDP datagram ends a multishot recvmsg of io_uring, as if the operation had failed.

A multishot receive posts a completion with IORING_CQE_F_MORE for each datagram, until it fails or runs out of
buffers. A datagram without payload is valid UDP and is delivered like any other, but its completion comes
without IORING_CQE_F_MORE: the operation is over, and must be submitted again. A server that re-arms only after
errors stops receiving; one that re-arms pays for it with each empty datagram."
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

package liburing-dev 2.3-3
package liburing2 2.3-3
echo "kernel     $(uname -r)"

cat >"$work/multishot.c" <<'C'
#include <arpa/inet.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    static const int lengths[] = {4, 4, 0, 4};
    static char pool[8][256];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_len = sizeof(address);
    struct msghdr shape = {.msg_namelen = sizeof(address)};
    struct io_uring ring;
    int in = socket(AF_INET, SOCK_DGRAM, 0);
    int out = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(in, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        getsockname(in, (struct sockaddr *)&address, &address_len) != 0 ||
        connect(out, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        io_uring_queue_init(8, &ring, 0) != 0) {
        perror("setup");
        return 2;
    }
    struct io_uring_buf_ring *buffers = aligned_alloc(4096, 4096);
    struct io_uring_buf_reg group = {
        .ring_addr = (unsigned long)buffers, .ring_entries = 8, .bgid = 1};
    if (buffers == NULL || io_uring_register_buf_ring(&ring, &group, 0) != 0) {
        return 2;
    }
    io_uring_buf_ring_init(buffers);
    for (int i = 0; i < 8; i++) {
        io_uring_buf_ring_add(buffers, pool[i], sizeof(pool[i]), (unsigned short)i, 7, i);
    }
    io_uring_buf_ring_advance(buffers, 8);
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
    io_uring_prep_recvmsg_multishot(sqe, in, &shape, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = 1;
    io_uring_submit(&ring);
    for (int i = 0; i < 4; i++) {
        struct __kernel_timespec second = {.tv_sec = 1};
        struct io_uring_cqe *cqe;
        if (send(out, "data", (size_t)lengths[i], 0) != lengths[i]) {
            return 2;
        }
        if (io_uring_wait_cqe_timeout(&ring, &cqe, &second) != 0) {
            printf("%d octets: no completion\n", lengths[i]);
            continue;
        }
        printf("%d octets: %s, %s\n", lengths[i], cqe->res >= 0 ? "received" : strerror(-cqe->res),
               (cqe->flags & IORING_CQE_F_MORE) != 0 ? "more to come" : "operation over");
        io_uring_cqe_seen(&ring, cqe);
    }
    return 0;
}
C
library=$work/root/usr/lib/$(gcc -print-multiarch)
gcc -std=gnu17 -I "$work/root/usr/include" -o "$work/multishot" "$work/multishot.c" \
    -L "$library" -luring -Wl,-rpath,"$library"
seen=$(timeout 20 "$work/multishot" | paste -sd ';')
finding "each of four datagrams (4, 4, 0, 4 octets) is received, more to come" "$seen" \
    "$([[ $seen == "4 octets: received, more to come;4 octets: received, more to come;0 octets: received, operation over;4 octets: no completion" ]] && echo true)"

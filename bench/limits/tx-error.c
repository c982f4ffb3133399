/* tx-error: how wrong the transmit timestamps of an NTP server are. Listens in on an interface of
 * the server's host and compares the transmit timestamp inside each reply with the moment at which
 * the kernel handed the packet to the interface. Works for any server, NTS or not: the header is in
 * clear.
 *
 *   tx-error INTERFACE PORT SECONDS [ONE_IN]   prints one JSON object, times in microseconds
 *
 * A positive error means that the packet left later than it says. ONE_IN looks at one reply in so
 * many (default 1), so that looking costs the server little. */
#include "base/clock_time.h"
#include "base/cursor.h"
#include "wire/ntp_packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SAMPLES  (1 << 20)
#define UDP_PROTOCOL 17
#define NTP_HEADER   48

static int fail(const char *what)
{
    fprintf(stderr, "tx-error: %s: %s\n", what, strerror(errno));
    return 1;
}

/* Looks at one in `one_in` packets; the kernel throws the dice. */
static bool sample_one_in(int fd, uint32_t one_in)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, one_in),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 512),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    return one_in == 1 ||
           setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0;
}

static int open_capture(const char *interface, uint32_t one_in)
{
    int on = 1;
    int buffer_len = 16 << 20;
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex(interface)};
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (fd < 0 || address.sll_ifindex == 0 || !sample_one_in(fd, one_in) ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_len, sizeof(buffer_len));
    return fd;
}

/* The NTP header of a reply from `port` in an IP packet, NULL if it is something else. */
static const uint8_t *find_reply(const uint8_t *packet, size_t len, uint16_t port)
{
    size_t ip_len;
    if (len > 20 && packet[0] >> 4 == 4 && packet[9] == UDP_PROTOCOL) {
        ip_len = (size_t)(packet[0] & 15) * 4;
    } else if (len > 40 && packet[0] >> 4 == 6 && packet[6] == UDP_PROTOCOL) {
        ip_len = 40;
    } else {
        return NULL;
    }
    const uint8_t *udp = packet + ip_len;
    if (len < ip_len + 8 + NTP_HEADER || load_u16(udp) != port || (udp[8] & 7) != 4) {
        return NULL;
    }
    return udp + 8;
}

/* The kernel's moment minus the one in the reply, nanoseconds; false if the reply tells no time. */
static bool measure(int64_t *error_ns, const uint8_t *reply, const struct msghdr *message)
{
    const struct cmsghdr *c = CMSG_FIRSTHDR(message);
    uint64_t transmit_time = load_u64(reply + 40);
    struct timespec left;
    if (c == NULL || c->cmsg_type != SCM_TIMESTAMPNS || transmit_time == 0 || reply[1] == 0) {
        return false;
    }
    memcpy(&left, CMSG_DATA(c), sizeof(left));
    uint64_t left_time = ntp_time_from_unix_ns(left.tv_sec * NS_PER_S + left.tv_nsec);
    *error_ns = (int64_t)((double)(int64_t)(left_time - transmit_time) * 1e9 / 4294967296.0);
    return true;
}

static size_t collect(int64_t *errors_ns, int fd, uint16_t port, int64_t end_ns)
{
    size_t num = 0;
    while (num < MAX_SAMPLES) {
        uint8_t packet[512];
        _Alignas(struct cmsghdr) uint8_t control[128];
        struct sockaddr_ll from;
        struct iovec iov = {.iov_base = packet, .iov_len = sizeof(packet)};
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof(from),
                                 .msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        int64_t left_ms = (end_ns - mono_time_ns()) / NS_PER_MS;
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&polled, 1, (int)left_ms) <= 0) {
            break;
        }
        ssize_t len = recvmsg(fd, &message, MSG_DONTWAIT);
        const uint8_t *reply = len > 0 && from.sll_pkttype == PACKET_OUTGOING
                                   ? find_reply(packet, (size_t)len, port)
                                   : NULL;
        if (reply != NULL && measure(&errors_ns[num], reply, &message)) {
            num++;
        }
    }
    return num;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static double percentile_us(const int64_t *sorted_ns, size_t num, double percent)
{
    return num == 0 ? 0 : (double)sorted_ns[(size_t)((double)(num - 1) * percent / 100)] / 1e3;
}

/* The spread of the errors, and of their sizes. */
static void print_report(int64_t *errors_ns, size_t num)
{
    qsort(errors_ns, num, sizeof(*errors_ns), compare);
    printf("{\"replies\": %zu, \"min_us\": %.2f, \"p10_us\": %.2f, \"median_us\": %.2f, "
           "\"p90_us\": %.2f, \"p99_us\": %.2f, \"max_us\": %.2f, ",
           num, percentile_us(errors_ns, num, 0), percentile_us(errors_ns, num, 10),
           percentile_us(errors_ns, num, 50), percentile_us(errors_ns, num, 90),
           percentile_us(errors_ns, num, 99), percentile_us(errors_ns, num, 100));
    for (size_t i = 0; i < num; i++) {
        errors_ns[i] = errors_ns[i] < 0 ? -errors_ns[i] : errors_ns[i];
    }
    qsort(errors_ns, num, sizeof(*errors_ns), compare);
    printf("\"absolute_median_us\": %.2f, \"absolute_p90_us\": %.2f}\n",
           percentile_us(errors_ns, num, 50), percentile_us(errors_ns, num, 90));
}

int main(int argc, char **argv)
{
    long port = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
    long seconds = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    long one_in = argc > 4 ? strtol(argv[4], NULL, 10) : 1;
    if (argc < 4 || argc > 5 || port < 1 || port > 65535 || seconds < 1 || seconds > 3600 ||
        one_in < 1 || one_in > 1000000) {
        fputs("Usage: tx-error INTERFACE PORT SECONDS [ONE_IN]\n", stderr);
        return 2;
    }
    int64_t *errors_ns = malloc(MAX_SAMPLES * sizeof(*errors_ns));
    int fd = open_capture(argv[1], (uint32_t)one_in);
    if (errors_ns == NULL || fd < 0) {
        return fail(argv[1]);
    }
    int64_t end_ns = mono_time_ns() + seconds * NS_PER_S;
    print_report(errors_ns, collect(errors_ns, fd, (uint16_t)port, end_ns));
    free(errors_ns);
    close(fd);
    return 0;
}

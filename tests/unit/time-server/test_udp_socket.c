/* The sockets of a time server, its own and those that it was handed. */
#include "time-server/transport/udp_socket.h"

#include <criterion/criterion.h>
#include <unistd.h>

/* Not above what any system permits without privileges. */
#define SMALL_LEN (64 * 1024)
#define LARGE_LEN (128 * 1024)

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    cr_assert_eq(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static int open_at(const char *text, int receive_buffer_len)
{
    union net_address address;
    struct error error;
    int fd;
    cr_assert(address_parse(&address, text, 0));
    cr_assert_eq(udp_socket_open(&fd, &address, receive_buffer_len, &error), NTS_OK, "%s",
                 error.text);
    return fd;
}

Test(udp_socket, the_receive_buffer_grows_and_shrinks)
{
    int fd = open_at("127.0.0.1", SMALL_LEN);
    cr_assert_eq(option_of(fd, SOL_SOCKET, SO_RCVBUF), 2 * SMALL_LEN);
    cr_assert(udp_socket_receive_buffer(fd, LARGE_LEN));
    cr_assert_eq(option_of(fd, SOL_SOCKET, SO_RCVBUF), 2 * LARGE_LEN);
    cr_assert(udp_socket_receive_buffer(fd, SMALL_LEN));
    cr_assert_eq(option_of(fd, SOL_SOCKET, SO_RCVBUF), 2 * SMALL_LEN);
    close(fd);
}

/* Run as root, it is a buffer that was forced; without, nothing is to be seen and nothing lost. */
Test(udp_socket, a_buffer_that_was_forced_does_not_shrink_for_want_of_privileges)
{
    const int huge = 64 * 1024 * 1024;
    int fd = open_at("127.0.0.1", huge);
    int before = option_of(fd, SOL_SOCKET, SO_RCVBUF);
    if (geteuid() == 0) {
        cr_assert_eq(before, 2 * huge);
        cr_assert_eq(setresuid(65534, 65534, 65534), 0);
    }
    cr_assert_not(udp_socket_receive_buffer(fd, 2 * huge));
    cr_assert_eq(option_of(fd, SOL_SOCKET, SO_RCVBUF), before);
    cr_assert(udp_socket_receive_buffer(fd, SMALL_LEN));
    cr_assert_eq(option_of(fd, SOL_SOCKET, SO_RCVBUF), 2 * SMALL_LEN);
    close(fd);
}

Test(udp_socket, one_that_was_handed_over_gets_what_it_lacks)
{
    static const char *const texts[] = {"127.0.0.1", "0.0.0.0", "::1", "::"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        union net_address address;
        struct error error;
        int on = 1;
        cr_assert(address_parse(&address, texts[i], 0));
        int fd = socket(address.sa.sa_family, SOCK_DGRAM, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
        if (address.sa.sa_family == AF_INET6) {
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        }
        cr_assert_eq(bind(fd, &address.sa, address_len(&address)), 0, "%s", texts[i]);
        cr_assert_eq(udp_socket_adopt(fd, &address, LARGE_LEN, &error), NTS_OK, "%s", error.text);
        cr_assert_eq(option_of(fd, SOL_SOCKET, SO_RCVBUF), 2 * LARGE_LEN);
        cr_assert_neq(option_of(fd, SOL_SOCKET, SO_TIMESTAMPING), 0);
        if (address_is_wildcard(&address)) {
            cr_assert_eq(address.sa.sa_family == AF_INET
                             ? option_of(fd, IPPROTO_IP, IP_PKTINFO)
                             : option_of(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO),
                         1);
        }
        close(fd);
    }
    struct error error;
    union net_address address;
    cr_assert(address_parse(&address, "127.0.0.1", 4123));
    cr_assert_eq(udp_socket_adopt(STDIN_FILENO, &address, LARGE_LEN, &error), NTS_ERR_SYSTEM);
}

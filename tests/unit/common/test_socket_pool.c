/* Sockets that were handed over, and how they are shared out. */
#include "log/log.h"
#include "net/listen_plan.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* A socket bound to `text`, whose port is filled in; listening if it is of TCP and `listens`. */
static int bound(union net_address *address, const char *text, int type, bool listens)
{
    int on = 1;
    cr_assert(address_parse(address, text, 0));
    int fd = socket(address->sa.sa_family, type, 0);
    cr_assert_geq(fd, 0);
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
    cr_assert_eq(bind(fd, &address->sa, address_len(address)), 0);
    socklen_t len = sizeof(*address);
    cr_assert_eq(getsockname(fd, &address->sa, &len), 0);
    if (listens) {
        cr_assert_eq(listen(fd, 1), 0);
    }
    return fd;
}

static void add(struct socket_pool *pool, int fd)
{
    struct error error;
    cr_assert_eq(socket_pool_add(pool, &fd, 1, &error), NTS_OK);
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

Test(socket_pool, gives_the_first_socket_of_that_type_and_address)
{
    struct socket_pool pool = {0};
    union net_address a;
    union net_address b;
    int first = bound(&a, "127.0.0.1", SOCK_DGRAM, false);
    int other = bound(&b, "127.0.0.2", SOCK_DGRAM, false);
    char text[ADDRESS_TEXT_LEN];
    address_format(text, &a);
    int second = bound(&a, text, SOCK_DGRAM, false);
    add(&pool, other);
    add(&pool, first);
    add(&pool, second);
    cr_assert_eq(socket_pool_count(&pool, SOCK_DGRAM, &a), 2);
    cr_assert_eq(socket_pool_take(&pool, SOCK_DGRAM, &a), first);
    cr_assert_eq(socket_pool_take(&pool, SOCK_DGRAM, &a), second);
    cr_assert_eq(socket_pool_take(&pool, SOCK_DGRAM, &a), -1);
    cr_assert_eq(socket_pool_count(&pool, SOCK_DGRAM, NULL), 1);
    cr_assert_eq(socket_pool_close(&pool), 1);
    cr_assert(is_open(first) && is_open(second));
    cr_assert_not(is_open(other));
}

Test(socket_pool, passes_over_what_is_not_quite_what_was_asked_for)
{
    struct socket_pool pool = {0};
    union net_address udp;
    union net_address tcp;
    union net_address quiet;
    union net_address six;
    add(&pool, bound(&udp, "127.0.0.1", SOCK_DGRAM, false));
    add(&pool, bound(&tcp, "127.0.0.1", SOCK_STREAM, true));
    add(&pool, bound(&quiet, "127.0.0.1", SOCK_STREAM, false));
    add(&pool, bound(&six, "::1", SOCK_DGRAM, false));
    add(&pool, open("/dev/null", O_RDONLY));
    cr_assert_eq(socket_pool_take(&pool, SOCK_STREAM, &udp), -1, "another type");
    cr_assert_eq(socket_pool_take(&pool, SOCK_DGRAM, &tcp), -1, "another type");
    cr_assert_eq(socket_pool_take(&pool, SOCK_STREAM, &quiet), -1, "it does not listen");
    union net_address near = udp;
    near.in.sin_port ^= htons(1);
    cr_assert_eq(socket_pool_take(&pool, SOCK_DGRAM, &near), -1, "another port");
    near = udp;
    near.in.sin_addr.s_addr ^= htonl(1);
    cr_assert_eq(socket_pool_take(&pool, SOCK_DGRAM, &near), -1, "another address");
    near = six;
    near.in6.sin6_addr.s6_addr[15] = 2;
    cr_assert_eq(socket_pool_take(&pool, SOCK_DGRAM, &near), -1, "another address");
    cr_assert_geq(socket_pool_take(&pool, SOCK_DGRAM, &udp), 0);
    cr_assert_geq(socket_pool_take(&pool, SOCK_STREAM, &tcp), 0);
    cr_assert_geq(socket_pool_take(&pool, SOCK_DGRAM, &six), 0);
    cr_assert_eq(socket_pool_close(&pool), 2);
}

/* Puts `num` sockets of one address into the pool and returns a list with that address. */
static struct option_list fill(struct socket_pool *pool, union net_address *address, size_t num)
{
    char text[ADDRESS_TEXT_LEN] = "127.0.0.1";
    for (size_t i = 0; i < num; i++) {
        add(pool, bound(address, text, SOCK_DGRAM, false));
        address_format(text, address);
    }
    return (struct option_list){.items = address, .num = 1};
}

Test(listen_plan, leaves_no_socket_and_no_worker_without)
{
    log_set_level(LOG_LEVEL_ERROR);
    for (size_t num_there = 1; num_there <= 9; num_there++) {
        struct socket_pool pool = {0};
        union net_address address;
        struct option_list listen = fill(&pool, &address, num_there);
        for (size_t num_workers = 1; num_workers <= 9; num_workers++) {
            struct listen_plan plan;
            size_t sum = 0;
            size_t least = SIZE_MAX;
            size_t most = 0;
            listen_plan_make(&plan, SOCK_DGRAM, &listen, num_workers, &pool);
            for (size_t w = 0; w < num_workers; w++) {
                size_t share = listen_plan_share(&plan, w, 0);
                cr_assert_eq(listen_plan_load(&plan, w), share);
                sum += share;
                least = share < least ? share : least;
                most = share > most ? share : most;
            }
            cr_assert_eq(sum, num_there > num_workers ? num_there : num_workers);
            cr_assert(least >= 1 && most - least <= 1, "%zu to %zu", least, most);
        }
        socket_pool_close(&pool);
    }
}

Test(listen_plan, counts_each_address_for_itself)
{
    log_set_level(LOG_LEVEL_ERROR);
    struct socket_pool pool = {0};
    union net_address addresses[2];
    fill(&pool, &addresses[0], 3);
    cr_assert(address_parse(&addresses[1], "127.0.0.9:1", 0));
    const struct option_list listen = {.items = addresses, .num = 2};
    struct listen_plan plan;
    listen_plan_make(&plan, SOCK_DGRAM, &listen, 2, &pool);
    cr_assert_eq(listen_plan_share(&plan, 0, 0), 2);
    cr_assert_eq(listen_plan_share(&plan, 1, 0), 1);
    cr_assert_eq(listen_plan_share(&plan, 0, 1), 1);
    cr_assert_eq(listen_plan_share(&plan, 1, 1), 1);
    cr_assert_eq(listen_plan_load(&plan, 0), 3);
    cr_assert_eq(listen_plan_load(&plan, 1), 2);
    listen_plan_make(&plan, SOCK_STREAM, &listen, 2, &pool);
    cr_assert_eq(listen_plan_load(&plan, 0), 2, "sockets of another type do not count");
    socket_pool_close(&pool);
}

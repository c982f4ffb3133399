#include "net/socket_pool.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum nts_status socket_pool_add(struct socket_pool *pool, const int *fds, size_t num,
                                struct error *error)
{
    if (num == 0) {
        return NTS_OK;
    }
    int *all = realloc(pool->fds, (pool->num + num) * sizeof(*all));
    if (all == NULL) {
        for (size_t i = 0; i < num; i++) {
            close(fds[i]);
        }
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    memcpy(all + pool->num, fds, num * sizeof(*fds));
    pool->fds = all;
    pool->num += num;
    return NTS_OK;
}

static bool has_option(int fd, int option, int wanted)
{
    int value = 0;
    socklen_t len = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

static bool is_bound_to(int fd, const union net_address *address)
{
    union net_address own = {0};
    socklen_t len = sizeof(own);
    return getsockname(fd, &own.sa, &len) == 0 && address_equal(&own, address);
}

static bool is_wanted(int fd, int type, const union net_address *address)
{
    return fd >= 0 && has_option(fd, SO_TYPE, type) &&
           (type != SOCK_STREAM || has_option(fd, SO_ACCEPTCONN, 1)) &&
           (address == NULL || is_bound_to(fd, address));
}

size_t socket_pool_count(const struct socket_pool *pool, int type, const union net_address *address)
{
    size_t num = 0;
    for (size_t i = 0; i < pool->num; i++) {
        num += is_wanted(pool->fds[i], type, address) ? 1 : 0;
    }
    return num;
}

int socket_pool_take(struct socket_pool *pool, int type, const union net_address *address)
{
    for (size_t i = 0; i < pool->num; i++) {
        if (is_wanted(pool->fds[i], type, address)) {
            int fd = pool->fds[i];
            pool->fds[i] = -1;
            return fd;
        }
    }
    return -1;
}

size_t socket_pool_close(struct socket_pool *pool)
{
    size_t num = 0;
    for (size_t i = 0; i < pool->num; i++) {
        if (pool->fds[i] >= 0) {
            close(pool->fds[i]);
            num++;
        }
    }
    free(pool->fds);
    *pool = (struct socket_pool){0};
    return num;
}

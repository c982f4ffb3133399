#include "time-server/transport/server_sockets.h"

#include "time-server/transport/udp_socket.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum nts_status server_sockets_plan(struct time_server *server, struct listen_plan *plan,
                                    const struct socket_pool *pool, struct error *error)
{
    size_t num = 0;
    listen_plan_make(plan, SOCK_DGRAM, &server->config.listen, server->num_workers, pool);
    for (size_t w = 0; w < server->num_workers; w++) {
        num += listen_plan_load(plan, w);
    }
    server->fds = malloc(num * sizeof(*server->fds));
    if (server->fds == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    memset(server->fds, -1, num * sizeof(*server->fds));
    server->num_fds = num;
    const int *fds = server->fds;
    for (size_t w = 0; w < server->num_workers; w++) {
        struct transport_sockets *sockets = &server->workers[w].sockets;
        sockets->fds = fds;
        sockets->num = listen_plan_load(plan, w);
        fds += sockets->num;
    }
    return NTS_OK;
}

/* A socket for `address`: one that there is, else a new one. */
static enum nts_status open_one(const struct time_server *server, struct socket_pool *pool, int *fd,
                                const union net_address *address, struct error *error)
{
    int receive_buffer_len = (int)server->config.receive_buffer_kib * 1024;
    *fd = socket_pool_take(pool, SOCK_DGRAM, address);
    return *fd >= 0 ? udp_socket_adopt(*fd, address, receive_buffer_len, error)
                    : udp_socket_open(fd, address, receive_buffer_len, error);
}

enum nts_status server_sockets_open(struct time_server *server, const struct listen_plan *plan,
                                    struct socket_pool *pool, struct error *error)
{
    int *fd = server->fds;
    for (size_t w = 0; w < plan->num_workers; w++) {
        for (size_t a = 0; a < plan->num_addresses; a++) {
            for (size_t i = listen_plan_share(plan, w, a); i > 0; i--) {
                enum nts_status status = open_one(server, pool, fd++, &plan->addresses[a], error);
                if (status != NTS_OK) {
                    return status;
                }
            }
        }
    }
    return NTS_OK;
}

void server_sockets_close(struct time_server *server)
{
    for (size_t i = 0; i < server->num_fds; i++) {
        if (server->fds[i] >= 0) {
            close(server->fds[i]);
        }
    }
    free(server->fds);
    server->fds = NULL;
    server->num_fds = 0;
}

#include "time-server/transport/server_sockets.h"

#include "time-server/transport/udp_socket.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Which of the descriptors each worker serves. */
static enum nts_status share_out(struct time_state *state, const struct listen_plan *plan,
                                 struct error *error)
{
    size_t num = 0;
    for (size_t w = 0; w < state->num_workers; w++) {
        num += listen_plan_load(plan, w);
    }
    state->fds = malloc(num * sizeof(*state->fds));
    if (state->fds == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    memset(state->fds, -1, num * sizeof(*state->fds));
    state->num_fds = num;
    const int *fds = state->fds;
    for (size_t w = 0; w < state->num_workers; w++) {
        struct transport_sockets *sockets = &state->workers[w].sockets;
        sockets->fds = fds;
        sockets->num = listen_plan_load(plan, w);
        fds += sockets->num;
    }
    return NTS_OK;
}

/* A socket for `address`: one that there is, else a new one. */
static enum nts_status open_one(int *fd, const union net_address *address, int receive_buffer_len,
                                struct socket_pool *pool, struct error *error)
{
    *fd = socket_pool_take(pool, SOCK_DGRAM, address);
    return *fd >= 0 ? udp_socket_adopt(*fd, address, receive_buffer_len, error)
                    : udp_socket_open(fd, address, receive_buffer_len, error);
}

enum nts_status server_sockets_open(struct time_state *state, const struct time_config *config,
                                    struct socket_pool *pool, struct error *error)
{
    struct listen_plan plan;
    listen_plan_make(&plan, SOCK_DGRAM, &config->listen, state->num_workers, pool);
    enum nts_status status = share_out(state, &plan, error);
    int receive_buffer_len = (int)config->receive_buffer_kib * 1024;
    int *fd = state->fds;
    for (size_t w = 0; status == NTS_OK && w < plan.num_workers; w++) {
        for (size_t a = 0; status == NTS_OK && a < plan.num_addresses; a++) {
            for (size_t i = listen_plan_share(&plan, w, a); status == NTS_OK && i > 0; i--) {
                status = open_one(fd++, &plan.addresses[a], receive_buffer_len, pool, error);
            }
        }
    }
    return status;
}

void server_sockets_close(struct time_state *state)
{
    for (size_t i = 0; i < state->num_fds; i++) {
        if (state->fds[i] >= 0) {
            close(state->fds[i]);
        }
    }
    free(state->fds);
    state->fds = NULL;
    state->num_fds = 0;
}

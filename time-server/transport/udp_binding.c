#include "time-server/transport/udp_binding.h"

#include "service/host_check.h"
#include "time-server/config/time_config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void udp_unbind(void *binding)
{
    struct udp_bound *bound = binding;
    for (size_t i = 0; i < bound->num; i++) {
        if (bound->fds[i] >= 0) {
            close(bound->fds[i]);
        }
    }
    free(bound->fds);
    free(bound);
}

/* Makes room for the sockets, and shares it out to the workers. */
static struct udp_bound *make_room(const struct listen_plan *plan)
{
    struct udp_bound *bound =
        calloc(1, sizeof(*bound) + plan->num_workers * sizeof(bound->parts[0]));
    if (bound == NULL) {
        return NULL;
    }
    bound->num_workers = plan->num_workers;
    for (size_t w = 0; w < plan->num_workers; w++) {
        bound->parts[w].num = listen_plan_load(plan, w);
        bound->num += bound->parts[w].num;
    }
    bound->fds = malloc(bound->num * sizeof(*bound->fds));
    if (bound->fds == NULL) {
        free(bound);
        return NULL;
    }
    memset(bound->fds, -1, bound->num * sizeof(*bound->fds));
    const int *fds = bound->fds;
    for (size_t w = 0; w < plan->num_workers; w++) {
        bound->parts[w].fds = fds;
        fds += bound->parts[w].num;
    }
    return bound;
}

/* A socket for `address`: one from the pool, else a new one. */
static enum nts_status open_one(int *fd, const union net_address *address, int receive_buffer_len,
                                struct socket_pool *pool, struct error *error)
{
    *fd = socket_pool_take(pool, SOCK_DGRAM, address);
    return *fd >= 0 ? udp_socket_adopt(*fd, address, receive_buffer_len, error)
                    : udp_socket_open(fd, address, receive_buffer_len, error);
}

static enum nts_status open_all(struct udp_bound *bound, const struct listen_plan *plan,
                                int receive_buffer_len, struct socket_pool *pool,
                                struct error *error)
{
    int *fd = bound->fds;
    for (size_t w = 0; w < plan->num_workers; w++) {
        for (size_t a = 0; a < plan->num_addresses; a++) {
            for (size_t i = listen_plan_share(plan, w, a); i > 0; i--) {
                enum nts_status status =
                    open_one(fd++, &plan->addresses[a], receive_buffer_len, pool, error);
                if (status != NTS_OK) {
                    return status;
                }
            }
        }
    }
    return NTS_OK;
}

static enum nts_status udp_bind(void **out, const struct listen_plan *plan,
                                const struct time_config *config, struct socket_pool *pool,
                                struct error *error)
{
    struct udp_bound *bound = make_room(plan);
    *out = NULL;
    if (bound == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    enum nts_status status =
        open_all(bound, plan, (int)config->receive_buffer_kib * 1024, pool, error);
    if (status != NTS_OK) {
        udp_unbind(bound);
        return status;
    }
    *out = bound;
    return NTS_OK;
}

static size_t udp_offer(const void *binding, const int **fds)
{
    const struct udp_bound *bound = binding;
    *fds = bound->fds;
    return bound->num;
}

static bool udp_set_receive_buffer(void *binding, int receive_buffer_len)
{
    const struct udp_bound *bound = binding;
    bool is_as_wanted = true;
    for (size_t i = 0; i < bound->num; i++) {
        is_as_wanted &= udp_socket_receive_buffer(bound->fds[i], receive_buffer_len);
    }
    return is_as_wanted;
}

static void check_receive_buffer(struct preflight *preflight, const struct time_config *config)
{
    const union net_address *addresses = config->listen.items;
    union net_address any = {.sa.sa_family = addresses[0].sa.sa_family};
    struct error error;
    int granted = 0;
    socklen_t len = sizeof(granted);
    int fd;
    if (udp_socket_open(&fd, &any, (int)config->receive_buffer_kib * 1024, &error) != NTS_OK) {
        return; /* the check of the addresses has reported why */
    }
    /* The kernel doubles what it grants, for its own needs: socket(7). */
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &granted, &len) == 0 &&
        granted / 2048 < config->receive_buffer_kib) {
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_RECEIVE_BUFFER,
                       "receive_buffer_kib is %" PRId64 ", the kernel grants %d",
                       config->receive_buffer_kib, granted / 2048);
    }
    close(fd);
}

static void udp_check(struct preflight *preflight, const struct time_config *config)
{
    host_check_addresses(preflight, &config->listen, SOCK_DGRAM, "nts-time-server");
    check_receive_buffer(preflight, config);
}

const struct transport_binding udp_binding = {
    .bind = udp_bind,
    .offer = udp_offer,
    .set_receive_buffer = udp_set_receive_buffer,
    .unbind = udp_unbind,
    .check = udp_check,
};

#include "ke-server/net/listening.h"

#include "log/log.h"

enum nts_status listening_open(struct listening *listening, const struct option_list *addresses,
                               size_t num_workers, const struct socket_pool *pool,
                               struct error *error)
{
    listening->addresses = addresses;
    enum nts_status status = passed_sockets_open(&listening->passed, error);
    if (status == NTS_OK && listening->passed.num == 0) {
        listen_plan_make(&listening->plan, SOCK_STREAM, addresses, num_workers, pool);
    }
    return status;
}

void listening_close(struct listening *listening)
{
    passed_sockets_close(&listening->passed);
}

size_t listening_max(const struct listening *listening)
{
    return listening->passed.num > 0 ? listening->passed.num
                                     : listen_plan_load(&listening->plan, 0);
}

/* One that was handed over, else a new one. */
static enum nts_status open_one(struct listener *listener, const union net_address *address,
                                struct socket_pool *pool, struct error *error)
{
    int fd = socket_pool_take(pool, SOCK_STREAM, address);
    return fd >= 0 ? listener_adopt(listener, fd, address->sa.sa_family, error)
                   : listener_open(listener, address, error);
}

static enum nts_status open_all(struct ke_worker *worker, const struct listen_plan *plan,
                                struct socket_pool *pool, struct error *error)
{
    for (size_t a = 0; a < plan->num_addresses; a++) {
        for (size_t i = listen_plan_share(plan, worker->worker.number, a); i > 0; i--) {
            struct listener *listener = &worker->listeners[worker->num_listeners++];
            listener->fd = -1;
            enum nts_status status = open_one(listener, &plan->addresses[a], pool, error);
            if (status != NTS_OK) {
                return status;
            }
        }
    }
    return NTS_OK;
}

enum nts_status listening_fill(struct ke_worker *worker, const struct listening *listening,
                               size_t num_workers, struct socket_pool *pool, struct error *error)
{
    return listening->passed.num > 0
               ? passed_sockets_listeners(worker->listeners, &worker->num_listeners,
                                          &listening->passed, worker->worker.number, num_workers,
                                          error)
               : open_all(worker, &listening->plan, pool, error);
}

static void log_address(const union net_address *address, const char *bound_by)
{
    char text[ADDRESS_TEXT_LEN];
    address_format(text, address);
    log_info("ke.listening", "address=%s bound_by=%s", text, bound_by);
}

void listening_log(const struct listening *listening)
{
    const struct passed_sockets *passed = &listening->passed;
    const union net_address *items = listening->addresses->items;
    for (size_t i = 0; i < passed->num; i++) {
        log_address(&passed->list[i].address, "service-manager");
    }
    for (size_t i = 0; passed->num == 0 && i < listening->addresses->num; i++) {
        log_address(&items[i], "this-server");
    }
}

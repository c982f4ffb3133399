#include "net/listen_plan.h"

#include "log/log.h"
#include "net/listen.h"

#include <assert.h>

static void warn_if_uneven(const struct listen_plan *plan, size_t address)
{
    if (plan->num_sockets[address] % plan->num_workers != 0) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, &plan->addresses[address]);
        log_warning("handover.uneven",
                    "address=%s sockets=%zu workers=%zu effect=\"some workers have more to do than "
                    "others, until the server is stopped and started\"",
                    text, plan->num_sockets[address], plan->num_workers);
    }
}

void listen_plan_make(struct listen_plan *plan, int type, const struct option_list *listen,
                      size_t num_workers, const struct socket_pool *pool)
{
    assert(listen->num <= LISTEN_MAX_ADDRESSES);
    *plan = (struct listen_plan){.type = type,
                                 .addresses = listen->items,
                                 .num_addresses = listen->num,
                                 .num_workers = num_workers};
    for (size_t i = 0; i < plan->num_addresses; i++) {
        size_t num_there = socket_pool_count(pool, type, &plan->addresses[i]);
        plan->num_sockets[i] = num_there > num_workers ? num_there : num_workers;
        if (num_there == 0) {
            listen_warn_if_shared(&plan->addresses[i], type);
        }
        warn_if_uneven(plan, i);
    }
}

size_t listen_plan_share(const struct listen_plan *plan, size_t worker, size_t address)
{
    return (plan->num_sockets[address] + plan->num_workers - 1 - worker) / plan->num_workers;
}

size_t listen_plan_load(const struct listen_plan *plan, size_t worker)
{
    size_t num = 0;
    for (size_t i = 0; i < plan->num_addresses; i++) {
        num += listen_plan_share(plan, worker, i);
    }
    return num;
}

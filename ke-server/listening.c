#include "listening.h"

#include "runtime/listen.h"
#include "runtime/log.h"

enum nts_status listening_open(struct listening *listening, const struct option_list *addresses,
                               struct error *error)
{
    listening->addresses = addresses;
    enum nts_status status = passed_sockets_open(&listening->passed, error);
    const union net_address *items = addresses->items;
    for (size_t i = 0; status == NTS_OK && listening->passed.num == 0 && i < addresses->num; i++) {
        listen_warn_if_shared(&items[i], SOCK_STREAM);
    }
    return status;
}

void listening_close(struct listening *listening)
{
    passed_sockets_close(&listening->passed);
}

size_t listening_max(const struct listening *listening)
{
    return listening->passed.num > 0 ? listening->passed.num : listening->addresses->num;
}

static enum nts_status bind_all(struct listener *listeners, size_t *num,
                                const struct option_list *addresses, struct error *error)
{
    const union net_address *items = addresses->items;
    for (*num = 0; *num < addresses->num; ++*num) {
        enum nts_status status = listener_open(&listeners[*num], &items[*num], error);
        if (status != NTS_OK) {
            return status;
        }
    }
    return NTS_OK;
}

enum nts_status listening_listeners(struct listener *listeners, size_t *num,
                                    const struct listening *listening, size_t worker,
                                    size_t num_workers, struct error *error)
{
    return listening->passed.num > 0 ? passed_sockets_listeners(listeners, num, &listening->passed,
                                                                worker, num_workers, error)
                                     : bind_all(listeners, num, listening->addresses, error);
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

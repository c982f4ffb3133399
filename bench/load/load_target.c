#include "load/load_target.h"

#include "load/destination.h"

enum nts_status load_target_resolve(union net_address *address, const char *host, uint16_t port,
                                    const struct load_options *options, struct error *error)
{
    if (!address_parse(address, host, port) ||
        (options->family != AF_UNSPEC && address->sa.sa_family != options->family)) {
        enum nts_status status = address_resolve(address, host, port, options->family, error);
        if (status != NTS_OK) {
            return status;
        }
    }
    return destination_check(address, options->i_operate_this, error);
}

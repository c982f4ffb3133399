#include "runtime/listen.h"

#include "runtime/log.h"

#include <errno.h>
#include <unistd.h>

void listen_warn_if_shared(const union net_address *address, int type)
{
    int on = 1;
    int fd = socket(address->sa.sa_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    /* Without SO_REUSEPORT the bind fails if there is any other socket; with SO_REUSEADDR old TCP
     * connections do not count. Where it fails for another reason, the real bind says so. */
    if (type == SOCK_STREAM) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    }
    if (address->sa.sa_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    if (bind(fd, &address->sa, address_len(address)) != 0 && errno == EADDRINUSE) {
        char text[ADDRESS_TEXT_LEN];
        address_format(text, address);
        log_warning("listen.shared",
                    "address=%s reason=\"another process is bound to it too and gets a share of "
                    "the clients\"",
                    text);
    }
    close(fd);
}

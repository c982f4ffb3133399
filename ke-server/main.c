/* nts-ke-server: hands out NTS cookies over TLS (RFC 8915, section 4). */
#include "ke-server/ke_service.h"
#include "ke-server/ke_state.h"

int main(int argc, char **argv)
{
    static struct ke_state state;
    return server_host_main(&ke_server_type, &state, argc, argv);
}

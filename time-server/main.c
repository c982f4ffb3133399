/* nts-time-server: answers NTP and NTS-protected NTP; holds no certificate and no client state. */
#include "time-server/time_service.h"
#include "time-server/time_state.h"

int main(int argc, char **argv)
{
    static struct time_state state;
    return server_host_main(&time_server_type, &state, argc, argv);
}

/* The command line of farm-client. */
#ifndef NTS_FARM_CLIENT_OPTIONS_H
#define NTS_FARM_CLIENT_OPTIONS_H

#include "farm-client-report.h"

#include "base/address.h"
#include "client/cookie_jar.h"

#define CLIENT_MAX_WORKERS  256
#define CLIENT_MAX_SESSIONS 10000

struct client_server {
    const char *text; /* as it was given, and as it is reported */
    char host[HOST_TEXT_LEN];
    uint16_t port;
};

struct client_options {
    char ke_host[HOST_TEXT_LEN]; /* "": not given */
    uint16_t ke_port;
    const char *ca_file;
    const char *state_path; /* NULL: none */
    size_t num_servers;
    struct client_server servers[REPORT_MAX_SERVERS];
    size_t num_sessions;
    size_t num_workers; /* not above num_sessions */
    double rate;        /* requests a second, of all sessions together */
    size_t max_cookies; /* that a session with an even number keeps */
    int64_t hoard_s;    /* 0: nothing is kept aside */
    int64_t seconds;    /* 0: until a signal */
    double timeout_s;
    int64_t timeout_ms; /* the same, rounded up */
};

/* client_options_parse reads the command line. -1 to go on, else the exit status. */
int client_options_parse(struct client_options *options, int argc, char **argv);

#endif

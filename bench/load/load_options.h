/* The command line of nts-load. */
#ifndef NTS_LOAD_OPTIONS_H
#define NTS_LOAD_OPTIONS_H

#include "base/address.h"
#include "load/mix.h"
#include "load/source_net.h"

enum load_mode { LOAD_TIME, LOAD_KE, LOAD_LIMIT, LOAD_ECHO };

enum echo_transport { ECHO_IO_URING, ECHO_RECVMMSG };

struct load_options {
    enum load_mode mode;
    char host[HOST_TEXT_LEN]; /* what gets the load */
    uint16_t port;
    int family;
    bool i_operate_this;

    /* NTS-KE, to get keys or as what gets the load. */
    char ke_host[HOST_TEXT_LEN]; /* "": not given */
    uint16_t ke_port;
    const char *ca_file;
    const char *server_name;
    bool insecure;
    bool light;         /* ke: the client that verifies no certificate */
    const char *groups; /* NULL: BoringSSL's */
    uint16_t aead;
    size_t concurrency;

    /* What is sent. */
    bool plain;
    struct mix mix;
    size_t size;
    size_t clients;
    size_t sessions;
    size_t sockets; /* 0: as many as clients, up to a limit */
    struct source_net source_net;
    size_t segments;
    enum echo_transport transport;

    /* How fast, and how long. */
    size_t window; /* 0: open loop */
    double rate;   /* 0: closed loop */
    bool ramp;
    double loss; /* that --ramp accepts: a share, not per cent */
    double step_s;
    double duration_s; /* 0: until a signal */
    uint64_t count;    /* 0: no limit */
    double timeout_s;
    unsigned verify;
    int cpu; /* -1: any */

    /* What is printed. */
    bool json;
    bool progress;
    const char *plot_file;
};

#define LOAD_EXIT_OK     0
#define LOAD_EXIT_FAILED 1
#define LOAD_EXIT_USAGE  2

/* load_options_parse reads the command line. Returns -1 to go on, else the exit status: what was
 * asked for, or what is wrong, has been printed. */
int load_options_parse(struct load_options *options, int argc, char **argv);

/* load_mode_name returns the name of the subcommand. */
const char *load_mode_name(enum load_mode mode);

/* echo_transport_name returns what --transport takes. */
const char *echo_transport_name(enum echo_transport transport);

#endif

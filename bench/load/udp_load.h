/* The load itself: sends the requests of a pool over a link, in a closed loop (so many on their
 * way) or an open one (so many a second), and matches, judges and times what comes back. One
 * thread, no allocation while it runs.
 *
 * It never waits for a socket but looks at them between short naps: waking the generator for each
 * reply is work that the kernel would do in the time of the server. The kernel's timestamps keep
 * the naps out of the latencies. */
#ifndef NTS_LOAD_UDP_LOAD_H
#define NTS_LOAD_UDP_LOAD_H

#include "load/load_result.h"
#include "load/request_pool.h"
#include "load/udp_link.h"

struct udp_load_step {
    size_t window;      /* closed loop: requests on their way; 0: open loop */
    double rate;        /* open loop: requests a second */
    double duration_s;  /* of sending */
    uint64_t max_count; /* requests; 0: no limit */
    double timeout_s;   /* after which a request counts as lost */
    unsigned verify;    /* one answer in so many is verified; 0: none */
    bool has_progress;
};

struct udp_load {
    struct request_pool *pool;
    struct udp_link *link;
    uint32_t *num_on_way; /* requests, of each socket */
    uint32_t *busy;       /* the sockets that have some, and maybe some more */
    bool *is_busy;        /* each socket: whether it is in there */
    size_t num_busy;
    uint64_t num_judged; /* answers, to take the sample from */
};

/* udp_load_open prepares to send the requests of `pool` over `link`; both outlive it.
 * NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status udp_load_open(struct udp_load *load, struct request_pool *pool,
                                             struct udp_link *link, struct error *error);
void udp_load_close(struct udp_load *load);

/* udp_load_run runs one step to its end, the last timeout included, or until a signal stops it, and
 * fills `*result`. */
void udp_load_run(struct udp_load *load, const struct udp_load_step *step,
                  struct load_result *result);

#endif

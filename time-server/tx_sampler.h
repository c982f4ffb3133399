/* Asks the kernel when a reply has left, for one reply in a while, and keeps the prediction honest
 * by it. Belongs to a transport. */
#ifndef NTS_TIME_TX_SAMPLER_H
#define NTS_TIME_TX_SAMPLER_H

#include "send_prediction.h"

#include <stdbool.h>

/* Often enough to follow the load, and too seldom to be felt: each sample is a system call. */
#define TX_SAMPLE_INTERVAL_NS INT64_C(10000000)

struct tx_sampler {
    struct send_prediction prediction;
    int64_t last_ns;   /* when the last sample was predicted to leave */
    bool wants_last;   /* the last reply of a batch, not the first */
    bool is_late;      /* the last timestamp has not come in time: it may still come */
    int fd;            /* the socket of the sample that is on its way, -1: none is */
    size_t position;   /* of it, in its batch */
    int64_t leaves_ns; /* as it was predicted */
};

void tx_sampler_init(struct tx_sampler *sampler);

/* tx_sampler_pick returns which of a batch's `num` replies (1 at least), the first of which leaves
 * at `leaves_ns`, is to be sampled; `num` if none is. */
size_t tx_sampler_pick(struct tx_sampler *sampler, size_t num, int64_t leaves_ns);

/* tx_sampler_begin is told that the reply at `position` goes out through `fd`, with
 * udp_control_write's wish for a timestamp, and is predicted to leave at `leaves_ns`. */
void tx_sampler_begin(struct tx_sampler *sampler, int fd, size_t position, int64_t leaves_ns);

/* tx_sampler_end is called when the batch has been sent: reads the timestamp, and learns. Nothing
 * if there is no sample. */
void tx_sampler_end(struct tx_sampler *sampler);

#endif

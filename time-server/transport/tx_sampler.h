/* Asks the kernel when a reply has left, for one reply in a while, and keeps the prediction honest
 * by it. Belongs to a transport. */
#ifndef NTS_TIME_TX_SAMPLER_H
#define NTS_TIME_TX_SAMPLER_H

#include "time-server/protocol/send_prediction.h"

#include <stdbool.h>

/* Often enough to follow the load, and too seldom to be felt: each sample is a system call. */
#define TX_SAMPLE_INTERVAL_NS INT64_C(10000000)

struct tx_sampler {
    struct send_prediction prediction;
    int64_t last_ns;   /* when the last sample was predicted to leave */
    bool wants_last;   /* the last reply of a batch, not the first */
    bool is_late;      /* the last timestamp has not come in time: it may still come */
    int fd;            /* the socket of the sample that is on its way, -1: none is */
    size_t position;   /* of the one to sample, in its batch */
    int64_t leaves_ns; /* as it was predicted */
};

void tx_sampler_init(struct tx_sampler *sampler);

/* tx_sampler_wants is asked for each reply of a batch in turn, the one at `position` of `num`,
 * which goes out through `fd` and is predicted to leave at `leaves_ns`. True for the one that is to
 * be sent with udp_control_write's wish for a timestamp: the first or the last, or none. */
bool tx_sampler_wants(struct tx_sampler *sampler, size_t position, size_t num, int fd,
                      int64_t leaves_ns);

/* tx_sampler_end is called when the batch has been sent: reads the timestamp, and learns. Nothing
 * if there is no sample. */
void tx_sampler_end(struct tx_sampler *sampler);

#endif

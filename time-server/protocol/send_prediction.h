/* When replies leave: the transmit timestamp is inside what is sealed, so it has to be known
 * before. The kernel's transmit timestamps of a few replies tell how far off that was, and correct
 * it. Pure; one per worker. */
#ifndef NTS_TIME_SEND_PREDICTION_H
#define NTS_TIME_SEND_PREDICTION_H

#include <stddef.h>
#include <stdint.h>

struct send_prediction {
    int64_t first_ns; /* from the end of sealing to the first reply of a batch on its way */
    int64_t next_ns;  /* from one reply to the next */
};

/* What is assumed before anything was measured. */
#define SEND_PREDICTION_START ((struct send_prediction){.first_ns = 4000, .next_ns = 2000})

/* send_prediction_learn takes in that the reply at `position` of a batch (0: the first) has left
 * `error_ns` later than predicted, negative if sooner. Steps are small and bounded, so that it is
 * the median that is followed, and neither a reply that was held up nor a stepped clock spoils it.
 */
void send_prediction_learn(struct send_prediction *prediction, size_t position, int64_t error_ns);

#endif

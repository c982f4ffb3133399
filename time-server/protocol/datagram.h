/* A datagram with its reply: what transports and the packet path have in common. */
#ifndef NTS_TIME_DATAGRAM_H
#define NTS_TIME_DATAGRAM_H

#include "limit/source.h"

#include <stddef.h>
#include <stdint.h>

/* The longest request that is read, and so the longest reply. */
#define REQUEST_MAX_LEN 2048 /* RFC 8915, section 5.7, wants 1280 at least */

/* One datagram and, after the batch, its reply. */
struct datagram {
    const uint8_t *data;
    size_t len;
    int64_t rx_time_ns; /* CLOCK_REALTIME, the kernel's receive timestamp */
    struct ip_bits source;
    enum source_verdict verdict; /* about its source */
    uint8_t *reply;              /* REQUEST_MAX_LEN octets to write to; must not overlap `data` */
    size_t reply_len;            /* out: 0 is silence; never more than `len` */
    int64_t leaves_ns; /* out: when the reply will leave, CLOCK_REALTIME, as its timestamp says */
};

/* datagrams_with_reply counts those of the `num` that have one. */
static inline size_t datagrams_with_reply(const struct datagram *batch, size_t num)
{
    size_t num_replies = 0;
    for (size_t i = 0; i < num; i++) {
        num_replies += batch[i].reply_len > 0 ? 1 : 0;
    }
    return num_replies;
}

#endif

#include "time-server/transport/tx_sampler.h"

#include "time-server/transport/udp_socket.h"

void tx_sampler_init(struct tx_sampler *sampler)
{
    *sampler = (struct tx_sampler){.prediction = SEND_PREDICTION_START, .fd = -1};
}

/* Which reply of a batch that begins to leave at `leaves_ns` is to be sampled; `num`: none. */
static size_t pick(struct tx_sampler *sampler, size_t num, int64_t leaves_ns)
{
    int64_t since_ns = leaves_ns - sampler->last_ns;
    /* A negative time is a clock that was stepped: it is as good as any. */
    if (since_ns >= 0 && since_ns < TX_SAMPLE_INTERVAL_NS) {
        return num;
    }
    sampler->last_ns = leaves_ns;
    sampler->wants_last = !sampler->wants_last;
    return sampler->wants_last ? num - 1 : 0;
}

bool tx_sampler_wants(struct tx_sampler *sampler, size_t position, size_t num, int fd,
                      int64_t leaves_ns)
{
    int64_t unused_ns;
    if (position == 0) {
        sampler->position = pick(sampler, num, leaves_ns);
    }
    if (position != sampler->position) {
        return false;
    }
    if (sampler->is_late) {
        /* What has come since is of an earlier reply. */
        sampler->is_late = udp_socket_tx_time(fd, &unused_ns);
    }
    sampler->fd = fd;
    sampler->leaves_ns = leaves_ns;
    return true;
}

void tx_sampler_end(struct tx_sampler *sampler)
{
    int64_t left_ns;
    if (sampler->fd < 0) {
        return;
    }
    if (udp_socket_tx_time(sampler->fd, &left_ns)) {
        send_prediction_learn(&sampler->prediction, sampler->position,
                              left_ns - sampler->leaves_ns);
    } else {
        sampler->is_late = true;
    }
    sampler->fd = -1;
}

#include "load/echo.h"

#include "base/address.h"
#include "load/request_pool.h"
#include "load/run_control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct batch {
    struct mmsghdr in[ECHO_BATCH];
    struct mmsghdr out[ECHO_BATCH];
    struct iovec parts[ECHO_BATCH];
    union net_address peers[ECHO_BATCH];
    uint8_t data[ECHO_BATCH][ECHO_BUFFER_LEN];
};

bool echo_turn(uint8_t *data, size_t len)
{
    if (len < ECHO_MIN_SIZE || (data[0] & 7) != NTP_MODE_CLIENT) {
        return false;
    }
    data[0] ^= NTP_MODE_CLIENT ^ NTP_MODE_SERVER;
    return true;
}

static void prepare(struct batch *batch)
{
    for (size_t i = 0; i < ECHO_BATCH; i++) {
        batch->parts[i] = (struct iovec){.iov_base = batch->data[i], .iov_len = ECHO_BUFFER_LEN};
        batch->in[i].msg_hdr = (struct msghdr){
            .msg_name = &batch->peers[i],
            .msg_namelen = sizeof(batch->peers[i]),
            .msg_iov = &batch->parts[i],
            .msg_iovlen = 1,
        };
    }
}

static unsigned turn_all(struct batch *batch, size_t num)
{
    unsigned num_out = 0;
    for (size_t i = 0; i < num; i++) {
        if (echo_turn(batch->data[i], batch->in[i].msg_len)) {
            batch->out[num_out] = batch->in[i];
            batch->parts[i].iov_len = batch->in[i].msg_len;
            batch->out[num_out++].msg_hdr.msg_flags = 0;
        }
    }
    return num_out;
}

enum nts_status echo_recvmmsg(struct echo_counts *counts, int fd, int64_t end_ns,
                              struct error *error)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    /* The socket's own timeout: recvmmsg checks its own only when something has come. */
    struct timeval look_up = {.tv_usec = 100000};
    if (batch == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &look_up, sizeof(look_up));
    enum nts_status status = NTS_OK;
    unsigned num_batches = 0;
    while (!run_control_is_stopped() && (num_batches++ % 64 != 0 || mono_time_ns() < end_ns)) {
        prepare(batch);
        int num = recvmmsg(fd, batch->in, ECHO_BATCH, MSG_WAITFORONE, NULL);
        if (num < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED) {
            status = error_set(error, NTS_ERR_SYSTEM, "cannot receive: %s", strerror(errno));
            break;
        }
        if (num <= 0) {
            num_batches = 0; /* nothing to do: look at the clock */
            continue;
        }
        unsigned num_out = turn_all(batch, (size_t)num);
        int num_sent = sendmmsg(fd, batch->out, num_out, 0);
        counts->received += (uint64_t)num;
        counts->echoed += num_sent > 0 ? (uint64_t)num_sent : 0;
    }
    free(batch);
    return status;
}

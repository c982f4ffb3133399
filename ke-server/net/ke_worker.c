#include "ke-server/net/ke_worker.h"

#include "base/clock_time.h"
#include "ke-server/net/client_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUM_SQES        512
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)

/* Twice the handshakes: enough to choose the newest from. */
#define ACCEPTS_PER_TURN (2 * CONNECTION_HANDSHAKES_PER_TURN)

static const uint8_t operations[] = {IORING_OP_ACCEPT, IORING_OP_RECV, IORING_OP_SEND,
                                     IORING_OP_READ, IORING_OP_ASYNC_CANCEL};

static void start_accept(struct ke_worker *worker, uint32_t index)
{
    struct io_uring_sqe *sqe = ring_sqe(&worker->ring);
    io_uring_prep_accept(sqe, worker->listeners[index].fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_ACCEPT, index));
    worker->listeners[index].resume_at_ns = 0;
    worker->listeners[index].is_accepting = true;
    worker->num_accepting++;
}

static void cancel_accept(struct ke_worker *worker, uint32_t index)
{
    struct io_uring_sqe *sqe = ring_sqe(&worker->ring);
    io_uring_prep_cancel64(sqe, ring_user_data(TAG_ACCEPT, index), 0);
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_CANCEL, index));
}

static void start_wake(struct ke_worker *worker)
{
    struct io_uring_sqe *sqe = ring_sqe(&worker->ring);
    io_uring_prep_read(sqe, worker->worker.wake_fd, &worker->wake_count, sizeof(worker->wake_count),
                       0);
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_WAKE, 0));
}

/* Whether a client may have a connection; one that may not is reset. Before TLS, and without asking
 * for the address when it makes no difference. */
static bool admit(struct ke_worker *worker, const struct ke_service *service, int fd)
{
    const struct source_policy *policy = &service->settings->host.sources;
    union net_address peer = {0};
    socklen_t len = sizeof(peer);
    if (source_policy_is_open_to_all(policy)) {
        return true;
    }
    if (getpeername(fd, &peer.sa, &len) != 0) {
        close(fd); /* it has gone already */
        return false;
    }
    switch (source_gate_judge(worker->gate, policy, ip_bits_of(&peer), service->now_ns)) {
    case SOURCE_OVER_BUDGET:
        count_event(service->counters, KE_EVENT_LIMITED);
        break;
    case SOURCE_REFUSED:
        count_event(service->counters, KE_EVENT_SOURCE_REFUSED);
        break;
    case SOURCE_ADMITTED:
        return true;
    }
    client_socket_reset(fd);
    return false;
}

static void take_client(struct ke_worker *worker, const struct ke_service *service,
                        const struct listener *listener, int fd)
{
    if (admit(worker, service, fd)) {
        connection_accept(&worker->connections, service, fd, listener->family);
    }
}

/* Accepts connections that came before the accept was cancelled and did not complete it. */
static void take_rest(struct ke_worker *worker, const struct ke_service *service,
                      const struct listener *listener)
{
    for (size_t num = 0; num < worker->max_connections; num++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        take_client(worker, service, listener, fd);
    }
}

static void accepted(struct ke_worker *worker, const struct ke_service *service, uint32_t index,
                     int result)
{
    struct listener *listener = &worker->listeners[index];
    worker->num_accepting--;
    listener->is_accepting = false;
    if (result >= 0) {
        take_client(worker, service, listener, result);
    }
    if (worker->stopping != WORKER_RUN) {
        take_rest(worker, service, listener);
        listener_close(listener);
    } else if (result < 0 && result != -ECANCELED) {
        /* Out of descriptors or memory: the backlog holds the clients until there are some. */
        count_event(service->counters, KE_EVENT_ACCEPT_FAILED);
        listener->resume_at_ns = service->now_ns + ACCEPT_PAUSE_NS;
    } else {
        listener->may_have_more = true;
    }
}

/* The ring's accept tells that clients have come; those behind the first one are taken here, so
 * many and no more in a turn: to send a client away costs us something, and to leave it in the
 * backlog, until that is full and the kernel drops further SYNs, costs nothing. So shedding takes a
 * small share of the time, however many clients there are. */
static void accept_more(struct ke_worker *worker, const struct ke_service *service)
{
    for (uint32_t i = 0; i < worker->num_listeners; i++) {
        struct listener *listener = &worker->listeners[i];
        if (!listener->may_have_more || worker->stopping != WORKER_RUN) {
            continue;
        }
        listener->may_have_more = false;
        for (size_t num = 1; num < ACCEPTS_PER_TURN; num++) {
            int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0) {
                break; /* none, or a reason that the ring's accept will find too */
            }
            take_client(worker, service, listener, fd);
        }
        start_accept(worker, i);
    }
}

static void begin_stop(struct ke_worker *worker)
{
    for (uint32_t i = 0; i < worker->num_listeners; i++) {
        if (worker->listeners[i].resume_at_ns != 0) {
            worker->listeners[i].resume_at_ns = 0;
            listener_close(&worker->listeners[i]);
            continue;
        }
        cancel_accept(worker, i);
    }
}

/* A cancel misses an operation that is just between two places where it looks. */
static void cancelled(struct ke_worker *worker, uint32_t index, int result)
{
    if (result == -ENOENT && worker->listeners[index].is_accepting) {
        cancel_accept(worker, index);
    }
}

/* An accept that starts takes what waits already, so those in flight are started anew. */
static void look_at_queues(struct ke_worker *worker)
{
    if (!atomic_load_explicit(&worker->wants_look, memory_order_relaxed) ||
        !atomic_exchange(&worker->wants_look, false) || worker->stopping != WORKER_RUN) {
        return;
    }
    for (uint32_t i = 0; i < worker->num_listeners; i++) {
        if (worker->listeners[i].is_accepting) {
            cancel_accept(worker, i);
        }
    }
}

static void look_at_stop(struct ke_worker *worker, const struct ke_service *service)
{
    enum worker_stop wanted = worker_stop_wanted(&worker->worker);
    if (wanted == worker->stopping) {
        return;
    }
    if (worker->stopping == WORKER_RUN) {
        begin_stop(worker);
    }
    worker->stopping = wanted;
    if (wanted == WORKER_STOP_NOW) {
        connection_drop_all(&worker->connections, service);
    }
}

static void complete(struct ke_worker *worker, const struct ke_service *service,
                     const struct io_uring_cqe *cqe)
{
    uint32_t index = ring_index(cqe->user_data);
    switch ((enum ke_worker_tag)ring_tag(cqe->user_data)) {
    case TAG_ACCEPT:
        accepted(worker, service, index, cqe->res);
        break;
    case TAG_RECEIVE:
        connection_received(&worker->connections, service, index, cqe->res);
        break;
    case TAG_SEND:
        connection_sent(&worker->connections, service, index, cqe->res);
        break;
    case TAG_WAKE:
        start_wake(worker);
        break;
    case TAG_CANCEL:
        cancelled(worker, index, cqe->res);
        break;
    }
}

static void complete_all(struct ke_worker *worker, const struct ke_service *service)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned num = 0;
    io_uring_for_each_cqe(&worker->ring, head, cqe)
    {
        complete(worker, service, cqe);
        num++;
    }
    io_uring_cq_advance(&worker->ring, num);
}

static void resume_accepts(struct ke_worker *worker, int64_t now_ns)
{
    for (uint32_t i = 0; i < worker->num_listeners; i++) {
        int64_t resume_at_ns = worker->listeners[i].resume_at_ns;
        if (worker->stopping == WORKER_RUN && resume_at_ns != 0 && resume_at_ns <= now_ns) {
            start_accept(worker, i);
        }
    }
}

/* When the loop must run even if nothing completes; INT64_MAX if never. */
static int64_t next_deadline(const struct ke_worker *worker)
{
    int64_t nearest_ns = connection_next_deadline(&worker->connections);
    for (size_t i = 0; i < worker->num_listeners; i++) {
        int64_t resume_at_ns = worker->listeners[i].resume_at_ns;
        if (resume_at_ns != 0 && resume_at_ns < nearest_ns) {
            nearest_ns = resume_at_ns;
        }
    }
    return nearest_ns;
}

/* A refusal is followed by a pause: there may be nothing else to do meanwhile. */
static enum nts_status submitted(struct ke_worker *worker, int result, struct error *error)
{
    if (ring_is_refusal(result) && io_uring_cq_ready(&worker->ring) == 0) {
        ring_pause();
    }
    return ring_submitted(result, error);
}

/* Submits what is queued and waits for a completion or the nearest deadline; not at all while
 * handshakes wait. */
static enum nts_status wait_for_work(struct ke_worker *worker, struct error *error)
{
    if (connection_is_waiting(&worker->connections)) {
        return submitted(worker, io_uring_submit_and_get_events(&worker->ring), error);
    }
    struct io_uring_cqe *cqe;
    struct __kernel_timespec timeout = {0};
    int64_t deadline_ns = next_deadline(worker);
    int64_t left_ns = deadline_ns - mono_time_ns();
    if (left_ns > 0) {
        timeout.tv_sec = left_ns / NS_PER_S;
        timeout.tv_nsec = left_ns % NS_PER_S;
    }
    int result = io_uring_submit_and_wait_timeout(&worker->ring, &cqe, 1,
                                                  deadline_ns != INT64_MAX ? &timeout : NULL, NULL);
    return submitted(worker, result, error);
}

static bool is_finished(const struct ke_worker *worker)
{
    return worker->stopping != WORKER_RUN && worker->num_accepting == 0 &&
           worker->connections.num_open == 0;
}

/* What the connections of one turn are served with. */
static void load_service(struct ke_worker *worker, struct ke_service *service)
{
    const struct live_state *live = (const struct live_state *)snapshot_take(&worker->worker.live);
    service->settings = ke_settings_of(live->settings);
    service->tls = (const struct tls_contexts *)live->extra;
    service->keyring = live->keyring;
    service->now_ns = mono_time_ns();
    service->now_s = real_time_ns() / NS_PER_S;
}

static enum nts_status serve_turns(struct ke_worker *worker, struct error *error)
{
    struct ke_service service = {
        .protocols = &next_protocols, .random = &worker->random, .counters = &worker->counters};
    while (!is_finished(worker)) {
        heartbeat_turn(&worker->worker.heartbeat);
        enum nts_status status = wait_for_work(worker, error);
        if (status != NTS_OK) {
            return status;
        }
        load_service(worker, &service);
        complete_all(worker, &service);
        accept_more(worker, &service);
        look_at_queues(worker);
        look_at_stop(worker, &service);
        if (worker->stopping != WORKER_RUN && worker->num_accepting == 0) {
            worker_let_go(&worker->worker);
        }
        connection_shake_hands(&worker->connections, &service);
        connection_expire(&worker->connections, &service);
        resume_accepts(worker, service.now_ns);
    }
    return NTS_OK;
}

static enum nts_status open_ring(struct ke_worker *worker, struct error *error)
{
    /* Two operations of each connection, and what the listeners bring in one go. */
    unsigned num_cqes = (unsigned)(2 * worker->max_connections) + NUM_SQES;
    enum nts_status status = ring_open(&worker->ring, NUM_SQES, num_cqes, error);
    if (status != NTS_OK) {
        return status;
    }
    status = ring_enable(&worker->ring, operations, sizeof(operations), error);
    if (status != NTS_OK) {
        ring_close(&worker->ring);
        return status;
    }
    status = connection_table_open(&worker->connections, &worker->ring, worker->max_connections);
    if (status != NTS_OK) {
        ring_close(&worker->ring);
        return error_set(error, status, "no memory for %zu connections", worker->max_connections);
    }
    return NTS_OK;
}

/* Last of all that can fail: a connection that the kernel has taken must be served. */
static enum nts_status start_listeners(struct ke_worker *worker, struct error *error)
{
    for (size_t i = 0; i < worker->num_listeners; i++) {
        enum nts_status status = listener_start(&worker->listeners[i], error);
        if (status != NTS_OK) {
            ring_close(&worker->ring);
            connection_table_close(&worker->connections);
            return status;
        }
    }
    return NTS_OK;
}

static struct ke_worker *self_of(struct worker *worker)
{
    return (struct ke_worker *)worker;
}

/* On the worker's own thread, because a ring belongs to the thread that opens it. */
static enum nts_status ke_worker_open(struct worker *base, struct error *error)
{
    struct ke_worker *worker = self_of(base);
    enum nts_status status = open_ring(worker, error);
    if (status == NTS_OK) {
        status = start_listeners(worker, error);
    }
    if (status != NTS_OK) {
        return status;
    }
    start_wake(worker);
    for (uint32_t i = 0; i < worker->num_listeners; i++) {
        start_accept(worker, i);
    }
    return NTS_OK;
}

static enum nts_status ke_worker_serve(struct worker *base, struct error *error)
{
    struct ke_worker *worker = self_of(base);
    enum nts_status status = serve_turns(worker, error);
    ring_close(&worker->ring);
    if (status == NTS_OK) {
        connection_table_close(&worker->connections);
    } /* else the kernel may still write to what is in flight: the memory stays */
    return status;
}

static const struct worker_ops ke_worker_ops = {.open = ke_worker_open, .serve = ke_worker_serve};

enum nts_status ke_worker_init(struct ke_worker *worker, size_t number, int done_fd,
                               size_t max_listeners, struct error *error)
{
    enum nts_status status = worker_init(&worker->worker, &ke_worker_ops, number, done_fd, error);
    if (status != NTS_OK) {
        return status;
    }
    worker->listeners = calloc(max_listeners, sizeof(*worker->listeners));
    return worker->listeners != NULL ? NTS_OK
                                     : error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
}

void ke_worker_look_again(struct ke_worker *worker)
{
    atomic_store(&worker->wants_look, true);
    worker_wake(&worker->worker);
}

void ke_worker_close(struct ke_worker *worker)
{
    for (size_t i = 0; i < worker->num_listeners; i++) {
        listener_close(&worker->listeners[i]);
    }
    free(worker->listeners);
    worker_close(&worker->worker);
}

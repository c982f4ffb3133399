#include "toy_transport.h"

#include "base/clock_time.h"
#include "base/event_fd.h"

#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct message {
    size_t len;
    uint8_t data[REQUEST_MAX_LEN];
};

struct queue {
    size_t first;
    size_t num;
    struct message messages[TOY_QUEUE];
};

struct pair {
    struct queue requests;
    struct queue replies;
    bool is_broken;
};

struct toy_bound {
    pthread_mutex_t mutex;
    pthread_cond_t has_replied;
    int event_fds[TOY_MAX_WORKERS]; /* readable while there may be a request */
    struct pair pairs[TOY_MAX_WORKERS];
    size_t num_workers;
};

enum toy_event { TOY_SENT, TOY_EMPTY_TURNS, TOY_NUM_EVENTS };

struct toy_transport {
    struct toy_bound *bound;
    size_t worker;
    int wake_fd;
    counter *events;
    bool is_finishing;
    size_t num;
    struct datagram batch[TRANSPORT_BATCH];
    struct message requests[TRANSPORT_BATCH];
    struct message replies[TRANSPORT_BATCH];
};

static size_t num_bound;

static void push(struct queue *queue, const uint8_t *data, size_t len)
{
    assert(queue->num < TOY_QUEUE);
    struct message *message = &queue->messages[(queue->first + queue->num++) % TOY_QUEUE];
    memcpy(message->data, data, len);
    message->len = len;
}

static const struct message *pop(struct queue *queue)
{
    const struct message *message = &queue->messages[queue->first];
    queue->first = (queue->first + 1) % TOY_QUEUE;
    queue->num--;
    return message;
}

/* --- binding --- */

static enum nts_status toy_bind(void **bound, const struct listen_plan *plan,
                                const struct time_config *config, struct socket_pool *pool,
                                struct error *error)
{
    struct toy_bound *toy = calloc(1, sizeof(*toy));
    (void)config;
    (void)pool;
    *bound = toy;
    if (toy == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    assert(plan->num_workers <= TOY_MAX_WORKERS);
    pthread_mutex_init(&toy->mutex, NULL);
    pthread_cond_init(&toy->has_replied, NULL);
    toy->num_workers = plan->num_workers;
    for (size_t i = 0; i < toy->num_workers; i++) {
        toy->event_fds[i] = eventfd(0, EFD_NONBLOCK);
    }
    num_bound++;
    return NTS_OK;
}

static size_t toy_offer(const void *bound, const int **fds)
{
    const struct toy_bound *toy = bound;
    *fds = toy->event_fds;
    return toy->num_workers;
}

static bool toy_set_receive_buffer(void *bound, int receive_buffer_len)
{
    (void)bound;
    return receive_buffer_len <= 64 * 1024;
}

static void toy_unbind(void *bound)
{
    struct toy_bound *toy = bound;
    for (size_t i = 0; i < toy->num_workers; i++) {
        close(toy->event_fds[i]);
    }
    pthread_mutex_destroy(&toy->mutex);
    pthread_cond_destroy(&toy->has_replied);
    free(toy);
    num_bound--;
}

static const struct transport_binding toy_binding = {
    .bind = toy_bind,
    .offer = toy_offer,
    .set_receive_buffer = toy_set_receive_buffer,
    .unbind = toy_unbind,
};

/* --- transport --- */

static enum nts_status toy_open(void **transport, const struct transport_part *part,
                                struct error *error)
{
    struct toy_transport *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    t->bound = (struct toy_bound *)part->bound;
    t->worker = part->worker;
    t->wake_fd = part->wake_fd;
    t->events = part->events;
    *transport = t;
    return NTS_OK;
}

/* Waits for a request or a wake-up. */
static void await_work(struct toy_transport *t)
{
    uint64_t num;
    struct pollfd polled[] = {{.fd = t->wake_fd, .events = POLLIN},
                              {.fd = t->bound->event_fds[t->worker], .events = POLLIN}};
    poll(polled, 2, -1);
    for (size_t i = 0; i < 2; i++) {
        if (polled[i].revents != 0 && read(polled[i].fd, &num, sizeof(num)) < 0) {
            return;
        }
    }
}

static enum nts_status toy_receive(void *transport, struct datagram **batch, size_t *num,
                                   struct error *error)
{
    struct toy_transport *t = transport;
    struct pair *pair = &t->bound->pairs[t->worker];
    if (!t->is_finishing) {
        await_work(t);
    }
    pthread_mutex_lock(&t->bound->mutex);
    bool is_broken = pair->is_broken;
    for (t->num = 0; t->num < TRANSPORT_BATCH && pair->requests.num > 0; t->num++) {
        struct message *request = &t->requests[t->num];
        *request = *pop(&pair->requests);
        t->batch[t->num] = (struct datagram){.data = request->data,
                                             .len = request->len,
                                             .rx_time_ns = real_time_ns(),
                                             .reply = t->replies[t->num].data};
    }
    if (pair->requests.num > 0) {
        event_fd_signal(t->bound->event_fds[t->worker]);
    }
    pthread_mutex_unlock(&t->bound->mutex);
    counter_add(&t->events[TOY_EMPTY_TURNS], t->num == 0 ? 1 : 0);
    *batch = t->batch;
    *num = t->num;
    return is_broken ? error_set(error, NTS_ERR_SYSTEM, "the toy is broken") : NTS_OK;
}

static void toy_send(void *transport)
{
    struct toy_transport *t = transport;
    pthread_mutex_lock(&t->bound->mutex);
    for (size_t i = 0; i < t->num; i++) {
        if (t->batch[i].reply_len > 0) {
            push(&t->bound->pairs[t->worker].replies, t->batch[i].reply, t->batch[i].reply_len);
            counter_add(&t->events[TOY_SENT], 1);
        }
    }
    pthread_cond_broadcast(&t->bound->has_replied);
    pthread_mutex_unlock(&t->bound->mutex);
}

static void toy_finish(void *transport)
{
    struct toy_transport *t = transport;
    t->is_finishing = true;
}

static const struct send_prediction *toy_prediction(const void *transport)
{
    static const struct send_prediction at_once = {0};
    (void)transport;
    return &at_once;
}

static const struct metric_row events[] = {{"sent", "replies in the queue"},
                                           {"empty_turns", "turns without a request"}};

const struct transport_ops transport_toy = {
    .name = "toy",
    .is_automatic = true,
    .binding = &toy_binding,
    .events = events,
    .num_events = TOY_NUM_EVENTS,
    .open = toy_open,
    .receive = toy_receive,
    .send = toy_send,
    .finish = toy_finish,
    .prediction = toy_prediction,
    .close = free,
};

/* --- for tests --- */

void toy_put(void *bound, size_t worker, const uint8_t *data, size_t len)
{
    struct toy_bound *toy = bound;
    pthread_mutex_lock(&toy->mutex);
    push(&toy->pairs[worker].requests, data, len);
    pthread_mutex_unlock(&toy->mutex);
    event_fd_signal(toy->event_fds[worker]);
}

size_t toy_await_reply(void *bound, size_t worker, uint8_t *data)
{
    struct toy_bound *toy = bound;
    pthread_mutex_lock(&toy->mutex);
    while (toy->pairs[worker].replies.num == 0) {
        pthread_cond_wait(&toy->has_replied, &toy->mutex);
    }
    const struct message *reply = pop(&toy->pairs[worker].replies);
    size_t len = reply->len;
    memcpy(data, reply->data, len);
    pthread_mutex_unlock(&toy->mutex);
    return len;
}

size_t toy_num_replies(void *bound, size_t worker)
{
    struct toy_bound *toy = bound;
    pthread_mutex_lock(&toy->mutex);
    size_t num = toy->pairs[worker].replies.num;
    pthread_mutex_unlock(&toy->mutex);
    return num;
}

size_t toy_num_bound(void)
{
    return num_bound;
}

void toy_break(void *bound, size_t worker)
{
    struct toy_bound *toy = bound;
    pthread_mutex_lock(&toy->mutex);
    toy->pairs[worker].is_broken = true;
    pthread_mutex_unlock(&toy->mutex);
    event_fd_signal(toy->event_fds[worker]);
}

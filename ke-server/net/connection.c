#include "ke-server/net/connection.h"

#include "base/clock_time.h"
#include "ke-server/net/client_socket.h"

#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum nts_status connection_table_open(struct connection_table *table, struct io_uring *ring,
                                      size_t num_slots)
{
    *table = (struct connection_table){.ring = ring, .num_slots = num_slots};
    void *memory = mmap(NULL, num_slots * sizeof(*table->slots), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NTS_ERR_NO_MEMORY;
    }
    table->slots = memory;
    for (size_t i = num_slots; i-- > 0;) {
        table->slots[i].next = table->free;
        table->free = &table->slots[i];
    }
    return NTS_OK;
}

void connection_table_close(struct connection_table *table)
{
    if (table->slots != NULL) {
        munmap(table->slots, table->num_slots * sizeof(*table->slots));
    }
    table->slots = NULL;
}

/* Deadlines of one list are equally long, so the place is at the end, unless a reload has just
 * made them shorter. */
static void list_insert(struct deadline_list *list, struct connection *connection)
{
    struct connection *after = list->last;
    while (after != NULL && after->deadline_ns > connection->deadline_ns) {
        after = after->previous;
    }
    connection->previous = after;
    connection->next = after != NULL ? after->next : list->first;
    *(after != NULL ? &after->next : &list->first) = connection;
    *(connection->next != NULL ? &connection->next->previous : &list->last) = connection;
}

static void list_remove(struct deadline_list *list, struct connection *connection)
{
    struct connection *previous = connection->previous;
    struct connection *next = connection->next;
    *(previous != NULL ? &previous->next : &list->first) = next;
    *(next != NULL ? &next->previous : &list->last) = previous;
}

static uint32_t index_of(const struct connection_table *table, const struct connection *connection)
{
    return (uint32_t)(connection - table->slots);
}

static void start_receive(struct connection_table *table, struct connection *connection)
{
    struct io_uring_sqe *sqe = ring_sqe(table->ring);
    io_uring_prep_recv(sqe, connection->fd, connection->receive_buffer, CONNECTION_RECEIVE_LEN, 0);
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_RECEIVE, index_of(table, connection)));
    connection->receiving = true;
}

/* Submits at once: the handshakes of the others in the batch take longer than a system call. */
static void start_send(struct connection_table *table, struct connection *connection)
{
    struct io_uring_sqe *sqe = ring_sqe(table->ring);
    io_uring_prep_send(sqe, connection->fd, connection->send_buffer + connection->send_at,
                       connection->send_len - connection->send_at, MSG_NOSIGNAL);
    io_uring_sqe_set_data64(sqe, ring_user_data(TAG_SEND, index_of(table, connection)));
    io_uring_submit(table->ring);
    connection->sending = true;
    connection->has_answered = true;
}

/* The kernel holds no operation of this slot any more. */
static void release(struct connection_table *table, const struct ke_service *service,
                    struct connection *connection)
{
    close(connection->fd);
    session_close(&connection->session);
    connection->phase = CONNECTION_FREE;
    connection->next = table->free;
    table->free = connection;
    table->num_open--;
    count_event(service->counters, KE_EVENT_CLOSED);
}

static void drop(struct connection_table *table, const struct ke_service *service,
                 struct connection *connection)
{
    list_remove(connection->phase == CONNECTION_TALKING ? &table->talking : &table->closing,
                connection);
    handshake_queue_remove(&table->waiting, &connection->wait);
    connection->phase = CONNECTION_DROPPED;
    if (connection->receiving || connection->sending) {
        shutdown(connection->fd, SHUT_RDWR); /* completes what is in flight */
    } else {
        release(table, service, connection);
    }
}

static void start_closing(struct connection_table *table, const struct ke_service *service,
                          struct connection *connection)
{
    list_remove(&table->talking, connection);
    connection->phase = CONNECTION_CLOSING;
    connection->deadline_ns = service->now_ns + service->settings->config.linger_ms * NS_PER_MS;
    list_insert(&table->closing, connection);
}

enum output { OUTPUT_NONE, OUTPUT_SENDING, OUTPUT_SENT };

/* Takes what the session has for the client, unless a send is under way: one at a time. */
static bool take_output(struct connection *connection)
{
    if (connection->sending) {
        return false;
    }
    connection->send_at = 0;
    connection->send_len =
        session_output(&connection->session, connection->send_buffer, CONNECTION_SEND_LEN);
    return connection->send_len > 0;
}

/* Puts the session's last output on its way: what the socket takes at once waits there for the FIN,
 * which shut_down sends, so that both leave in one segment. */
static enum output send_last_output(struct connection_table *table, struct connection *connection)
{
    enum output output = OUTPUT_NONE;
    while (take_output(connection)) {
        ssize_t sent = send(connection->fd, connection->send_buffer, connection->send_len,
                            MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL);
        connection->send_at = sent > 0 ? (size_t)sent : 0;
        if (connection->send_at < connection->send_len) {
            start_send(table, connection);
        }
        output = OUTPUT_SENT;
    }
    return connection->sending ? OUTPUT_SENDING : output;
}

static void shut_down(struct connection *connection)
{
    shutdown(connection->fd, SHUT_WR);
    session_close(&connection->session);
    connection->phase = CONNECTION_DRAINING;
}

/* Does what the session wants next, after any event. */
static void go_on(struct connection_table *table, const struct ke_service *service,
                  struct connection *connection)
{
    if (connection->session.state != SESSION_ENDED) {
        if (take_output(connection)) {
            start_send(table, connection);
        }
    } else if (connection->phase != CONNECTION_DRAINING) {
        enum output output = send_last_output(table, connection);
        bool nothing_said = output == OUTPUT_NONE && connection->phase == CONNECTION_TALKING;
        if (output != OUTPUT_SENDING && (connection->peer_closed || nothing_said)) {
            drop(table, service, connection); /* it has closed, or got nothing: no drain */
            return;
        }
        if (connection->phase == CONNECTION_TALKING) {
            start_closing(table, service, connection);
        }
        if (output != OUTPUT_SENDING) {
            shut_down(connection);
        }
    } else if (connection->peer_closed) {
        drop(table, service, connection);
        return;
    }
    if (!connection->receiving && !connection->peer_closed) {
        start_receive(table, connection);
    }
}

static struct connection *connection_of(struct handshake_wait *wait)
{
    return (struct connection *)((char *)wait - offsetof(struct connection, wait));
}

/* Sends one away that waits. */
static void send_away(struct connection_table *table, const struct ke_service *service,
                      struct connection *connection, enum ke_event event)
{
    count_event(service->counters, event);
    client_socket_will_reset(connection->fd);
    drop(table, service, connection);
}

static void make_room(struct connection_table *table, const struct ke_service *service)
{
    struct handshake_wait *oldest = table->waiting.oldest;
    if (oldest != NULL && connection_of(oldest)->waits_since_turn < table->num_turns) {
        send_away(table, service, connection_of(oldest), KE_EVENT_SHED);
    }
}

void connection_accept(struct connection_table *table, const struct ke_service *service, int fd,
                       int family)
{
    if (table->free == NULL) {
        make_room(table, service);
    }
    struct connection *connection = table->free;
    union net_address local;
    if (connection == NULL) {
        count_event(service->counters, KE_EVENT_REFUSED);
        close(fd);
        return;
    }
    count_event(service->counters, KE_EVENT_ACCEPTED);
    table->free = connection->next;
    table->num_open++;
    client_socket_local(&local, fd, family);
    session_open(&connection->session, service, &local);
    connection->fd = fd;
    connection->phase = CONNECTION_TALKING;
    connection->sending = false;
    connection->peer_closed = false;
    connection->has_answered = false;
    connection->deadline_ns = service->now_ns + service->settings->config.deadline_ms * NS_PER_MS;
    list_insert(&table->talking, connection);
    start_receive(table, connection);
}

/* The completion of an operation of a connection that is given up; true if it was one. */
static bool was_dropped(struct connection_table *table, const struct ke_service *service,
                        struct connection *connection)
{
    if (connection->phase != CONNECTION_DROPPED) {
        return false;
    }
    if (!connection->receiving && !connection->sending) {
        release(table, service, connection);
    }
    return true;
}

void connection_received(struct connection_table *table, const struct ke_service *service,
                         uint32_t index, int result)
{
    struct connection *connection = &table->slots[index];
    struct session *session = &connection->session;
    connection->receiving = false;
    if (was_dropped(table, service, connection)) {
        return;
    }
    if (result < 0) {
        if (connection->phase == CONNECTION_TALKING) {
            count_status(service->counters, NTS_ERR_SYSTEM);
        }
        drop(table, service, connection);
        return;
    }
    if (result == 0) {
        connection->peer_closed = true;
    }
    if (result > 0 && connection->phase == CONNECTION_TALKING &&
        session->state == SESSION_HANDSHAKE && !connection->has_answered) {
        connection->received_len = (size_t)result;
        connection->waits_since_turn = table->num_turns;
        handshake_queue_add(&table->waiting, &connection->wait,
                            service->now_ns - client_socket_quiet_ns(connection->fd));
        return;
    }
    if (connection->phase == CONNECTION_TALKING) {
        enum session_state before = session->state;
        if (result > 0) {
            session_receive(session, service, connection->receive_buffer, (size_t)result);
        } else {
            session_peer_closed(session, service);
        }
        if (before == SESSION_HANDSHAKE && session->state == SESSION_REQUEST) {
            /* A client that was sent no session ticket has nothing to acknowledge its Finished but
             * a delayed ACK, and its Nagle algorithm may hold the request back for that long: 44 ms
             * instead of 1. */
            client_socket_acknowledge(connection->fd);
        }
    }
    go_on(table, service, connection);
}

void connection_shake_hands(struct connection_table *table, const struct ke_service *service)
{
    struct handshake_wait *wait;
    size_t num_begun = 0;
    table->num_turns++;
    int64_t patience_ns = service->settings->config.handshake_patience_ms * NS_PER_MS;
    int64_t too_early_ns = service->now_ns - patience_ns;
    while ((wait = table->waiting.oldest) != NULL && wait->since_ns <= too_early_ns) {
        send_away(table, service, connection_of(wait), KE_EVENT_SHED);
    }
    while ((wait = table->waiting.newest) != NULL && num_begun < CONNECTION_HANDSHAKES_PER_TURN) {
        struct connection *connection = connection_of(wait);
        if (wait->since_ns <= too_early_ns) {
            send_away(table, service, connection, KE_EVENT_SHED);
            continue;
        }
        if (wait->since_ns < service->now_ns && client_socket_has_left(connection->fd)) {
            send_away(table, service, connection, KE_EVENT_GIVEN_UP);
            continue;
        }
        num_begun++;
        handshake_queue_remove(&table->waiting, wait);
        session_receive(&connection->session, service, connection->receive_buffer,
                        connection->received_len);
        go_on(table, service, connection);
    }
}

void connection_sent(struct connection_table *table, const struct ke_service *service,
                     uint32_t index, int result)
{
    struct connection *connection = &table->slots[index];
    connection->sending = false;
    if (was_dropped(table, service, connection)) {
        return;
    }
    if (result < 0) {
        drop(table, service, connection);
        return;
    }
    connection->send_at += (size_t)result;
    if (connection->send_at < connection->send_len) {
        start_send(table, connection);
        return;
    }
    go_on(table, service, connection);
}

int64_t connection_next_deadline(const struct connection_table *table)
{
    int64_t talking = table->talking.first != NULL ? table->talking.first->deadline_ns : INT64_MAX;
    int64_t closing = table->closing.first != NULL ? table->closing.first->deadline_ns : INT64_MAX;
    return talking < closing ? talking : closing;
}

void connection_expire(struct connection_table *table, const struct ke_service *service)
{
    struct connection *connection;
    while ((connection = table->talking.first) != NULL &&
           connection->deadline_ns <= service->now_ns) {
        if (connection->wait.is_waiting) {
            send_away(table, service, connection, KE_EVENT_SHED);
            continue;
        }
        session_deadline(&connection->session, service);
        go_on(table, service, connection);
    }
    while ((connection = table->closing.first) != NULL &&
           connection->deadline_ns <= service->now_ns) {
        drop(table, service, connection);
    }
}

void connection_drop_all(struct connection_table *table, const struct ke_service *service)
{
    while (table->talking.first != NULL) {
        drop(table, service, table->talking.first);
    }
    while (table->closing.first != NULL) {
        drop(table, service, table->closing.first);
    }
}

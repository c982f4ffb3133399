/* The connections of one worker: a fixed number of slots, each with a socket, a session and fixed
 * buffers, driven by completions of the worker's ring. All of it belongs to the worker's thread.
 *
 *   TALKING   handshake and request, until the deadline; its handshake may wait for its turn
 *   CLOSING   the last output is on its way
 *   DRAINING  our side is shut; what still arrives is thrown away, until the client closes or the
 *             linger time is up: closing earlier would send a reset that can destroy the response
 *   DROPPED   waits for its operations to complete, then the slot is free
 *
 * Deadlines are absolute: nothing that a client sends moves them. */
#ifndef NTS_KE_CONNECTION_H
#define NTS_KE_CONNECTION_H

#include "ke-server/net/handshake_queue.h"
#include "ke-server/tls/session.h"
#include "net/ring.h"

#define CONNECTION_RECEIVE_LEN 4096
#define CONNECTION_SEND_LEN    8192 /* a first flight with a usual chain in one go */

/* Handshakes to begin before looking at what else has come. What has been begun goes first: it is
 * cheaper to finish, and worth nothing unfinished. */
#define CONNECTION_HANDSHAKES_PER_TURN 8

/* What a completion is about; the index that comes with it is a slot, or a listener. */
enum ke_worker_tag { TAG_ACCEPT, TAG_RECEIVE, TAG_SEND, TAG_WAKE, TAG_CANCEL };

enum connection_phase {
    CONNECTION_FREE,
    CONNECTION_TALKING,
    CONNECTION_CLOSING,
    CONNECTION_DRAINING,
    CONNECTION_DROPPED,
};

struct connection {
    int fd;
    enum connection_phase phase;
    bool receiving; /* operations in flight */
    bool sending;
    bool peer_closed;
    bool has_answered; /* our side of the handshake, the costly part, is done */
    struct handshake_wait wait;
    uint64_t waits_since_turn;
    struct connection *previous; /* in a deadline list, or in the list of free slots (next) */
    struct connection *next;
    int64_t deadline_ns;
    size_t received_len; /* in receive_buffer, while it waits */
    size_t send_at;      /* what is being sent is send_buffer[send_at .. send_len) */
    size_t send_len;
    struct session session;
    uint8_t receive_buffer[CONNECTION_RECEIVE_LEN];
    uint8_t send_buffer[CONNECTION_SEND_LEN];
};

/* Connections by ascending deadline. */
struct deadline_list {
    struct connection *first;
    struct connection *last;
};

struct connection_table {
    struct io_uring *ring;
    struct connection *slots;
    size_t num_slots;
    size_t num_open;
    struct connection *free;
    struct deadline_list talking;
    struct deadline_list closing;   /* and draining */
    struct handshake_queue waiting; /* a part of those in TALKING, with nothing in flight */
    uint64_t num_turns;             /* calls of connection_shake_hands */
};

/* connection_table_open makes `num_slots` slots. The memory of a slot is touched when it is first
 * used. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status connection_table_open(struct connection_table *table,
                                                     struct io_uring *ring, size_t num_slots);

/* connection_table_close frees the slots, once none is open. */
void connection_table_close(struct connection_table *table);

/* connection_accept takes over a socket that a client of `family` opened. When all slots are taken,
 * the one that has waited longest for its handshake, if it has been passed over before, makes room;
 * if there is none, the new one is closed at once. Both are counted: a bounded farm says no rather
 * than let all clients wait. */
void connection_accept(struct connection_table *table, const struct ke_service *service, int fd,
                       int family);

/* connection_received and connection_sent handle the completion of an operation of slot `index`
 * with `result` as in the CQE. */
void connection_received(struct connection_table *table, const struct ke_service *service,
                         uint32_t index, int result);
void connection_sent(struct connection_table *table, const struct ke_service *service,
                     uint32_t index, int result);

/* connection_shake_hands begins the handshakes of the newest that wait, some of them, and sheds
 * those that have waited for handshake_patience_ms. To be called when everything else has been
 * done.
 */
void connection_shake_hands(struct connection_table *table, const struct ke_service *service);

/* connection_is_waiting tells that a connection still waits for connection_shake_hands. */
static inline bool connection_is_waiting(const struct connection_table *table)
{
    return table->waiting.newest != NULL;
}

/* connection_next_deadline returns the nearest deadline, INT64_MAX if there is none. */
int64_t connection_next_deadline(const struct connection_table *table);

/* connection_expire ends what has reached its deadline at service->now_ns. */
void connection_expire(struct connection_table *table, const struct ke_service *service);

/* connection_drop_all ends every connection as fast as its operations complete. */
void connection_drop_all(struct connection_table *table, const struct ke_service *service);

#endif

/* The connections of one worker: a fixed number of slots, each with a socket, a session and fixed
 * buffers, driven by completions of the worker's ring. All of it belongs to the worker's thread.
 *
 *   TALKING   handshake and request, until the deadline
 *   CLOSING   the last output is on its way
 *   DRAINING  our side is shut; what still arrives is thrown away, until the client closes or the
 *             linger time is up: closing earlier would send a reset that can destroy the response
 *   DROPPED   waits for its operations to complete, then the slot is free
 *
 * Deadlines are absolute: nothing that a client sends moves them. */
#ifndef NTS_KE_CONNECTION_H
#define NTS_KE_CONNECTION_H

#include "runtime/ring.h"
#include "session.h"

#define CONNECTION_RECEIVE_LEN 4096
#define CONNECTION_SEND_LEN    8192 /* a first flight with a usual chain in one go */

/* What a completion is about; the index that comes with it is a slot, or a listener. */
enum worker_tag { TAG_ACCEPT, TAG_RECEIVE, TAG_SEND, TAG_WAKE, TAG_CANCEL };

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
    struct connection *previous; /* in a deadline list, or in the list of free slots (next) */
    struct connection *next;
    int64_t deadline_ns;
    size_t send_at; /* what is being sent is send_buffer[send_at .. send_len) */
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
    struct deadline_list closing; /* and draining */
};

/* connection_table_open makes `num_slots` slots. The memory of a slot is touched when it is first
 * used. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status connection_table_open(struct connection_table *table,
                                                     struct io_uring *ring, size_t num_slots);

/* connection_table_close frees the slots, once none is open. */
void connection_table_close(struct connection_table *table);

/* connection_accept takes over the socket of a client that came over `family`. When all slots are
 * taken it is closed at once, and counted: a bounded farm says no rather than let everybody wait.
 */
void connection_accept(struct connection_table *table, const struct ke_service *service, int fd,
                       int family);

/* connection_received and connection_sent handle the completion of an operation of slot `index`
 * with `result` as in the CQE. */
void connection_received(struct connection_table *table, const struct ke_service *service,
                         uint32_t index, int result);
void connection_sent(struct connection_table *table, const struct ke_service *service,
                     uint32_t index, int result);

/* connection_next_deadline returns the nearest deadline, INT64_MAX if there is none. */
int64_t connection_next_deadline(const struct connection_table *table);

/* connection_expire ends what has reached its deadline at service->now_ns. */
void connection_expire(struct connection_table *table, const struct ke_service *service);

/* connection_drop_all ends every connection as fast as its operations complete. */
void connection_drop_all(struct connection_table *table, const struct ke_service *service);

#endif

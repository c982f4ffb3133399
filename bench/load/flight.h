/* Which requests of a pool are on their way. Every request of the pool has a slot and a 64-bit id
 * of its own, the transmit timestamp, which the reply brings back; it is on its way once at a time.
 * Free slots are taken in the order they came back, so that a request rests as long as can be
 * before it is sent again; those on their way are kept in the order they were sent, so that the
 * overdue ones stand in front. Every verb takes constant time. Pure; one thread. */
#ifndef NTS_LOAD_FLIGHT_H
#define NTS_LOAD_FLIGHT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLIGHT_NONE UINT32_MAX

enum flight_state {
    FLIGHT_FREE,   /* never sent, or answered */
    FLIGHT_ON_WAY, /* sent, no answer yet */
    FLIGHT_LOST,   /* free again, but it was never answered */
};

struct flight_slot {
    uint64_t id;         /* 0: none yet */
    int64_t intended_ns; /* when it should have been sent */
    int64_t deadline_ns; /* when it counts as lost */
    uint32_t next;
    uint32_t previous;
    enum flight_state state;
};

struct flight_list {
    uint32_t first;
    uint32_t last;
    size_t num;
};

struct flight {
    struct flight_slot *slots;
    size_t num_slots;
    uint32_t mask; /* hides the slot's number in the id */
    struct flight_list free;
    struct flight_list on_way;
};

/* flight_open makes `num` slots (below 2^32 - 1), all free. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status flight_open(struct flight *flight, size_t num, uint32_t mask);
void flight_close(struct flight *flight);

/* flight_new_id gives a slot an id and returns it: `random` in the upper half, its number in the
 * lower one. */
uint64_t flight_new_id(struct flight *flight, uint32_t slot, uint32_t random);

/* flight_find returns the slot that has this id, FLIGHT_NONE if there is none. */
uint32_t flight_find(const struct flight *flight, uint64_t id);

/* flight_next_free returns the slot to be sent next, FLIGHT_NONE if all are on their way. */
uint32_t flight_next_free(const struct flight *flight);

/* flight_depart notes that the free slot is sent. */
void flight_depart(struct flight *flight, uint32_t slot, int64_t intended_ns, int64_t deadline_ns);

/* flight_arrive frees a slot that is on its way, as answered or lost. */
void flight_arrive(struct flight *flight, uint32_t slot, enum flight_state state);

/* flight_rotate puts the free slot behind the others: it was sent, but nothing will come back. */
void flight_rotate(struct flight *flight, uint32_t slot);

/* flight_overdue returns the slot that was sent first if its deadline has come, else FLIGHT_NONE.
 */
uint32_t flight_overdue(const struct flight *flight, int64_t now_ns);

#endif

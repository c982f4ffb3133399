#include "load/flight.h"

#include <assert.h>
#include <stdlib.h>

static void list_append(struct flight *flight, struct flight_list *list, uint32_t slot)
{
    struct flight_slot *added = &flight->slots[slot];
    added->previous = list->last;
    added->next = FLIGHT_NONE;
    if (list->last == FLIGHT_NONE) {
        list->first = slot;
    } else {
        flight->slots[list->last].next = slot;
    }
    list->last = slot;
    list->num++;
}

static void list_remove(struct flight *flight, struct flight_list *list, uint32_t slot)
{
    const struct flight_slot *removed = &flight->slots[slot];
    if (removed->previous == FLIGHT_NONE) {
        list->first = removed->next;
    } else {
        flight->slots[removed->previous].next = removed->next;
    }
    if (removed->next == FLIGHT_NONE) {
        list->last = removed->previous;
    } else {
        flight->slots[removed->next].previous = removed->previous;
    }
    list->num--;
}

enum nts_status flight_open(struct flight *flight, size_t num, uint32_t mask)
{
    static const struct flight_list empty = {FLIGHT_NONE, FLIGHT_NONE, 0};
    assert(num > 0 && num < FLIGHT_NONE);
    *flight = (struct flight){.num_slots = num, .mask = mask, .free = empty, .on_way = empty};
    flight->slots = calloc(num, sizeof(*flight->slots));
    if (flight->slots == NULL) {
        return NTS_ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; i < num; i++) {
        list_append(flight, &flight->free, i);
    }
    return NTS_OK;
}

void flight_close(struct flight *flight)
{
    free(flight->slots);
    flight->slots = NULL;
}

uint64_t flight_new_id(struct flight *flight, uint32_t slot, uint32_t random)
{
    uint64_t id = (uint64_t)random << 32 | (slot ^ flight->mask);
    flight->slots[slot].id = id;
    return id;
}

uint32_t flight_find(const struct flight *flight, uint64_t id)
{
    uint32_t slot = (uint32_t)id ^ flight->mask;
    return slot < flight->num_slots && flight->slots[slot].id == id ? slot : FLIGHT_NONE;
}

uint32_t flight_next_free(const struct flight *flight)
{
    return flight->free.first;
}

void flight_depart(struct flight *flight, uint32_t slot, int64_t intended_ns, int64_t deadline_ns)
{
    struct flight_slot *departing = &flight->slots[slot];
    assert(departing->state != FLIGHT_ON_WAY);
    list_remove(flight, &flight->free, slot);
    list_append(flight, &flight->on_way, slot);
    departing->intended_ns = intended_ns;
    departing->deadline_ns = deadline_ns;
    departing->state = FLIGHT_ON_WAY;
}

void flight_arrive(struct flight *flight, uint32_t slot, enum flight_state state)
{
    assert(flight->slots[slot].state == FLIGHT_ON_WAY && state != FLIGHT_ON_WAY);
    list_remove(flight, &flight->on_way, slot);
    list_append(flight, &flight->free, slot);
    flight->slots[slot].state = state;
}

void flight_rotate(struct flight *flight, uint32_t slot)
{
    assert(flight->slots[slot].state != FLIGHT_ON_WAY);
    list_remove(flight, &flight->free, slot);
    list_append(flight, &flight->free, slot);
}

uint32_t flight_overdue(const struct flight *flight, int64_t now_ns)
{
    uint32_t first = flight->on_way.first;
    return first != FLIGHT_NONE && flight->slots[first].deadline_ns <= now_ns ? first : FLIGHT_NONE;
}

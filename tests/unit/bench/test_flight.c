#include "load/flight.h"

#include <criterion/criterion.h>

static struct flight flight;

static void set_up(void)
{
    cr_assert_eq(flight_open(&flight, 4, 0x1234), NTS_OK);
    for (uint32_t i = 0; i < 4; i++) {
        flight_new_id(&flight, i, 0x9000 + i);
    }
}

static void tear_down(void)
{
    flight_close(&flight);
}

TestSuite(flight, .init = set_up, .fini = tear_down);

/* Sends the slot whose turn it is. */
static uint32_t depart(int64_t deadline_ns)
{
    uint32_t slot = flight_next_free(&flight);
    cr_assert_neq(slot, FLIGHT_NONE);
    flight_depart(&flight, slot, 0, deadline_ns);
    return slot;
}

Test(flight, finds_a_slot_by_its_id_and_by_no_other)
{
    uint64_t id = flight.slots[2].id;
    cr_assert_eq(flight_find(&flight, id), 2);
    cr_assert_eq(flight_find(&flight, id ^ 1), FLIGHT_NONE);
    cr_assert_eq(flight_find(&flight, id ^ UINT64_C(1) << 63), FLIGHT_NONE);
    cr_assert_eq(flight_find(&flight, id ^ 0x80000000), FLIGHT_NONE);
    uint64_t new_id = flight_new_id(&flight, 2, 77);
    cr_assert_eq(flight_find(&flight, id), FLIGHT_NONE);
    cr_assert_eq(flight_find(&flight, new_id), 2);
}

Test(flight, takes_slots_in_the_order_they_came_back)
{
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(depart(100), i);
    }
    cr_assert_eq(flight_next_free(&flight), FLIGHT_NONE);
    flight_arrive(&flight, 2, FLIGHT_FREE);
    flight_arrive(&flight, 0, FLIGHT_LOST);
    cr_assert_eq(flight.on_way.num, 2);
    cr_assert_eq(flight.slots[0].state, FLIGHT_LOST);
    cr_assert_eq(depart(100), 2);
    cr_assert_eq(depart(100), 0);
    cr_assert_eq(flight.slots[0].state, FLIGHT_ON_WAY);
    cr_assert_eq(flight.free.num, 0);
}

Test(flight, tells_the_overdue_in_the_order_they_were_sent)
{
    depart(10);
    depart(20);
    depart(30);
    cr_assert_eq(flight_overdue(&flight, 9), FLIGHT_NONE);
    flight_arrive(&flight, 0, FLIGHT_FREE);
    cr_assert_eq(flight_overdue(&flight, 19), FLIGHT_NONE);
    cr_assert_eq(flight_overdue(&flight, 30), 1);
    flight_arrive(&flight, 1, FLIGHT_LOST);
    cr_assert_eq(flight_overdue(&flight, 30), 2);
}

Test(flight, puts_what_nobody_answers_behind_the_others)
{
    flight_rotate(&flight, 0);
    cr_assert_eq(flight_next_free(&flight), 1);
    cr_assert_eq(flight.free.num, 4);
    cr_assert_eq(flight.free.last, 0);
    flight_rotate(&flight, 2);
    cr_assert_eq(depart(1), 1);
    cr_assert_eq(depart(1), 3);
    cr_assert_eq(depart(1), 0);
    cr_assert_eq(depart(1), 2);
}

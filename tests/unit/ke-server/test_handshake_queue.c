#include "ke-server/net/handshake_queue.h"

#include <criterion/criterion.h>
#include <string.h>

#define NUM 5

static struct handshake_queue queue;
static struct handshake_wait waits[NUM];

/* One a second, from the hundredth on. */
static void fill(void)
{
    for (size_t i = 0; i < NUM; i++) {
        handshake_queue_add(&queue, &waits[i], 100 + (int64_t)i);
    }
}

/* The ones in the queue, as "oldest ... newest", and the same the other way. */
static void assert_order(const char *expected)
{
    char forwards[NUM + 1] = "";
    char backwards[NUM + 1] = "";
    size_t num = 0;
    for (struct handshake_wait *w = queue.oldest; w != NULL; w = w->newer) {
        forwards[num++] = (char)('0' + (w - waits));
    }
    size_t left = num;
    for (struct handshake_wait *w = queue.newest; w != NULL; w = w->older) {
        backwards[--left] = (char)('0' + (w - waits));
    }
    cr_assert_str_eq(forwards, expected);
    cr_assert_str_eq(backwards, expected);
}

Test(handshake_queue, gives_the_newest_first)
{
    fill();
    assert_order("01234");
    cr_assert_eq(queue.newest, &waits[4]);
    handshake_queue_remove(&queue, queue.newest);
    cr_assert_eq(queue.newest, &waits[3]);
    handshake_queue_add(&queue, &waits[4], 200);
    cr_assert_eq(queue.newest, &waits[4]);
    assert_order("01234");
}

Test(handshake_queue, lets_go_of_any)
{
    fill();
    handshake_queue_remove(&queue, &waits[2]);
    assert_order("0134");
    handshake_queue_remove(&queue, &waits[0]);
    assert_order("134");
    handshake_queue_remove(&queue, &waits[4]);
    assert_order("13");
    handshake_queue_remove(&queue, &waits[4]); /* who is out already */
    assert_order("13");
    handshake_queue_remove(&queue, &waits[1]);
    handshake_queue_remove(&queue, &waits[3]);
    assert_order("");
    cr_assert_null(queue.newest);
    handshake_queue_add(&queue, &waits[0], 300);
    assert_order("0");
}

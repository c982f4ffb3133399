#include "process/worker_group.h"

#include "base/clock_time.h"

#include "support/patience.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <unistd.h>

#define NUM 3

/* A worker that turns whenever it is woken, and can be made to fail or to hang. */
struct test_worker {
    struct worker worker; /* first member */
    bool fails_to_open;
    bool ends_by_itself;
    atomic_bool hangs;
    bool is_open;
    const struct snapshot *seen;
};

static enum nts_status test_open(struct worker *worker, struct error *error)
{
    struct test_worker *self = (struct test_worker *)worker;
    if (self->fails_to_open) {
        return error_set(error, NTS_ERR_SYSTEM, "worker %zu does not open", worker->number);
    }
    self->is_open = true;
    return NTS_OK;
}

static enum nts_status test_serve(struct worker *worker, struct error *error)
{
    struct test_worker *self = (struct test_worker *)worker;
    while (worker_stop_wanted(worker) == WORKER_RUN) {
        uint64_t num;
        struct pollfd polled = {.fd = worker->wake_fd, .events = POLLIN};
        if (atomic_load(&self->hangs)) {
            poll(NULL, 0, 1);
            continue;
        }
        heartbeat_turn(&worker->heartbeat);
        self->seen = snapshot_take(&worker->live);
        if (self->ends_by_itself) {
            self->is_open = false;
            return error_set(error, NTS_ERR_SYSTEM, "the ring is gone");
        }
        poll(&polled, 1, -1);
        if (read(worker->wake_fd, &num, sizeof(num)) < 0) {
            continue;
        }
    }
    self->is_open = false;
    return NTS_OK;
}

static const struct worker_ops test_ops = {.open = test_open, .serve = test_serve};
static struct worker_group group;
static struct test_worker workers[NUM];
static struct error test_error;

static void open_group(void)
{
    cr_assert_eq(worker_group_open(&group, NUM, &test_error), NTS_OK);
    for (size_t i = 0; i < NUM; i++) {
        cr_assert_eq(worker_init(&workers[i].worker, &test_ops, i, group.done_fd, &test_error),
                     NTS_OK);
        worker_group_add(&group, &workers[i].worker);
    }
}

static void close_group(void)
{
    for (size_t i = 0; i < NUM; i++) {
        worker_close(&workers[i].worker);
    }
    worker_group_close(&group);
}

#define GROUP_TEST(name)                                                                           \
    Test(worker_group, name, .init = open_group, .fini = close_group, .timeout = TEST_TIMEOUT_S)

static void await_done(void)
{
    struct pollfd polled = {.fd = group.done_fd, .events = POLLIN};
    cr_assert_eq(poll(&polled, 1, -1), 1);
}

static void await_all_ended(void)
{
    while (!worker_group_take_ended(&group)) {
        await_done();
    }
}

static void await_turn(const struct test_worker *worker, uint64_t turns)
{
    while (counter_read(&worker->worker.heartbeat.turns) <= turns) {
        poll(NULL, 0, 1);
    }
}

GROUP_TEST(starts_all_and_ends_all)
{
    cr_assert_eq(worker_group_start(&group, &test_error), NTS_OK, "%s", test_error.text);
    cr_assert_eq(group.num_running, NUM);
    cr_assert_not(worker_group_has_let_go(&group));
    cr_assert_not(worker_group_take_ended(&group));
    worker_group_request_stop(&group, WORKER_STOP);
    await_all_ended();
    cr_assert(worker_group_has_let_go(&group));
    cr_assert(worker_group_join(&group, "test.worker_failed"));
    for (size_t i = 0; i < NUM; i++) {
        cr_assert_not(workers[i].is_open);
    }
}

GROUP_TEST(starts_all_or_none_and_can_be_started_again)
{
    for (size_t failing = 0; failing < NUM; failing++) {
        workers[failing].fails_to_open = true;
        cr_assert_eq(worker_group_start(&group, &test_error), NTS_ERR_SYSTEM);
        cr_assert_eq(test_error.text[7], (char)('0' + (int)failing), "%s", test_error.text);
        cr_assert_eq(group.num_running, 0);
        cr_assert_eq(group.num_ended, 0);
        for (size_t i = 0; i < NUM; i++) {
            cr_assert_not(workers[i].is_open);
        }
        workers[failing].fails_to_open = false;
    }
    cr_assert_eq(worker_group_start(&group, &test_error), NTS_OK, "%s", test_error.text);
    cr_assert_not(worker_group_take_ended(&group));
    worker_group_request_stop(&group, WORKER_STOP);
    cr_assert(worker_group_join(&group, "test.worker_failed"));
}

GROUP_TEST(tells_of_a_worker_that_ends_by_itself)
{
    workers[1].ends_by_itself = true;
    cr_assert_eq(worker_group_start(&group, &test_error), NTS_OK, "%s", test_error.text);
    await_done();
    cr_assert_not(worker_group_take_ended(&group));
    cr_assert_eq(group.num_ended, 1);
    worker_group_request_stop(&group, WORKER_STOP);
    await_all_ended();
    cr_assert_not(worker_group_join(&group, "test.worker_failed"),
                  "the error of the worker counts");
}

GROUP_TEST(counts_as_alive_what_has_turned_since_it_was_woken)
{
    size_t stuck = SIZE_MAX;
    cr_assert_eq(worker_group_start(&group, &test_error), NTS_OK, "%s", test_error.text);
    cr_assert_eq(worker_group_look(&group, NS_PER_S, NS_PER_S, &stuck), NUM);
    atomic_store(&workers[1].hangs, true);
    worker_wake(&workers[1].worker);
    for (int64_t second = 2; second < 5; second++) {
        for (size_t i = 0; i < NUM; i++) {
            uint64_t turns = workers[i].worker.heartbeat.seen_turns;
            worker_wake(&workers[i].worker);
            if (i != 1) {
                await_turn(&workers[i], turns);
            }
        }
        worker_group_look(&group, second * NS_PER_S, 2 * NS_PER_S, &stuck);
    }
    cr_assert_eq(stuck, 1);
    cr_assert_eq(worker_group_look(&group, 5 * NS_PER_S, 2 * NS_PER_S, &stuck), NUM - 1);
    atomic_store(&workers[1].hangs, false);
    await_turn(&workers[1], workers[1].worker.heartbeat.seen_turns);
    stuck = SIZE_MAX;
    cr_assert_eq(worker_group_look(&group, 6 * NS_PER_S, 2 * NS_PER_S, &stuck), NUM);
    cr_assert_eq(stuck, SIZE_MAX);
    worker_group_request_stop(&group, WORKER_STOP);
    cr_assert(worker_group_join(&group, "test.worker_failed"));
}

static int num_destroyed;

static void count_destroyed(struct snapshot *snapshot)
{
    (void)snapshot;
    num_destroyed++;
}

GROUP_TEST(hands_every_worker_the_newest_snapshot_and_drops_the_rest)
{
    struct snapshot states[2];
    for (size_t i = 0; i < 2; i++) {
        snapshot_init(&states[i], count_destroyed);
        worker_group_publish(&group, &states[i]);
        snapshot_unref(&states[i]);
    }
    cr_assert_eq(num_destroyed, 1, "nobody has taken the first");
    cr_assert_eq(worker_group_start(&group, &test_error), NTS_OK, "%s", test_error.text);
    for (size_t i = 0; i < NUM; i++) {
        await_turn(&workers[i], 0);
    }
    worker_group_request_stop(&group, WORKER_STOP);
    cr_assert(worker_group_join(&group, "test.worker_failed"));
    for (size_t i = 0; i < NUM; i++) {
        cr_assert_eq(workers[i].seen, &states[1]);
        worker_close(&workers[i].worker);
        workers[i].worker.wake_fd = -1;
    }
    cr_assert_eq(num_destroyed, 2);
}

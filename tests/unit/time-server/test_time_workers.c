/* The workers of a time server, on a transport of memory queues: requests in, authentic replies
 * out, without a socket. */
#include "time-server/time_workers.h"

#include "answer_support.h"
#include "time-server/config/time_settings.h"
#include "toy_transport.h"

#include "support/patience.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define NUM_WORKERS 2

static struct time_config config;
static struct clock_board board;
static struct source_gate gate;
static struct keyring *ring;
static struct time_settings *settings;
static struct worker_group group;
static struct time_workers workers;

static void settings_destroy(struct snapshot *snapshot)
{
    free(snapshot);
}

static void prepare(void)
{
    struct error error;
    struct master_key_spec spec = {7, KEY_LAYOUT_CHRONY_SIV, 1, INT64_C(9000000000), {0}};
    const struct clock_status status = {
        .updated_at_ns = real_time_ns(), .stratum = 1, .precision = -25, .is_usable = true};
    ring = keyring_create(1, &spec, 1);
    settings = calloc(1, sizeof(*settings));
    snapshot_init(&settings->host.snapshot, settings_destroy);
    settings->config.plain_ntp = true;
    settings->clock_limits = (struct clock_limits){NS_PER_S, 3600 * NS_PER_S};
    clock_board_post(&board, &status);
    config = (struct time_config){.workers = NUM_WORKERS};
    cr_assert_eq(source_gate_open(&gate, &error), NTS_OK);
}

static void stop(void)
{
    worker_group_request_stop(&group, WORKER_STOP);
    cr_assert(worker_group_join(&group, "test.worker_failed"));
}

static void clean_up(void)
{
    stop();
    time_workers_close(&workers);
    worker_group_close(&group);
    cr_assert_eq(toy_num_bound(), 0, "everything is unbound");
    source_gate_close(&gate);
    snapshot_unref(&settings->host.snapshot);
    snapshot_unref(&ring->snapshot);
}

static void publish(void)
{
    struct live_state *live = live_state_create(&settings->host, ring, NULL);
    worker_group_publish(&group, &live->snapshot);
    snapshot_unref(&live->snapshot);
}

/* Workers on the transports of `table`, bound and with their snapshots; they do not run yet. */
static void make_workers(const struct transport_table *table)
{
    struct error error;
    struct socket_pool pool = {0};
    const struct time_workers_setup setup = {table, &config, &board, &gate};
    cr_assert_eq(time_workers_open(&workers, &group, &setup, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(time_workers_bind(&workers, &pool, &error), NTS_OK, "%s", error.text);
    publish();
}

static void make_toy_workers(void)
{
    static const struct transport_ops *const rows[] = {&transport_toy};
    static const struct transport_table table = {rows, 1};
    make_workers(&table);
}

static void start(void)
{
    struct error error;
    cr_assert_eq(time_workers_start(&workers, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(group.num_running, NUM_WORKERS);
}

static void put_request(struct client *client, size_t worker)
{
    build_request(client, ring, 15, 1);
    toy_put(workers.bound, worker, client->packet, client->len);
}

static void assert_reply(const struct client *client, size_t worker)
{
    uint8_t reply[REQUEST_MAX_LEN];
    struct datagram datagram = {.reply = reply};
    datagram.reply_len = toy_await_reply(workers.bound, worker, reply);
    cr_assert_eq(open_reply(client, ring, &datagram), 2, "two cookies, authentic");
}

static void assert_all_answer(void)
{
    struct client client;
    for (size_t i = 0; i < NUM_WORKERS; i++) {
        put_request(&client, i);
        assert_reply(&client, i);
    }
}

static uint64_t transport_count(const char *label)
{
    struct time_sums sums;
    time_workers_sum(&workers, &sums);
    for (size_t i = 0; i < sums.transport.num; i++) {
        if (strcmp(sums.transport.rows[i].label, label) == 0) {
            return sums.transport.values[i];
        }
    }
    cr_assert_fail("no counter %s", label);
    return 0;
}

Test(time_workers, answer_without_a_socket, .init = prepare, .fini = clean_up,
     .timeout = TEST_TIMEOUT_S)
{
    make_toy_workers();
    start();
    assert_all_answer();
    assert_all_answer();
    stop();
    struct time_sums sums;
    time_workers_sum(&workers, &sums);
    cr_assert_eq(sums.events[ANSWER_REQUESTS], 2 * NUM_WORKERS);
    cr_assert_eq(sums.events[ANSWER_ANSWERED_NTS], 2 * NUM_WORKERS);
    cr_assert_eq(transport_count("sent"), 2 * NUM_WORKERS);
}

Test(time_workers, one_runs_on_each_cpu_by_default, .init = prepare, .fini = clean_up)
{
    config.workers = 0;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    cr_assert_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
    struct error error;
    static const struct transport_ops *const rows[] = {&transport_toy};
    static const struct transport_table table = {rows, 1};
    const struct time_workers_setup setup = {&table, &config, &board, &gate};
    cr_assert_eq(time_workers_open(&workers, &group, &setup, &error), NTS_OK, "%s", error.text);
    cr_assert_eq(workers.num, (size_t)CPU_COUNT(&cpus));
    for (size_t i = 0; i < workers.num; i++) {
        cr_assert(CPU_ISSET((size_t)workers.items[i].worker.cpu, &cpus));
        cr_assert(i == 0 || workers.items[i].worker.cpu > workers.items[i - 1].worker.cpu);
    }
}

Test(time_workers, stop_answers_what_has_come, .init = prepare, .fini = clean_up,
     .timeout = TEST_TIMEOUT_S)
{
    struct client clients[40];
    make_toy_workers();
    start();
    for (size_t i = 0; i < 40; i++) {
        put_request(&clients[i], 0);
    }
    stop();
    cr_assert_eq(toy_num_replies(workers.bound, 0), 40);
    for (size_t i = 0; i < 40; i++) {
        assert_reply(&clients[i], 0);
    }
}

Test(time_workers, take_newer_settings_and_keys, .init = prepare, .fini = clean_up,
     .timeout = TEST_TIMEOUT_S)
{
    make_toy_workers();
    start();
    assert_all_answer();
    struct master_key_spec spec = {9, KEY_LAYOUT_CHRONY_SIV, 1, INT64_C(9000000000), {1}};
    snapshot_unref(&ring->snapshot);
    ring = keyring_create(2, &spec, 1);
    publish();
    assert_all_answer(); /* with cookies under a key that they did not have */
}

Test(time_workers, offer_what_is_bound, .init = prepare, .fini = clean_up)
{
    const int *fds;
    make_toy_workers();
    cr_assert_eq(time_workers_offer(&workers, &fds), NUM_WORKERS);
    for (size_t i = 0; i < NUM_WORKERS; i++) {
        cr_assert_neq(fcntl(fds[i], F_GETFD), -1);
    }
    cr_assert(time_workers_set_receive_buffer(&workers, 64));
    cr_assert_not(time_workers_set_receive_buffer(&workers, 65));
}

/* --- failures --- */

static size_t opens_left;

/* Opens for so many workers, and no more. */
static enum nts_status fragile_open(void **transport, const struct transport_part *part,
                                    struct error *error)
{
    if (opens_left == 0) {
        return error_set(error, NTS_ERR_SYSTEM, "no ring for worker %zu", part->worker);
    }
    opens_left--;
    return transport_toy.open(transport, part, error);
}

static struct transport_ops fragile;

/* A table of a transport that fails at one worker, and one that does not. */
static void make_fragile_workers(int choice, size_t num_opens)
{
    static const struct transport_ops *const rows[] = {&fragile, &transport_toy};
    static const struct transport_table table = {rows, 2};
    fragile = transport_toy;
    fragile.name = "fragile";
    fragile.open = fragile_open;
    opens_left = num_opens;
    config.transport = choice;
    make_workers(&table);
}

static void assert_falls_back(size_t num_opens)
{
    make_fragile_workers(TRANSPORT_AUTO, num_opens);
    cr_assert_eq(workers.transport, &fragile);
    start();
    cr_assert_eq(workers.transport, &transport_toy);
    cr_assert(workers.has_fallen_back);
    for (size_t i = 0; i < NUM_WORKERS; i++) {
        cr_assert_eq(workers.items[i].transport, &transport_toy);
    }
    assert_all_answer();
}

Test(time_workers, fall_back_when_the_first_does_not_open, .init = prepare, .fini = clean_up,
     .timeout = TEST_TIMEOUT_S)
{
    assert_falls_back(0);
}

Test(time_workers, fall_back_when_another_than_the_first_does_not_open, .init = prepare,
     .fini = clean_up, .timeout = TEST_TIMEOUT_S)
{
    assert_falls_back(1);
}

/* A server that is taken over from may have left requests in the sockets. */
Test(time_workers, fall_back_answers_what_came_before, .init = prepare, .fini = clean_up,
     .timeout = TEST_TIMEOUT_S)
{
    struct client clients[NUM_WORKERS];
    make_fragile_workers(TRANSPORT_AUTO, 1);
    for (size_t i = 0; i < NUM_WORKERS; i++) {
        put_request(&clients[i], i);
    }
    start();
    for (size_t i = 0; i < NUM_WORKERS; i++) {
        assert_reply(&clients[i], i);
    }
    stop();
    struct time_sums sums;
    time_workers_sum(&workers, &sums);
    cr_assert_eq(sums.events[ANSWER_ANSWERED_NTS], NUM_WORKERS, "on either transport");
}

Test(time_workers, a_transport_that_was_named_must_open, .init = prepare, .fini = clean_up,
     .timeout = TEST_TIMEOUT_S)
{
    struct error error;
    make_fragile_workers(1, 1);
    cr_assert_eq(time_workers_start(&workers, &error), NTS_ERR_SYSTEM);
    cr_assert_str_eq(error.text, "no ring for worker 1");
    cr_assert_eq(group.num_running, 0);
    cr_assert_not(workers.has_fallen_back);
}

Test(time_workers, the_last_one_that_fails_is_the_reason, .init = prepare, .fini = clean_up,
     .timeout = TEST_TIMEOUT_S)
{
    static const struct transport_ops *const rows[] = {&fragile};
    static const struct transport_table table = {rows, 1};
    struct error error;
    fragile = transport_toy;
    fragile.open = fragile_open;
    make_workers(&table);
    cr_assert_eq(time_workers_start(&workers, &error), NTS_ERR_SYSTEM);
    cr_assert_str_eq(error.text, "no ring for worker 0");
}

Test(time_workers, one_whose_transport_fails_ends_with_the_reason, .init = prepare,
     .fini = clean_up, .timeout = TEST_TIMEOUT_S)
{
    struct error error;
    make_toy_workers();
    start();
    assert_all_answer();
    toy_break(workers.bound, 1);
    struct pollfd done = {.fd = group.done_fd, .events = POLLIN};
    cr_assert_eq(poll(&done, 1, -1), 1);
    cr_assert_not(worker_group_take_ended(&group), "the other one goes on");
    cr_assert_eq(group.num_ended, 1);
    worker_group_request_stop(&group, WORKER_STOP);
    cr_assert_eq(worker_join(group.workers[0], &error), NTS_OK);
    cr_assert_eq(worker_join(group.workers[1], &error), NTS_ERR_SYSTEM);
    cr_assert_str_eq(error.text, "the toy is broken");
    group.num_running = 0;
}

/* --- the table --- */

Test(transports, names_are_auto_and_those_of_the_rows)
{
    cr_assert_str_eq(transport_names[0], "auto");
    for (size_t i = 0; i < transports.num_rows; i++) {
        cr_assert_str_eq(transport_names[i + 1], transports.rows[i]->name);
    }
    cr_assert_null(transport_names[transports.num_rows + 1]);
}

Test(transports, auto_tries_io_uring_then_recvmmsg)
{
    cr_assert_str_eq(transport_candidate(&transports, TRANSPORT_AUTO, 0)->name, "io_uring");
    cr_assert_str_eq(transport_candidate(&transports, TRANSPORT_AUTO, 1)->name, "recvmmsg");
    cr_assert_null(transport_candidate(&transports, TRANSPORT_AUTO, 2));
    cr_assert_str_eq(transport_candidate(&transports, 2, 0)->name, "recvmmsg");
    cr_assert_null(transport_candidate(&transports, 2, 1));
}

Test(transports, auto_passes_over_what_must_be_named)
{
    struct transport_ops opt_in = transport_toy;
    const struct transport_ops *const rows[] = {&opt_in, &transport_toy};
    const struct transport_table table = {rows, 2};
    opt_in.is_automatic = false;
    cr_assert_eq(transport_candidate(&table, TRANSPORT_AUTO, 0), &transport_toy);
    cr_assert_null(transport_candidate(&table, TRANSPORT_AUTO, 1));
    cr_assert_eq(transport_candidate(&table, 1, 0), &opt_in);
}

Test(transports, counters_are_those_of_all_rows_each_once)
{
    const struct transport_ops *const rows[] = {transports.rows[0], transports.rows[1],
                                                &transport_toy};
    const struct transport_table table = {rows, 3};
    struct transport_counters counters;
    counter events[TRANSPORT_MAX_EVENTS] = {5, 6};
    transport_counters_init(&counters, &table);
    for (size_t i = 0; i < counters.num; i++) {
        for (size_t j = 0; j < i; j++) {
            cr_assert_str_neq(counters.rows[i].label, counters.rows[j].label);
        }
    }
    cr_assert_str_eq(counters.rows[counters.num - 1].label, "empty_turns");
    transport_counters_add(&counters, &transport_toy, events);
    transport_counters_add(&counters, &transport_toy, events);
    cr_assert_eq(counters.values[counters.num - 1], 12);
    uint64_t sum = 0;
    for (size_t i = 0; i < counters.num; i++) {
        sum += counters.values[i];
    }
    cr_assert_eq(sum, 22, "sent is where the others have it");
}

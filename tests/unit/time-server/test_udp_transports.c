/* Both transports on UDP sockets, on the loopback interface: what they have in common. */
#include "base/clock_time.h"
#include "base/event_fd.h"
#include "time-server/config/time_config.h"
#include "time-server/transport/transports.h"
#include "time-server/transport/udp_binding.h"

#include "support/patience.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define REQUEST_LEN 48

/* One worker's transport, with the far end of its socket. */
struct rig {
    const struct transport_ops *ops;
    void *bound;
    void *transport;
    int wake_fd;
    int client_fd; /* connected to the socket */
    counter events[TRANSPORT_MAX_EVENTS];
};

/* Binds one socket for one worker. */
static void rig_bind(struct rig *rig, const struct transport_ops *ops)
{
    union net_address address;
    struct error error;
    struct socket_pool pool = {0};
    const struct time_config config = {.receive_buffer_kib = 1024};
    socklen_t len = sizeof(address);
    *rig = (struct rig){.ops = ops, .wake_fd = eventfd(0, EFD_NONBLOCK)};
    cr_assert(address_parse(&address, "127.0.0.1", 0));
    const struct listen_plan plan = {.type = SOCK_DGRAM,
                                     .addresses = &address,
                                     .num_addresses = 1,
                                     .num_workers = 1,
                                     .num_sockets = {1}};
    cr_assert_eq(ops->binding->bind(&rig->bound, &plan, &config, &pool, &error), NTS_OK, "%s",
                 error.text);
    const int *fds;
    cr_assert_eq(ops->binding->offer(rig->bound, &fds), 1);
    cr_assert_eq(getsockname(fds[0], &address.sa, &len), 0);
    rig->client_fd = socket(AF_INET, SOCK_DGRAM, 0);
    cr_assert_eq(connect(rig->client_fd, &address.sa, len), 0);
}

static void rig_open(struct rig *rig, const void *bound)
{
    struct error error;
    const struct transport_part part = {bound, 0, rig->wake_fd, rig->events};
    cr_assert_eq(rig->ops->open(&rig->transport, &part, &error), NTS_OK, "%s", error.text);
}

static void rig_close(struct rig *rig)
{
    rig->ops->close(rig->transport);
    rig->ops->binding->unbind(rig->bound);
    close(rig->client_fd);
    close(rig->wake_fd);
}

static void put(const struct rig *rig, size_t len)
{
    uint8_t data[REQUEST_MAX_LEN + 100] = {0};
    cr_assert_eq(send(rig->client_fd, data, len, 0), (ssize_t)len);
}

static void wake(const struct rig *rig)
{
    event_fd_signal(rig->wake_fd);
}

static size_t receive(struct rig *rig)
{
    struct datagram *batch;
    struct error error;
    size_t num;
    cr_assert_eq(rig->ops->receive(rig->transport, &batch, &num, &error), NTS_OK, "%s: %s",
                 rig->ops->name, error.text);
    rig->ops->send(rig->transport);
    return num;
}

static uint64_t count_of(const struct rig *rig, const char *label)
{
    for (size_t i = 0; i < rig->ops->num_events; i++) {
        if (strcmp(rig->ops->events[i].label, label) == 0) {
            return counter_read(&rig->events[i]);
        }
    }
    cr_assert_fail("%s does not count %s", rig->ops->name, label);
    return 0;
}

static void finish_after_too_long(const struct transport_ops *ops, size_t num_too_long)
{
    struct rig rig;
    rig_bind(&rig, ops);
    rig_open(&rig, rig.bound);
    for (size_t i = 0; i < num_too_long; i++) {
        put(&rig, REQUEST_MAX_LEN + 1);
    }
    put(&rig, REQUEST_LEN);
    ops->finish(rig.transport);
    size_t num_answered = 0;
    size_t num;
    while ((num = receive(&rig)) > 0) {
        num_answered += num;
    }
    cr_assert_eq(num_answered, 1, "%s after %zu that are too long", ops->name, num_too_long);
    cr_assert_eq(count_of(&rig, "received_too_long"), num_too_long);
    rig_close(&rig);
}

/* A batch of them is no empty socket. */
Test(udp_transports, finish_looks_behind_what_is_too_long, .timeout = TEST_TIMEOUT_S)
{
    for (size_t i = 0; i < transports.num_rows; i++) {
        finish_after_too_long(transports.rows[i], TRANSPORT_BATCH - 1);
        finish_after_too_long(transports.rows[i], TRANSPORT_BATCH);
        finish_after_too_long(transports.rows[i], 5 * TRANSPORT_BATCH);
    }
}

/* Something that is no socket fails each time that it is read. */
static void put_up_with_an_error(const struct transport_ops *ops)
{
    struct rig rig;
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    cr_assert_eq(write(pipe_fds[1], "x", 1), 1, "it is readable");
    rig_bind(&rig, ops);
    const struct udp_bound *own = rig.bound;
    const int fds[] = {pipe_fds[0], own->fds[0]};
    struct udp_bound *bound = calloc(1, sizeof(*bound) + sizeof(struct udp_part));
    bound->parts[0] = (struct udp_part){fds, 2};
    rig_open(&rig, bound);

    int64_t start_ns = mono_time_ns();
    for (size_t i = 0; i < 200; i++) {
        wake(&rig);
        receive(&rig);
    }
    uint64_t num_errors = count_of(&rig, "receive_errors");
    int64_t elapsed_ns = mono_time_ns() - start_ns;
    cr_assert_geq(num_errors, 1);
    /* One more for each tenth of a second, however often the worker turns. */
    cr_assert_leq(num_errors, 1 + (uint64_t)(elapsed_ns / (100 * NS_PER_MS)), "%s", ops->name);

    put(&rig, REQUEST_LEN);
    while (receive(&rig) == 0) {
        continue;
    }
    /* It is tried again, without a wake-up. */
    while (count_of(&rig, "receive_errors") == num_errors) {
        receive(&rig);
    }
    ops->finish(rig.transport);
    put(&rig, REQUEST_LEN);
    cr_assert_eq(receive(&rig), 1);
    cr_assert_eq(receive(&rig), 0);
    rig_close(&rig);
    free(bound);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

Test(udp_transports, a_socket_that_fails_pauses_and_the_others_go_on, .timeout = TEST_TIMEOUT_S)
{
    for (size_t i = 0; i < transports.num_rows; i++) {
        put_up_with_an_error(transports.rows[i]);
    }
}

/* From here on, the system call fails in this process: every one or, if `only` is not NULL, those
 * whose argument is like that. */
static void forbid(const char *name, int error, const struct scmp_arg_cmp *only)
{
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
    cr_assert_eq(seccomp_rule_add_array(context, SCMP_ACT_ERRNO((uint32_t)error),
                                        seccomp_syscall_resolve_name(name), only != NULL ? 1 : 0,
                                        only),
                 0);
    cr_assert_eq(seccomp_load(context), 0);
    seccomp_release(context);
}

static void assert_fails_for_good(const struct rig *rig, const char *text)
{
    struct datagram *batch;
    struct error error;
    size_t num;
    enum nts_status status;
    do {
        wake(rig);
        status = rig->ops->receive(rig->transport, &batch, &num, &error);
    } while (status == NTS_OK);
    cr_assert_eq(status, NTS_ERR_SYSTEM);
    cr_assert_not_null(strstr(error.text, text), "%s", error.text);
}

Test(udp_transports, a_ring_that_fails_for_good_is_an_error, .timeout = TEST_TIMEOUT_S)
{
    struct rig rig;
    rig_bind(&rig, &transport_io_uring);
    rig_open(&rig, rig.bound);
    forbid("io_uring_enter", EPERM, NULL);
    assert_fails_for_good(&rig, "io_uring failed: Operation not permitted");
    rig_close(&rig);
}

/* A kernel that is short of memory is asked again, and not for ever. */
Test(udp_transports, a_ring_that_takes_nothing_is_an_error_in_the_end, .timeout = TEST_TIMEOUT_S)
{
    struct rig rig;
    rig_bind(&rig, &transport_io_uring);
    rig_open(&rig, rig.bound);
    forbid("io_uring_enter", EAGAIN, NULL);
    wake(&rig);
    cr_assert_eq(receive(&rig), 0, "asked again");
    cr_assert_eq(count_of(&rig, "submit_retries"), 1);
    assert_fails_for_good(&rig, "io_uring failed: ");
    cr_assert_gt(count_of(&rig, "submit_retries"), 100);
    rig_close(&rig);
}

/* So does a worker that stops meanwhile. */
Test(udp_transports, a_ring_that_takes_nothing_does_not_hold_up_the_end, .timeout = TEST_TIMEOUT_S)
{
    struct rig rig;
    rig_bind(&rig, &transport_io_uring);
    rig_open(&rig, rig.bound);
    rig.ops->finish(rig.transport);
    forbid("io_uring_enter", EAGAIN, NULL);
    assert_fails_for_good(&rig, "io_uring failed: ");
    rig_close(&rig);
}

Test(udp_transports, a_poll_that_fails_is_an_error, .timeout = TEST_TIMEOUT_S)
{
    struct rig rig;
    rig_bind(&rig, &transport_recvmmsg);
    rig_open(&rig, rig.bound);
    const struct scmp_arg_cmp of_two = SCMP_CMP(1, SCMP_CMP_EQ, 2, 0); /* the socket and wake_fd */
    forbid("poll", EPERM, &of_two);
    assert_fails_for_good(&rig, "poll failed: Operation not permitted");
    rig_close(&rig);
}

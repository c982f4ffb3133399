#include "load/udp_load.h"

#include "load/run_control.h"
#include "load/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* While replies may come in, and else. */
#define NAP_NS       INT64_C(50000)
#define LONG_NAP_NS  (2 * NS_PER_MS)
#define MIN_NAP_NS   INT64_C(5000)
#define SPIN_NS      NS_PER_MS /* how long a small window is watched without a nap */
#define SMALL_WINDOW 64
#define RETRY_NS     INT64_C(100000)

#define LOOK_INTERVAL_NS INT64_C(40000)

#define MAX_COMPARE_NS INT64_C(2000)

/* One run. */
struct run {
    struct udp_load *load;
    const struct udp_load_step *step;
    struct load_result *result;
    struct schedule schedule; /* open loop */
    int64_t start_ns;
    int64_t end_ns; /* of sending */
    int64_t timeout_ns;
    int64_t real_offset_ns; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
    int64_t last_reply_ns;
    int64_t last_event_ns;
    int64_t next_look_ns; /* open loop: when the sockets are looked at */
    uint64_t num_sent;
    struct udp_out out[UDP_LINK_BATCH];
    uint32_t out_slots[UDP_LINK_BATCH];
    struct udp_in in[UDP_LINK_BATCH];
};

enum nts_status udp_load_open(struct udp_load *load, struct request_pool *pool,
                              struct udp_link *link, struct error *error)
{
    size_t num_sockets = link->options.num_sockets;
    *load = (struct udp_load){.pool = pool, .link = link};
    load->num_on_way = calloc(num_sockets, sizeof(*load->num_on_way));
    load->busy = calloc(num_sockets, sizeof(*load->busy));
    load->is_busy = calloc(num_sockets, sizeof(*load->is_busy));
    if (load->num_on_way == NULL || load->busy == NULL || load->is_busy == NULL) {
        udp_load_close(load);
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    return NTS_OK;
}

void udp_load_close(struct udp_load *load)
{
    free(load->num_on_way);
    free(load->busy);
    free(load->is_busy);
}

static struct load_kind_counts *counts_of(struct run *run, uint32_t slot)
{
    return &run->result->kinds[run->load->pool->requests[slot].kind];
}

static void arrive(struct run *run, uint32_t slot, enum flight_state state)
{
    struct udp_load *load = run->load;
    flight_arrive(&load->pool->flight, slot, state);
    load->num_on_way[load->pool->requests[slot].socket]--;
}

/* --- receiving --- */

/* Whether this answer belongs to the sample that is verified. */
static bool is_sampled(struct run *run)
{
    return run->step->verify > 0 && ++run->load->num_judged % run->step->verify == 0;
}

static enum pool_verdict verify(struct run *run, uint32_t slot, const struct udp_in *in)
{
    bool is_renewed;
    enum pool_verdict verdict =
        request_pool_verify(run->load->pool, slot, in->data, in->len, &is_renewed);
    run->result->verified++;
    run->result->renewed += is_renewed;
    return verdict;
}

static void take_reply(struct run *run, const struct udp_in *in)
{
    static const enum load_outcome outcomes[] = {
        [POOL_ANSWER] = OUTCOME_ANSWERED,
        [POOL_NAK] = OUTCOME_NAKED,
        [POOL_KISS] = OUTCOME_KISSED,
        [POOL_FAILED] = OUTCOME_FAILED,
    };
    struct request_pool *pool = run->load->pool;
    uint32_t slot =
        in->len <= UDP_LINK_MAX_PACKET ? request_pool_find(pool, in->data, in->len) : FLIGHT_NONE;
    if (slot == FLIGHT_NONE) {
        run->result->unexpected++;
        return;
    }
    struct flight_slot *flight_slot = &pool->flight.slots[slot];
    if (flight_slot->state != FLIGHT_ON_WAY) {
        if (flight_slot->state == FLIGHT_LOST) {
            flight_slot->state = FLIGHT_FREE; /* a second reply would be unexpected */
            run->result->late++;
        } else {
            run->result->unexpected++;
        }
        return;
    }
    int64_t received_ns = in->received_ns - run->real_offset_ns;
    int64_t intended_ns = flight_slot->intended_ns;
    enum pool_verdict verdict = request_pool_judge(pool, slot, in->data, in->len);
    if (verdict == POOL_UNEXPECTED) {
        run->result->unexpected++;
        return;
    }
    arrive(run, slot, FLIGHT_FREE);
    if (verdict == POOL_ANSWER && is_sampled(run)) {
        verdict = verify(run, slot, in);
    }
    counts_of(run, slot)->outcomes[outcomes[verdict]]++;
    if (verdict == POOL_ANSWER || verdict == POOL_NAK) {
        histogram_add(&run->result->latency, received_ns - intended_ns);
    }
    if (received_ns > run->last_reply_ns) {
        run->last_reply_ns = received_ns;
    }
}

static size_t receive_from(struct run *run, uint32_t socket)
{
    size_t num = udp_link_receive(run->load->link, socket, run->in);
    for (size_t i = 0; i < num; i++) {
        take_reply(run, &run->in[i]);
    }
    return num;
}

/* Looks at the sockets that may have something; those that have nothing more to come go off the
 * list. */
static size_t receive_all(struct run *run)
{
    struct udp_load *load = run->load;
    size_t num_received = 0;
    size_t num_kept = 0;
    for (size_t i = 0; i < load->num_busy; i++) {
        uint32_t socket = load->busy[i];
        if (load->num_on_way[socket] > 0) {
            num_received += receive_from(run, socket);
        }
        if (load->num_on_way[socket] > 0) {
            load->busy[num_kept++] = socket;
        } else {
            load->is_busy[socket] = false;
        }
    }
    load->num_busy = num_kept;
    return num_received;
}

/* Timestamps of the kernel are CLOCK_REALTIME. Were we interrupted in between, the clocks are
 * compared the next time. */
static void compare_clocks(struct run *run)
{
    int64_t before_ns = mono_time_ns();
    int64_t real_ns = real_time_ns();
    int64_t after_ns = mono_time_ns();
    if (after_ns - before_ns < MAX_COMPARE_NS || run->real_offset_ns == 0) {
        run->real_offset_ns = real_ns - (before_ns + after_ns) / 2;
    }
}

/* A closed loop waits for its replies; in an open one they can wait for us, and to look for each of
 * them would be most of the work. */
static size_t receive_due(struct run *run)
{
    if (run->step->window == 0 && mono_time_ns() < run->next_look_ns) {
        return 0;
    }
    compare_clocks(run);
    run->next_look_ns = mono_time_ns() + LOOK_INTERVAL_NS;
    return receive_all(run);
}

static void expire(struct run *run, int64_t now_ns)
{
    struct flight *flight = &run->load->pool->flight;
    uint32_t slot;
    while ((slot = flight_overdue(flight, now_ns)) != FLIGHT_NONE) {
        counts_of(run, slot)->outcomes[OUTCOME_LOST]++;
        arrive(run, slot, FLIGHT_LOST);
    }
}

/* --- sending --- */

static void nap(int64_t nap_ns)
{
    struct timespec time = {.tv_sec = nap_ns / NS_PER_S, .tv_nsec = nap_ns % NS_PER_S};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* How many requests may leave now, a batch at most. */
static size_t num_due(const struct run *run, int64_t now_ns)
{
    const struct udp_load_step *step = run->step;
    size_t num = UDP_LINK_BATCH;
    if (now_ns >= run->end_ns || run_control_is_stopped()) {
        return 0;
    }
    if (step->max_count > 0 && step->max_count - run->num_sent < num) {
        num = (size_t)(step->max_count - run->num_sent);
    }
    if (step->window > 0) {
        size_t on_way = run->load->pool->flight.on_way.num;
        size_t room = step->window > on_way ? step->window - on_way : 0;
        return room < num ? room : num;
    }
    struct schedule ahead = run->schedule;
    size_t due = 0;
    while (due < num && schedule_next_ns(&ahead) <= now_ns) {
        schedule_advance(&ahead);
        due++;
    }
    return due;
}

static size_t choose(struct run *run, size_t num)
{
    struct request_pool *pool = run->load->pool;
    uint32_t slot = flight_next_free(&pool->flight);
    size_t num_chosen = 0;
    while (num_chosen < num && slot != FLIGHT_NONE) {
        const struct pool_request *request = &pool->requests[slot];
        run->out_slots[num_chosen] = slot;
        run->out[num_chosen++] = (struct udp_out){
            .data = pool->packets + request->offset,
            .len = request->len,
            .socket = request->socket,
            .address = request->address,
        };
        slot = pool->flight.slots[slot].next;
    }
    return num_chosen;
}

static void note_sent(struct run *run, uint32_t slot, int64_t now_ns)
{
    struct udp_load *load = run->load;
    int64_t intended_ns = now_ns;
    if (run->step->window == 0) {
        intended_ns = schedule_next_ns(&run->schedule);
        schedule_advance(&run->schedule);
    }
    if (now_ns - intended_ns > run->result->max_delay_ns) {
        run->result->max_delay_ns = now_ns - intended_ns;
    }
    counts_of(run, slot)->sent++;
    run->num_sent++;
    if (!request_is_answered((enum request_kind)load->pool->requests[slot].kind)) {
        flight_rotate(&load->pool->flight, slot);
        return;
    }
    uint32_t socket = load->pool->requests[slot].socket;
    flight_depart(&load->pool->flight, slot, intended_ns, now_ns + run->timeout_ns);
    load->num_on_way[socket]++;
    if (!load->is_busy[socket]) {
        load->is_busy[socket] = true;
        load->busy[load->num_busy++] = socket;
    }
}

static size_t send_due(struct run *run, int64_t now_ns)
{
    size_t num_wanted = num_due(run, now_ns);
    size_t num = choose(run, num_wanted);
    size_t num_sent = udp_link_send(run->load->link, run->out, num);
    run->result->is_starved |= num < num_wanted;
    if (num > 0 && num_sent == 0) {
        nap(RETRY_NS); /* refused: the next may be, too */
    }
    for (size_t i = 0; i < num_sent; i++) {
        note_sent(run, run->out_slots[i], now_ns);
    }
    return num_sent;
}

/* --- the loop --- */

static bool is_sending(const struct run *run, int64_t now_ns)
{
    return now_ns < run->end_ns && !run_control_is_stopped() &&
           (run->step->max_count == 0 || run->num_sent < run->step->max_count);
}

static void rest(const struct run *run, int64_t now_ns)
{
    bool has_on_way = run->load->pool->flight.on_way.num > 0;
    int64_t nap_ns = has_on_way ? NAP_NS : LONG_NAP_NS;
    if (run->step->window > 0) {
        bool is_watched = run->step->window < SMALL_WINDOW && now_ns - run->last_event_ns < SPIN_NS;
        if (is_watched || !has_on_way) {
            return;
        }
    } else if (is_sending(run, now_ns)) {
        int64_t until_due_ns = schedule_next_ns(&run->schedule) - now_ns;
        if (until_due_ns > 0 && until_due_ns < nap_ns) {
            nap_ns = until_due_ns;
        }
    }
    if (nap_ns >= MIN_NAP_NS) {
        nap(nap_ns);
    }
}

/* Counts what came for requests given up long ago, so that no later run finds it. */
static void sweep(struct run *run)
{
    for (uint32_t i = 0; i < run->load->link->options.num_sockets; i++) {
        while (receive_from(run, i) == UDP_LINK_BATCH) {
        }
    }
}

static void run_loop(struct run *run)
{
    struct progress progress = progress_start(run->step->has_progress, run->start_ns);
    int64_t sent_until_ns = run->start_ns;
    for (;;) {
        size_t num_received = receive_due(run);
        int64_t now_ns = mono_time_ns();
        expire(run, now_ns);
        size_t num_sent = send_due(run, now_ns);
        if (num_sent > 0) {
            sent_until_ns = now_ns;
        }
        if (num_received + num_sent > 0) {
            run->last_event_ns = now_ns;
        } else if (!is_sending(run, now_ns) && run->load->pool->flight.on_way.num == 0) {
            break;
        } else {
            rest(run, now_ns);
            run->result->idle_ns += is_sending(run, now_ns) ? mono_time_ns() - now_ns : 0;
        }
        progress_show(&progress, run->result, now_ns);
    }
    progress_end(&progress);
    /* A loop that ran its time sent for all of it, whenever the last request was due. */
    bool ran_out = !run_control_is_stopped() &&
                   (run->step->max_count == 0 || run->num_sent < run->step->max_count);
    run->result->sending_ns = (ran_out ? run->end_ns : sent_until_ns) - run->start_ns;
}

void udp_load_run(struct udp_load *load, const struct udp_load_step *step,
                  struct load_result *result)
{
    memset(result, 0, sizeof(*result));
    struct run run = {.load = load, .step = step, .result = result};
    struct run_meter meter = run_meter_start();
    uint64_t num_errors = load->link->num_send_errors;
    run.start_ns = mono_time_ns();
    run.end_ns = run.start_ns + (int64_t)(step->duration_s * (double)NS_PER_S);
    run.timeout_ns = (int64_t)(step->timeout_s * (double)NS_PER_S);
    if (step->window == 0) {
        run.schedule = schedule_start(run.start_ns, step->rate);
        result->wanted_rate = step->rate;
    }
    run_loop(&run);
    sweep(&run);
    result->send_errors = load->link->num_send_errors - num_errors;
    if (result->send_errors > 0) {
        snprintf(result->first_failure, sizeof(result->first_failure), "cannot send: %s",
                 strerror(load->link->send_errno));
    }
    result->elapsed_ns = result->sending_ns;
    if (run.last_reply_ns - run.start_ns > result->elapsed_ns) {
        result->elapsed_ns = run.last_reply_ns - run.start_ns;
    }
    result->is_interrupted = run_control_is_stopped();
    run_meter_stop(&meter, result);
}

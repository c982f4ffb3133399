/* nts-load ke: full handshakes and NTS-KE exchanges, many at a time in one thread. */
#include "load/flight.h"
#include "load/ke_exchange.h"
#include "load/load_modes.h"
#include "load/load_steps.h"
#include "load/load_target.h"
#include "load/run_control.h"
#include "load/schedule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MAX_EVENTS 64
#define MAX_STARTS 8 /* between two looks at those that are under way */

/* The slots of `flight` are those of the exchanges: on their way until they are closed. */
struct ke_load {
    const struct load_options *options;
    struct ke_exchange_plan plan;
    struct ke_exchange *exchanges;
    uint8_t *responses;
    struct light_tls *lights; /* NULL unless --light */
    struct flight flight;
    struct ke_response response; /* scratch */
    int epoll_fd;
    size_t next_source;
    int64_t timeout_ns;

    /* Of the step that runs. */
    struct load_result *result;
    struct schedule schedule;
    uint64_t max_count;
    int64_t start_ns;
    int64_t end_ns;
    int64_t last_answer_ns;
    uint64_t num_started;
    bool has_failed_to_start;
};

static void count(struct ke_load *load, enum load_outcome outcome)
{
    load->result->kinds[REQUEST_GOOD].outcomes[outcome]++;
}

static void note_failure(struct ke_load *load, const struct error *error)
{
    count(load, OUTCOME_FAILED);
    if (load->result->first_failure[0] == '\0') {
        snprintf(load->result->first_failure, sizeof(load->result->first_failure), "%.*s",
                 (int)sizeof(load->result->first_failure) - 1, error->text);
    }
}

static void drive(struct ke_load *load, uint32_t slot)
{
    struct error error;
    struct ke_exchange *exchange = &load->exchanges[slot];
    enum ke_exchange_event event;
    if (exchange->state == KE_EXCHANGE_CLOSED) {
        return; /* an event that was under way when it ended */
    }
    do {
        event = ke_exchange_drive(exchange, &load->plan, &load->response, &error);
        if (event == KE_EXCHANGE_ANSWERED) {
            load->last_answer_ns = mono_time_ns();
            histogram_add(&load->result->latency,
                          load->last_answer_ns - load->flight.slots[slot].intended_ns);
            count(load, OUTCOME_ANSWERED);
        }
    } while (event == KE_EXCHANGE_ANSWERED);
    if (event == KE_EXCHANGE_FAILED) {
        note_failure(load, &error);
    }
    if (event != KE_EXCHANGE_NOTHING) {
        flight_arrive(&load->flight, slot, FLIGHT_FREE);
    }
}

static const union net_address *choose_source(struct ke_load *load, union net_address *source)
{
    const struct source_net *net = &load->options->source_net;
    if (net->num == 0) {
        return NULL;
    }
    *source = source_net_at(net, load->next_source++ % net->num);
    return source;
}

/* False if the kernel would not even begin to connect. */
static bool start(struct ke_load *load, int64_t intended_ns, int64_t now_ns)
{
    struct error error;
    union net_address source;
    uint32_t slot = flight_next_free(&load->flight);
    struct ke_exchange *exchange = &load->exchanges[slot];
    load->num_started++;
    load->result->kinds[REQUEST_GOOD].sent++;
    if (now_ns - intended_ns > load->result->max_delay_ns) {
        load->result->max_delay_ns = now_ns - intended_ns;
    }
    if (ke_exchange_start(exchange, &load->plan, choose_source(load, &source), &error) != NTS_OK) {
        load->result->send_errors++;
        note_failure(load, &error);
        return false;
    }
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.u32 = slot};
    epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, exchange->connection.fd, &event);
    flight_depart(&load->flight, slot, intended_ns, now_ns + load->timeout_ns);
    return true;
}

static bool is_starting(const struct ke_load *load, int64_t now_ns)
{
    return now_ns < load->end_ns && !run_control_is_stopped() &&
           (load->max_count == 0 || load->num_started < load->max_count);
}

static void start_due(struct ke_load *load, int64_t now_ns)
{
    bool is_open = load->result->wanted_rate > 0;
    load->has_failed_to_start = false;
    for (size_t i = 0; i < MAX_STARTS && is_starting(load, now_ns); i++) {
        int64_t intended_ns = is_open ? schedule_next_ns(&load->schedule) : now_ns;
        if (intended_ns > now_ns) {
            return;
        }
        if (flight_next_free(&load->flight) == FLIGHT_NONE) {
            load->result->is_starved |= is_open;
            return;
        }
        schedule_advance(&load->schedule);
        if (!start(load, intended_ns, now_ns)) {
            load->has_failed_to_start = true;
            return;
        }
    }
}

static void expire(struct ke_load *load, int64_t now_ns)
{
    uint32_t slot;
    while ((slot = flight_overdue(&load->flight, now_ns)) != FLIGHT_NONE) {
        if (load->exchanges[slot].state != KE_EXCHANGE_ENDING) {
            count(load, OUTCOME_LOST);
        }
        ke_exchange_abort(&load->exchanges[slot]);
        flight_arrive(&load->flight, slot, FLIGHT_LOST);
    }
}

/* Milliseconds to wait for the sockets. None while exchanges are started: whoever sleeps must be
 * woken, and in a virtual machine the core that wakes it pays for that, which is the server's. */
static int wait_ms(const struct ke_load *load, int64_t now_ns)
{
    return is_starting(load, now_ns) && !load->has_failed_to_start ? 0 : 10;
}

static void run_loop(struct ke_load *load)
{
    struct epoll_event events[MAX_EVENTS];
    struct progress progress = progress_start(load->options->progress, load->start_ns);
    int64_t now_ns = load->start_ns;
    int64_t started_until_ns = now_ns;
    while (is_starting(load, now_ns) || load->flight.on_way.num > 0) {
        uint64_t num_before = load->num_started;
        start_due(load, now_ns);
        started_until_ns = load->num_started > num_before ? now_ns : started_until_ns;
        int64_t waiting_ns = mono_time_ns();
        int num = epoll_wait(load->epoll_fd, events, MAX_EVENTS, wait_ms(load, now_ns));
        load->result->idle_ns += is_starting(load, now_ns) ? mono_time_ns() - waiting_ns : 0;
        for (int i = 0; i < num; i++) {
            drive(load, events[i].data.u32);
        }
        now_ns = mono_time_ns();
        expire(load, now_ns);
        progress_show(&progress, load->result, now_ns);
        if (run_control_is_stopped()) {
            break; /* without those that are under way: they may take a while */
        }
    }
    progress_end(&progress);
    bool ran_out =
        !run_control_is_stopped() && (load->max_count == 0 || load->num_started < load->max_count);
    load->result->sending_ns = (ran_out ? load->end_ns : started_until_ns) - load->start_ns;
}

static void abort_all(struct ke_load *load)
{
    uint32_t slot;
    while ((slot = load->flight.on_way.first) != FLIGHT_NONE) {
        ke_exchange_abort(&load->exchanges[slot]);
        flight_arrive(&load->flight, slot, FLIGHT_FREE);
    }
}

static void run_step(void *context, double rate, double duration_s, uint64_t max_count,
                     struct load_result *result)
{
    struct ke_load *load = context;
    struct run_meter meter = run_meter_start();
    memset(result, 0, sizeof(*result));
    load->result = result;
    load->max_count = max_count;
    load->num_started = 0;
    load->start_ns = mono_time_ns();
    load->last_answer_ns = load->start_ns;
    load->end_ns = load->start_ns + (int64_t)(duration_s * (double)NS_PER_S);
    result->wanted_rate = rate;
    load->schedule = schedule_start(load->start_ns, rate > 0 ? rate : 1);
    run_loop(load);
    abort_all(load);
    int64_t answering_ns = load->last_answer_ns - load->start_ns;
    result->elapsed_ns = answering_ns > result->sending_ns ? answering_ns : result->sending_ns;
    result->is_interrupted = run_control_is_stopped();
    run_meter_stop(&meter, result);
}

static enum nts_status open_exchanges(struct ke_load *load, struct error *error)
{
    size_t num = load->options->concurrency;
    load->exchanges = calloc(num, sizeof(*load->exchanges));
    load->responses = malloc(num * KE_EXCHANGE_MAX_RESPONSE);
    load->lights = load->options->light ? calloc(num, sizeof(*load->lights)) : NULL;
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (flight_open(&load->flight, num, 0) != NTS_OK || load->exchanges == NULL ||
        load->responses == NULL || (load->options->light && load->lights == NULL)) {
        return error_set(error, NTS_ERR_NO_MEMORY, "out of memory");
    }
    if (load->epoll_fd < 0) {
        return error_set(error, NTS_ERR_SYSTEM, "no epoll: %s", strerror(errno));
    }
    for (size_t i = 0; i < num; i++) {
        load->exchanges[i].connection.fd = -1;
        load->exchanges[i].response = load->responses + i * KE_EXCHANGE_MAX_RESPONSE;
        load->exchanges[i].light = load->lights != NULL ? &load->lights[i] : NULL;
    }
    return NTS_OK;
}

static void close_exchanges(struct ke_load *load)
{
    if (load->epoll_fd >= 0) {
        close(load->epoll_fd);
    }
    flight_close(&load->flight);
    free(load->exchanges);
    free(load->responses);
    free(load->lights);
}

enum nts_status load_ke(struct load_report *report, struct error *error)
{
    static struct ke_load load;
    const struct load_options *options = report->options;
    load = (struct ke_load){
        .options = options,
        .epoll_fd = -1,
        .timeout_ns = (int64_t)(options->timeout_s * (double)NS_PER_S),
    };
    load.plan.is_light = options->light;
    load.plan.tls = (struct ke_connection_options){
        .host = options->host,
        .port = options->port,
        .ca_file = options->ca_file,
        .server_name = options->server_name,
        .insecure = options->insecure,
        .groups = options->groups,
    };
    load.plan.request = (struct ke_request){
        .aeads = {options->aead},
        .num_aeads = 1,
        .compliant_gcm_siv = options->aead == AEAD_AES_128_GCM_SIV,
    };
    enum nts_status status =
        load_target_resolve(&load.plan.server, options->host, options->port, options, error);
    if (status != NTS_OK) {
        return status;
    }
    address_format(report->target, &load.plan.server);
    status = ke_exchange_plan_open(&load.plan, error);
    if (status != NTS_OK) {
        return status;
    }
    status = open_exchanges(&load, error);
    if (status == NTS_OK) {
        load_steps_run(report, run_step, &load);
    }
    close_exchanges(&load);
    ke_exchange_plan_close(&load.plan);
    return status;
}

/* nts-load time and nts-load limit: clients, requests, sockets, and then the load. */
#include "load/load_modes.h"
#include "load/load_sessions.h"
#include "load/load_steps.h"
#include "load/load_target.h"
#include "load/udp_load.h"

#include <math.h>
#include <string.h>

#define MIN_REQUESTS  4096
#define MAX_REQUESTS  (1 << 20)
#define RAMP_REQUESTS 65536

struct udp_run {
    const struct load_options *options;
    struct load_sessions sessions;
    struct request_pool pool;
    struct udp_link link;
    struct udp_load load;
};

/* In an open loop a request that is lost keeps its slot until the timeout, so there are enough for
 * all of a timeout's time to be lost. */
static size_t choose_num_requests(const struct load_options *options)
{
    double wanted = MIN_REQUESTS;
    if (options->window > 0) {
        wanted = fmax(wanted, 4.0 * (double)options->window);
    } else if (options->ramp) {
        wanted = RAMP_REQUESTS;
    } else {
        wanted = fmax(wanted, options->rate * options->timeout_s * 1.1);
    }
    wanted = fmin(wanted, MAX_REQUESTS);
    /* Whole runs for every socket, so that the clients come equally often. */
    size_t round = POOL_SOCKET_RUN * options->sockets;
    size_t num = wanted > (double)options->clients ? (size_t)wanted : options->clients;
    return (num + round - 1) / round * round;
}

static enum nts_status open_pool(struct udp_run *run, const union net_address *target,
                                 struct error *error)
{
    const struct load_options *options = run->options;
    struct pool_plan plan = {
        .protocol = options->mode == LOAD_LIMIT ? POOL_ECHO
                    : options->plain            ? POOL_NTP
                                                : POOL_NTS,
        .num_requests = choose_num_requests(options),
        .num_clients = options->clients,
        .num_sockets = options->sockets,
        .mix = options->mix,
        .echo_size = options->size,
    };
    enum nts_status status = NTS_OK;
    if (plan.protocol == POOL_NTS) {
        status = load_sessions_open(&run->sessions, options, target, error);
        plan.keys = run->sessions.keys;
        plan.cookies = run->sessions.cookies;
    }
    return status == NTS_OK ? request_pool_open(&run->pool, &plan, error) : status;
}

static void run_step(void *context, double rate, double duration_s, uint64_t max_count,
                     struct load_result *result)
{
    struct udp_run *run = context;
    const struct load_options *options = run->options;
    const struct udp_load_step step = {
        .window = options->window,
        .rate = rate,
        .duration_s = duration_s,
        .max_count = max_count,
        .timeout_s = options->timeout_s,
        .verify = options->verify,
        .has_progress = options->progress,
    };
    udp_load_run(&run->load, &step, result);
}

static size_t request_len_of(const struct request_pool *pool)
{
    for (size_t i = 0; i < pool->flight.num_slots; i++) {
        if (pool->requests[i].kind == REQUEST_GOOD) {
            return pool->requests[i].len;
        }
    }
    return 0;
}

static enum nts_status load_with_pool(struct load_report *report, struct udp_run *run,
                                      const union net_address *target, struct error *error)
{
    const struct load_options *options = run->options;
    const struct udp_link_options link_options = {
        .target = *target,
        .source_net = options->source_net,
        .num_sockets = options->sockets,
        .num_segments = options->segments,
    };
    report->num_addresses = (options->clients + options->sockets - 1) / options->sockets;
    if (options->source_net.num == 0) {
        report->num_addresses = 1;
    } else if (report->num_addresses > options->source_net.num) {
        return error_set(error, NTS_ERR_CONFIG,
                         "%zu clients on %zu ports need %zu addresses, --source-net has %zu",
                         options->clients, options->sockets, report->num_addresses,
                         options->source_net.num);
    }
    enum nts_status status = udp_link_open(&run->link, &link_options, error);
    if (status != NTS_OK) {
        return status;
    }
    status = udp_load_open(&run->load, &run->pool, &run->link, error);
    if (status == NTS_OK) {
        report->num_requests = run->pool.flight.num_slots;
        report->request_len = request_len_of(&run->pool);
        load_steps_run(report, run_step, run);
        udp_load_close(&run->load);
    }
    udp_link_close(&run->link);
    return status;
}

enum nts_status load_udp(struct load_report *report, struct error *error)
{
    static struct udp_run run;
    const struct load_options *options = report->options;
    union net_address target;
    run.options = options;
    enum nts_status status =
        load_target_resolve(&target, options->host, options->port, options, error);
    if (status != NTS_OK) {
        return status;
    }
    address_format(report->target, &target);
    status = open_pool(&run, &target, error);
    if (status == NTS_OK) {
        status = load_with_pool(report, &run, &target, error);
        request_pool_close(&run.pool);
    }
    load_sessions_close(&run.sessions);
    return status;
}

#include "nts-probe.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS_PER_S  1000
#define S_PER_DAY 86400

const char *probe_state_name(enum probe_state state)
{
    static const char *const names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
    return names[state];
}

int64_t probe_cert_days(const struct ke_session *session)
{
    int64_t left_s = session->cert_left_s;
    return left_s >= 0 ? left_s / S_PER_DAY : -1 - (-1 - left_s) / S_PER_DAY;
}

bool probe_unsynchronised(const struct ntp_header *header)
{
    return header->leap == NTP_LEAP_UNSYNCHRONISED || header->stratum == 0 ||
           header->stratum > NTP_MAX_STRATUM;
}

void probe_reference_id(char text[REFERENCE_ID_LEN], const struct ntp_header *header)
{
    uint8_t octets[4];
    size_t len = 0;
    store_u32(octets, header->reference_id);
    while (len < sizeof(octets) && octets[len] > ' ' && octets[len] <= '~') {
        text[len] = (char)octets[len];
        len++;
    }
    text[len] = '\0';
    /* Some servers give 127.127.1.1, their local clock, at stratum 1. */
    bool is_text = len == sizeof(octets) || (len > 0 && octets[len] == 0);
    if (header->stratum > 1 || !is_text) {
        snprintf(text, REFERENCE_ID_LEN, "%u.%u.%u.%u", octets[0], octets[1], octets[2], octets[3]);
    }
}

uint16_t probe_exporter_context(const struct probe_result *result)
{
    return result->used_legacy_keys ? AEAD_AES_SIV_CMAC_256 : result->session.keys.aead->id;
}

/* Notes a reason for a state that is not OK; the worst one wins. */
NTS_PRINTF(3, 4)
static void add_problem(struct probe_result *result, enum probe_state state, const char *format,
                        ...)
{
    if (state > result->state) {
        result->state = state;
    }
    if (result->num_problems < PROBE_MAX_PROBLEMS) {
        struct error *problem = &result->problems[result->num_problems++];
        va_list args;
        va_start(args, format);
        vsnprintf(problem->text, sizeof(problem->text), format, args);
        va_end(args);
    }
}

/* --- asking --- */

static bool establish_keys(struct probe_result *result, const struct probe_options *options)
{
    struct ke_client_options ke = {
        .host = options->host,
        .port = options->port,
        .family = options->family,
        .ca_file = options->ca_file,
        .server_name = options->server_name,
        .num_aeads = options->num_aeads,
        .timeout_ms = (int64_t)(options->timeout_s * MS_PER_S),
    };
    struct error error;
    memcpy(ke.aeads, options->aeads, sizeof(ke.aeads));
    result->ke_status = ke_client_run(&result->session, &ke, &error);
    if (result->ke_status == NTS_OK) {
        return true;
    }
    /* A file that cannot be used says nothing about the server. */
    bool is_local = result->ke_status == NTS_ERR_FILE || result->ke_status == NTS_ERR_NO_MEMORY;
    add_problem(result, is_local ? PROBE_UNKNOWN : PROBE_CRITICAL, "NTS-KE failed: %s", error.text);
    return false;
}

static bool find_time_server(union net_address *address, struct probe_result *result,
                             const struct probe_options *options)
{
    struct error error;
    enum nts_status status;
    const struct ke_session *session = &result->session;
    if (options->ntp_host[0] != '\0') {
        snprintf(result->server_host, sizeof(result->server_host), "%s", options->ntp_host);
        result->server_port = options->ntp_port;
        status =
            address_resolve(address, options->ntp_host, options->ntp_port, options->family, &error);
    } else {
        snprintf(result->server_host, sizeof(result->server_host), "%s", session->ntp_host);
        result->server_port = session->ntp_port;
        status = ke_session_time_server(address, session, options->family, &error);
    }
    if (status != NTS_OK) {
        add_problem(result, PROBE_CRITICAL, "time server: %s", error.text);
        return false;
    }
    address_format(result->server_address, address);
    return true;
}

static void wait_s(double seconds)
{
    double whole_s = floor(seconds);
    struct timespec left = {.tv_sec = (time_t)whole_s,
                            .tv_nsec = (long)((seconds - whole_s) * (double)NS_PER_S)};
    while (nanosleep(&left, &left) != 0) {
    }
}

static void exchange_all(struct probe_result *result, const union net_address *server,
                         const struct probe_options *options)
{
    struct ke_session *session = &result->session;
    struct ntp_exchange_options exchange_options = {
        .server = server,
        .keys = &session->keys,
        .jar = &session->response.jar,
        .timeout_ms = (int64_t)(options->timeout_s * MS_PER_S),
    };
    for (size_t i = 0; i < options->count; i++) {
        struct probe_exchange *exchange = &result->exchanges[i];
        if (i > 0) {
            wait_s(options->interval_s);
        }
        exchange->status =
            ntp_exchange(&exchange->reply, &exchange->sample, &exchange_options, &exchange->error);
        if (i == 0 && exchange->status == NTS_ERR_NAK && session->legacy_keys.aead != NULL) {
            /* chrony 4.4 to 4.6.0 meant other keys: RFC 8915 allows no such guess, but an operator
             * wants to know that it is this. */
            exchange_options.keys = &session->legacy_keys;
            exchange->status = ntp_exchange(&exchange->reply, &exchange->sample, &exchange_options,
                                            &exchange->error);
            result->used_legacy_keys = exchange->status == NTS_OK;
            if (!result->used_legacy_keys) {
                exchange_options.keys = &session->keys;
            }
        }
        result->num_exchanges++;
    }
}

/* --- judging --- */

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the `num` (at least one) numbers and sums them up. */
static struct probe_range summarise(double *numbers, size_t num)
{
    qsort(numbers, num, sizeof(*numbers), compare_numbers);
    return (struct probe_range){
        .min = numbers[0],
        .median = (numbers[(num - 1) / 2] + numbers[num / 2]) / 2,
        .max = numbers[num - 1],
    };
}

static void measure_all(struct probe_result *result)
{
    double *offsets = calloc(2 * result->num_exchanges + 1, sizeof(*offsets));
    if (offsets == NULL) {
        add_problem(result, PROBE_UNKNOWN, "out of memory");
        return;
    }
    double *delays = offsets + result->num_exchanges;
    size_t num = 0;
    for (size_t i = 0; i < result->num_exchanges; i++) {
        const struct probe_exchange *exchange = &result->exchanges[i];
        enum nts_status status = exchange->status;
        if (status == NTS_OK || status == NTS_ERR_NAK || status == NTS_ERR_KISS) {
            result->num_answered++;
        }
        if (status != NTS_OK) {
            continue;
        }
        offsets[num] = (double)exchange->sample.offset_ns / (double)NS_PER_S;
        delays[num] = (double)exchange->sample.delay_ns / (double)NS_PER_S;
        num++;
        if (result->best == NULL || exchange->sample.delay_ns < result->best->sample.delay_ns) {
            result->best = exchange;
        }
    }
    result->num_authenticated = num;
    if (num > 0) {
        result->offset_s = summarise(offsets, num);
        result->delay_s = summarise(delays, num);
    }
    free(offsets);
}

static void judge_losses(struct probe_result *result)
{
    size_t num_failed = result->num_exchanges - result->num_authenticated;
    if (num_failed == 0) {
        return;
    }
    const struct probe_exchange *failed = result->exchanges;
    while (failed->status == NTS_OK) {
        failed++;
    }
    if (result->num_authenticated == 0) {
        add_problem(result, PROBE_CRITICAL, "no authenticated time from %s: %s",
                    result->server_address, failed->error.text);
    } else {
        add_problem(result, PROBE_WARNING, "%zu of %zu exchanges failed (%s)", num_failed,
                    result->num_exchanges, failed->error.text);
    }
}

static void judge_time(struct probe_result *result, const struct probe_options *options)
{
    for (size_t i = 0; i < result->num_exchanges; i++) {
        const struct ntp_header *header = &result->exchanges[i].reply.header;
        if (result->exchanges[i].status == NTS_OK && probe_unsynchronised(header)) {
            add_problem(result, PROBE_CRITICAL,
                        "the server is not synchronised (leap %u, stratum %u)", header->leap,
                        header->stratum);
            return; /* and its offset means nothing */
        }
    }
    double offset_s = fabs((double)result->best->sample.offset_ns / (double)NS_PER_S);
    if (offset_s > options->crit_offset_s) {
        add_problem(result, PROBE_CRITICAL, "offset above %g s", options->crit_offset_s);
    } else if (offset_s > options->warn_offset_s) {
        add_problem(result, PROBE_WARNING, "offset above %g s", options->warn_offset_s);
    }
}

void probe_run(struct probe_result *result, const struct probe_options *options)
{
    union net_address server;
    memset(result, 0, sizeof(*result));
    result->exchanges = calloc(options->count, sizeof(*result->exchanges));
    if (result->exchanges == NULL) {
        add_problem(result, PROBE_UNKNOWN, "out of memory");
        return;
    }
    if (!establish_keys(result, options)) {
        return;
    }
    if (probe_cert_days(&result->session) < options->warn_cert_days) {
        add_problem(result, PROBE_WARNING, "the certificate expires in less than %lld days",
                    (long long)options->warn_cert_days);
    }
    if (!find_time_server(&server, result, options)) {
        return;
    }
    exchange_all(result, &server, options);
    measure_all(result);
    judge_losses(result);
    if (result->best != NULL) {
        judge_time(result, options);
    }
}

void probe_result_free(struct probe_result *result)
{
    ke_session_wipe(&result->session);
    free(result->exchanges);
}

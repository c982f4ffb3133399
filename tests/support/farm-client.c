/* farm-client: many NTS clients at once, for tests of a whole farm. Each session runs NTS-KE once
 * and then lives on the cookies it gets, asking the time servers in turn, so that the cookie of one
 * node is opened by another. Nothing is ever repeated or repaired: what it counts is what clients
 * feel.
 *
 * Sessions with an even number use the newest cookies, at most --hold of them; those with an odd
 * number keep all eight and use the oldest. With --hoard S they also keep one cookie aside, use it
 * when it is S seconds old, and keep another.
 *
 * farm-client.c has the clients, farm-client-options.c the command line, farm-client-report.c the
 * numbers. */
#include "farm-client-options.h"
#include "farm-client-report.h"

#include "base/address.h"
#include "client/ke_client.h"
#include "client/ke_tls.h"
#include "client/ntp_client.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define STATE_INTERVAL_MS 500
#define MAX_LAG_MS        1000 /* a worker that is later than this does not catch up */

/* A cookie that waits for its day. */
struct hoard {
    bool is_kept;
    int64_t received_ns;
    struct client_cookie cookie;
};

struct session {
    struct ke_session ke;
    int64_t received_ns[CLIENT_MAX_COOKIES]; /* of each place of the jar, CLOCK_MONOTONIC */
    struct hoard hoard;
    size_t next_server;
    bool uses_oldest;
    bool is_over; /* no NTS-KE, or no cookie left */
};

struct crowd {
    struct client_options options;
    union net_address servers[REPORT_MAX_SERVERS];
    SSL_CTX *tls;
    struct session *sessions;
    struct report report;
    pthread_barrier_t all_have_keys;
    int64_t start_ns; /* of the requests; written before the barrier is passed */
    int stop_fd;      /* readable, once it is time to stop */
};

struct worker {
    struct crowd *crowd;
    pthread_t thread;
    size_t number; /* its sessions are those with this number modulo the number of workers */
};

/* --- one session --- */

static uint32_t key_id_of(const struct client_cookie *cookie)
{
    return load_u32(cookie->octets);
}

static void establish(struct crowd *crowd, struct session *session, size_t number)
{
    const struct client_options *options = &crowd->options;
    struct ke_client_options ke = {
        .host = options->ke_host,
        .port = options->ke_port,
        .ca_file = options->ca_file,
        .context = crowd->tls,
        .num_aeads = number / 2 % 2, /* half of them as most clients in the field: 15 only */
        .aeads = {AEAD_AES_SIV_CMAC_256},
    };
    struct error error;
    session->uses_oldest = number % 2 == 1;
    session->next_server = number % options->num_servers;
    if (ke_client_run(&session->ke, &ke, &error) != NTS_OK) {
        fprintf(stderr, "farm-client: session %zu: %s\n", number, error.text);
        session->is_over = true;
        report_add(&crowd->report, &crowd->report.num_ke_failed, 1);
        return;
    }
    for (size_t i = 0; i < CLIENT_MAX_COOKIES; i++) {
        session->received_ns[i] = mono_time_ns();
    }
    report_add(&crowd->report, &crowd->report.num_ke_runs, 1);
}

/* Takes cookies from the front of the jar until at most `num` are left. */
static void drop_oldest(struct cookie_jar *jar, size_t num)
{
    struct client_cookie dropped;
    while (jar->num > num && cookie_jar_take(jar, &dropped)) {
    }
}

static void keep_aside(struct hoard *hoard, struct cookie_jar *jar, int64_t received_ns)
{
    hoard->is_kept = cookie_jar_take(jar, &hoard->cookie);
    hoard->received_ns = received_ns;
}

static enum outcome outcome_of(enum nts_status status)
{
    switch (status) {
    case NTS_OK:
        return OUTCOME_AUTHENTICATED;
    case NTS_ERR_NAK:
        return OUTCOME_NAK;
    case NTS_ERR_TIMEOUT:
    case NTS_ERR_SYSTEM:
        return OUTCOME_LOST;
    default:
        return OUTCOME_WRONG;
    }
}

/* Asks the next server with the first cookie of `jar`, received at `received_ns`. */
static void ask(struct crowd *crowd, struct session *session, struct cookie_jar *jar,
                int64_t received_ns)
{
    struct ntp_reply reply;
    struct ntp_sample sample;
    struct error error;
    size_t server = session->next_server;
    struct report_request request = {
        .server = server,
        .key_id = key_id_of(&jar->cookies[jar->first]),
        .sent_ns = real_time_ns(),
        .cookie_age_ns = mono_time_ns() - received_ns,
        .reason = error.text,
    };
    struct ntp_exchange_options options = {.server = &crowd->servers[server],
                                           .keys = &session->ke.keys,
                                           .jar = jar,
                                           .timeout_ms = crowd->options.timeout_ms};
    session->next_server = (server + 1) % crowd->options.num_servers;
    size_t num_kept = jar->num - 1;
    request.outcome = outcome_of(ntp_exchange(&reply, &sample, &options, &error));
    report_request(&crowd->report, &request);
    for (size_t i = num_kept; i < jar->num; i++) {
        report_key(&crowd->report, key_id_of(&jar->cookies[(jar->first + i) % CLIENT_MAX_COOKIES]));
    }
}

/* Uses the cookie that was kept aside; the fresh ones fill the session's jar, and one of them or of
 * the jar's is kept aside next. */
static void ask_with_hoard(struct crowd *crowd, struct session *session)
{
    struct cookie_jar *jar = &session->ke.response.jar;
    struct cookie_jar fresh = {0};
    struct hoard *hoard = &session->hoard;
    (void)cookie_jar_put(&fresh, hoard->cookie.octets, hoard->cookie.len);
    hoard->is_kept = false;
    ask(crowd, session, &fresh, hoard->received_ns);
    int64_t now_ns = mono_time_ns();
    if (fresh.num > 0) {
        keep_aside(hoard, &fresh, now_ns);
    } else if (jar->num > 1) {
        keep_aside(hoard, jar, session->received_ns[jar->first]);
    }
    struct client_cookie cookie;
    while (jar->num < CLIENT_MAX_COOKIES && cookie_jar_take(&fresh, &cookie)) {
        session->received_ns[(jar->first + jar->num) % CLIENT_MAX_COOKIES] = now_ns;
        (void)cookie_jar_put(jar, cookie.octets, cookie.len);
    }
}

static void ask_with_jar(struct crowd *crowd, struct session *session)
{
    struct cookie_jar *jar = &session->ke.response.jar;
    size_t num_kept = jar->num - 1;
    ask(crowd, session, jar, session->received_ns[jar->first]);
    int64_t now_ns = mono_time_ns();
    for (size_t i = num_kept; i < jar->num; i++) {
        session->received_ns[(jar->first + i) % CLIENT_MAX_COOKIES] = now_ns;
    }
    if (!session->uses_oldest) {
        drop_oldest(jar, crowd->options.max_cookies);
    }
}

static void ask_next(struct crowd *crowd, struct session *session)
{
    struct cookie_jar *jar = &session->ke.response.jar;
    struct hoard *hoard = &session->hoard;
    int64_t hoard_ns = crowd->options.hoard_s * NS_PER_S;
    if (hoard_ns > 0 && session->uses_oldest && !hoard->is_kept && jar->num > 1) {
        keep_aside(hoard, jar, session->received_ns[jar->first]);
    }
    bool is_ripe = hoard->is_kept && mono_time_ns() - hoard->received_ns >= hoard_ns;
    if (is_ripe || (hoard->is_kept && jar->num == 0)) {
        ask_with_hoard(crowd, session);
    } else if (jar->num > 0) {
        ask_with_jar(crowd, session);
    }
    if (jar->num == 0 && !hoard->is_kept) {
        session->is_over = true;
        report_add(&crowd->report, &crowd->report.num_dry, 1);
    }
}

/* --- threads --- */

/* Waits until that moment of CLOCK_MONOTONIC; false if it is time to stop. */
static bool sleep_until(const struct crowd *crowd, int64_t moment_ns)
{
    return !deadline_wait(crowd->stop_fd, POLLIN, moment_ns);
}

/* Sends this worker's share of the requests, on a schedule that does not drift. */
static void keep_asking(struct worker *worker)
{
    struct crowd *crowd = worker->crowd;
    const struct client_options *options = &crowd->options;
    double interval_ns = (double)NS_PER_S / options->rate;
    int64_t turn_ns = (int64_t)(interval_ns * (double)options->num_workers);
    int64_t next_ns = crowd->start_ns + (int64_t)(interval_ns * (double)worker->number);
    size_t at = worker->number;
    while (sleep_until(crowd, next_ns)) {
        if (!crowd->sessions[at].is_over) {
            ask_next(crowd, &crowd->sessions[at]);
        }
        at += options->num_workers;
        at = at < options->num_sessions ? at : worker->number;
        next_ns += turn_ns;
        int64_t lag_ns = mono_time_ns() - next_ns;
        if (lag_ns > MAX_LAG_MS * NS_PER_MS) {
            int64_t num_skipped = lag_ns / turn_ns;
            next_ns += num_skipped * turn_ns;
            report_add(&crowd->report, &crowd->report.num_skipped, (uint64_t)num_skipped);
        }
    }
}

static void *run_worker(void *arg)
{
    struct worker *worker = arg;
    struct crowd *crowd = worker->crowd;
    for (size_t i = worker->number; i < crowd->options.num_sessions;
         i += crowd->options.num_workers) {
        if (sleep_until(crowd, 0)) {
            establish(crowd, &crowd->sessions[i], i);
        }
    }
    if (pthread_barrier_wait(&crowd->all_have_keys) == PTHREAD_BARRIER_SERIAL_THREAD) {
        crowd->start_ns = mono_time_ns();
    }
    pthread_barrier_wait(&crowd->all_have_keys);
    keep_asking(worker);
    return NULL;
}

/* --- the whole --- */

/* Replaces the state file in one step. */
static bool write_state(const char *path, const json_t *state)
{
    char temporary[4096];
    if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary) ||
        json_dump_file(state, temporary, JSON_COMPACT) != 0 || rename(temporary, path) != 0) {
        fprintf(stderr, "farm-client: cannot write %s: %s\n", path, strerror(errno));
        return false;
    }
    return true;
}

/* Tells how it goes, on standard output only when it is over. */
static bool tell(struct crowd *crowd, int64_t begin_ns, bool is_running)
{
    json_t *state = report_to_json(&crowd->report, crowd->options.num_sessions,
                                   mono_time_ns() - begin_ns, is_running);
    bool is_told = state != NULL;
    if (is_told && crowd->options.state_path != NULL) {
        is_told = write_state(crowd->options.state_path, state);
    }
    if (is_told && !is_running) {
        is_told = json_dumpf(state, stdout, JSON_INDENT(2)) == 0 && putchar('\n') == '\n' &&
                  fflush(stdout) == 0;
    }
    json_decref(state);
    return is_told;
}

static bool prepare(struct crowd *crowd)
{
    const struct client_options *options = &crowd->options;
    const struct ke_connection_options tls = {.ca_file = options->ca_file};
    struct error error;
    crowd->report.num_servers = options->num_servers;
    for (size_t i = 0; i < options->num_servers; i++) {
        crowd->report.servers[i] = options->servers[i].text;
        if (address_resolve(&crowd->servers[i], options->servers[i].host, options->servers[i].port,
                            AF_UNSPEC, &error) != NTS_OK) {
            fprintf(stderr, "farm-client: %s\n", error.text);
            return false;
        }
    }
    if (ke_tls_context_create(&crowd->tls, &tls, &error) != NTS_OK) {
        fprintf(stderr, "farm-client: %s\n", error.text);
        return false;
    }
    crowd->sessions = calloc(options->num_sessions, sizeof(*crowd->sessions));
    crowd->stop_fd = eventfd(0, EFD_CLOEXEC);
    return crowd->sessions != NULL && crowd->stop_fd >= 0 &&
           pthread_mutex_init(&crowd->report.lock, NULL) == 0 &&
           pthread_barrier_init(&crowd->all_have_keys, NULL, (unsigned)options->num_workers) == 0;
}

/* Until a signal, or the end of --seconds. False if the state cannot be written. */
static bool watch(struct crowd *crowd, const sigset_t *signals, int64_t begin_ns)
{
    const struct timespec interval = {.tv_nsec = STATE_INTERVAL_MS * NS_PER_MS};
    int64_t end_ns =
        crowd->options.seconds > 0 ? begin_ns + crowd->options.seconds * NS_PER_S : INT64_MAX;
    while (tell(crowd, begin_ns, true)) {
        if (sigtimedwait(signals, NULL, &interval) > 0 || mono_time_ns() >= end_ns) {
            return true;
        }
    }
    return false;
}

static int run(struct crowd *crowd)
{
    struct worker workers[CLIENT_MAX_WORKERS];
    sigset_t signals;
    int64_t begin_ns = mono_time_ns();
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* the workers inherit it */
    for (size_t i = 0; i < crowd->options.num_workers; i++) {
        workers[i] = (struct worker){.crowd = crowd, .number = i};
        if (pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]) != 0) {
            fputs("farm-client: cannot start a thread\n", stderr);
            exit(1); /* the others wait at the barrier */
        }
    }
    bool is_well = watch(crowd, &signals, begin_ns);
    eventfd_write(crowd->stop_fd, 1);
    for (size_t i = 0; i < crowd->options.num_workers; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    is_well = tell(crowd, begin_ns, false) && is_well;
    return is_well && crowd->report.num_ke_failed == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct crowd crowd;
    int exit_status = client_options_parse(&crowd.options, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    if (!prepare(&crowd)) {
        return 1;
    }
    exit_status = run(&crowd);
    for (size_t i = 0; i < crowd.options.num_sessions; i++) {
        ke_session_wipe(&crowd.sessions[i].ke);
    }
    free(crowd.sessions);
    SSL_CTX_free(crowd.tls);
    close(crowd.stop_fd);
    return exit_status;
}

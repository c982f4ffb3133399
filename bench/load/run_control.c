#include "load/run_control.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define PROGRESS_INTERVAL_NS (250 * NS_PER_MS)

static volatile sig_atomic_t is_stopped;

static void note_signal(int number)
{
    (void)number;
    is_stopped = 1;
}

void run_control_catch_signals(void)
{
    struct sigaction action = {.sa_handler = note_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool run_control_is_stopped(void)
{
    return is_stopped != 0;
}

enum nts_status run_control_pin(int cpu, struct error *error)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot run on CPU %d: %s", cpu, strerror(errno));
    }
    return NTS_OK;
}

void run_control_raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

struct run_meter run_meter_start(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (struct run_meter){seconds(usage.ru_utime), seconds(usage.ru_stime)};
}

void run_meter_stop(const struct run_meter *meter, struct load_result *result)
{
    struct run_meter now = run_meter_start();
    result->cpu_user_s += now.user_s - meter->user_s;
    result->cpu_system_s += now.system_s - meter->system_s;
}

struct progress progress_start(bool is_shown, int64_t now_ns)
{
    return (struct progress){.is_shown = is_shown, .start_ns = now_ns, .last_ns = now_ns};
}

void progress_show(struct progress *progress, const struct load_result *result, int64_t now_ns)
{
    if (!progress->is_shown || now_ns - progress->last_ns < PROGRESS_INTERVAL_NS) {
        return;
    }
    uint64_t answered =
        load_result_sum(result, OUTCOME_ANSWERED) + load_result_sum(result, OUTCOME_NAKED);
    uint64_t sent = load_result_sent(result, false);
    uint64_t lost = load_result_sum(result, OUTCOME_LOST);
    double interval_s = (double)(now_ns - progress->last_ns) / (double)NS_PER_S;
    fprintf(stderr, "\r\033[K%6.1f s  sent %.0f/s  answered %.0f/s  lost %.0f/s",
            (double)(now_ns - progress->start_ns) / (double)NS_PER_S,
            (double)(sent - progress->last_sent) / interval_s,
            (double)(answered - progress->last_answered) / interval_s,
            (double)(lost - progress->last_lost) / interval_s);
    fflush(stderr);
    progress->last_ns = now_ns;
    progress->last_answered = answered;
    progress->last_sent = sent;
    progress->last_lost = lost;
}

void progress_end(const struct progress *progress)
{
    if (progress->is_shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}

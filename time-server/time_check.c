#include "time-server/time_check.h"

#include "base/clock_time.h"
#include "metrics/metrics_server.h"
#include "process/worker_group.h"
#include "service/host_check.h"
#include "service/keyring_check.h"
#include "service/source_check.h"
#include "time-server/clock/clock_source.h"
#include "time-server/config/time_config.h"
#include "time-server/transport/transports.h"

#include <unistd.h>

#define SPARE_DESCRIPTORS 32 /* rings, wake-ups, inotify, the log, files being read */

static void check_keyring(struct preflight *preflight, const struct time_config *config,
                          const char *config_path)
{
    struct keyring *ring =
        keyring_check(preflight, &config->host.keyring, config->host.user, &config_path, 1);
    if (ring != NULL) {
        snapshot_unref(&ring->snapshot);
    }
}

/* What is tried in turn: the failure of one that is not the last is a loss of speed only. */
static void check_transport(struct preflight *preflight, const struct time_config *config)
{
    const struct transport_ops *ops = transport_candidate(&transports, config->transport, 0);
    for (size_t i = 1; ops != NULL; i++) {
        const struct transport_ops *next = transport_candidate(&transports, config->transport, i);
        if (ops->check != NULL) {
            ops->check(preflight, next != NULL ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR);
        }
        ops = next;
    }
}

static void check_sockets(struct preflight *preflight, const struct time_config *config)
{
    cpu_set_t cpus;
    size_t num_workers = worker_group_size(config->workers, &cpus);
    /* A worker has a socket for each address, a ring, and an eventfd. */
    size_t num_spare = SPARE_DESCRIPTORS;
    if (config->host.metrics.sa.sa_family != AF_UNSPEC) {
        num_spare += METRICS_SERVER_DESCRIPTORS;
    }
    host_check_descriptors(preflight, LOG_LEVEL_ERROR,
                           num_workers * (config->listen.num + 2) + num_spare, false);
    transport_candidate(&transports, config->transport, 0)->binding->check(preflight, config);
    host_check_metrics(preflight, &config->host.metrics, "nts-time-server");
}

/* A look-up ends, however long it takes. */
static void await_name(struct clock_source *source)
{
    while (clock_source_is_resolving(source)) {
        if (clock_source_wait(source, NS_PER_S)) {
            clock_source_receive(source);
        }
    }
}

/* Asks as a running server does, until there is an answer; false if there is none. */
static bool hear_from(struct clock_source *source)
{
    for (int i = 0; i < CLOCK_NUM_QUESTIONS; i++) {
        clock_source_tick(source);
        if (source->config.source != CLOCK_UPSTREAM) {
            return true; /* no server, nothing to wait for */
        }
        await_name(source);
        if (clock_source_name_trouble(source) != NULL) {
            return false;
        }
        int64_t deadline_ns = mono_time_ns() + NS_PER_S;
        for (int64_t left_ns; (left_ns = deadline_ns - mono_time_ns()) > 0;) {
            bool was_asked = clock_source_is_asking(source);
            if (clock_source_wait(source, left_ns)) {
                clock_source_receive(source);
                if (was_asked && !clock_source_is_asking(source)) {
                    return true;
                }
                usleep(1000); /* an error that stays, or another host's datagram */
            }
        }
    }
    return false;
}

static void find_silent(struct preflight *preflight, const struct clock_config *clock,
                        const struct clock_source *source)
{
    const char *reason = clock_source_name_trouble(source);
    if (reason != NULL) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CLOCK_SILENT,
                       "clock.server: cannot resolve %s: %s", source->upstream.host, reason);
        return;
    }
    preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CLOCK_SILENT,
                   "clock.server %s does not answer: asked %d times", clock->server,
                   CLOCK_NUM_QUESTIONS);
}

static void check_clock(struct preflight *preflight, const struct time_config *config)
{
    const struct clock_config *clock = &config->clock;
    const struct clock_limits limits = {clock->max_root_distance_ms * NS_PER_MS,
                                        clock->holdover_s * NS_PER_S};
    struct clock_source source;
    struct error error;
    if (clock_source_open(&source, clock, &error) != NTS_OK) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CLOCK_SILENT, "%s", error.text);
    } else if (!hear_from(&source)) {
        find_silent(preflight, clock, &source);
    } else if (source.status.trouble != NULL) {
        /* Who configures it so wants it so. */
        preflight_find(preflight,
                       clock->source == CLOCK_FIXED ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR,
                       PREFLIGHT_CLOCK, "%s", source.status.trouble);
    } else if (!clock_is_fit(&source.status, &limits, real_time_ns())) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_CLOCK,
                       "the root distance is above max_root_distance_ms");
    }
    clock_source_close(&source);
}

int time_check(const char *config_path)
{
    struct preflight preflight = {0};
    struct time_config config;
    struct config_memory memory;
    struct error error;
    if (config_load(&config, &memory, &time_config_table, config_path, &error) != NTS_OK) {
        preflight_find(&preflight, LOG_LEVEL_ERROR, PREFLIGHT_CONFIG, "%s", error.text);
        return preflight_end(&preflight, config_path);
    }
    log_set_format((enum log_format)config.host.log_format);
    source_check(&preflight, &config.host.sources, config_path);
    check_keyring(&preflight, &config, config_path);
    check_transport(&preflight, &config);
    check_sockets(&preflight, &config);
    check_clock(&preflight, &config);
    config_free(&memory);
    return preflight_end(&preflight, config_path);
}

/* A running time server: its sockets, workers, clock and keyring, as the control thread sees them.
 */
#ifndef NTS_TIME_SERVER_H
#define NTS_TIME_SERVER_H

#include "metrics/metrics_server.h"
#include "process/handover.h"
#include "process/watchdog.h"
#include "service/keyring_service.h"
#include "time-server/clock/clock_source.h"
#include "time-server/config/time_config.h"
#include "time-server/time_worker.h"

struct time_server {
    const char *config_path;
    struct time_config config; /* of the start, with what reloads have changed */
    struct config_memory config_memory;
    struct clock_config live_clock; /* of the last reload, if there was one */
    struct config_memory live_memory;
    struct keyring_service keyring;
    struct source_gate gate;
    struct time_settings *settings; /* one reference: what the workers have */
    struct clock_source clock_source;
    struct clock_board clock_board;
    _Atomic int64_t max_root_distance_ns; /* a reload changes them, the metrics thread reads */
    _Atomic int64_t holdover_ns;
    bool clock_was_fit;
    bool clock_was_reported;
    struct handover handover;
    int *fds; /* of all workers; what a worker serves lies together */
    size_t num_fds;
    struct time_worker *workers;
    size_t num_workers;
    size_t num_running;
    const struct transport_ops *transport;
    bool has_fallen_back; /* to system calls: io_uring is forbidden */
    struct metrics_server metrics;
    int64_t started_at_s;
    atomic_size_t num_alive; /* workers that turn; for the metrics thread */
    struct watchdog watchdog;
};

/* time_server_open loads keyring and clock, takes over the sockets of a server that runs or binds
 * its own, drops privileges, puts the filter of system calls into force, and starts the metrics
 * thread. The configuration has been loaded into server->config. On error the text says why. */
NTS_MUST_CHECK enum nts_status time_server_open(struct time_server *server, struct error *error);

/* time_server_start starts the workers, on io_uring or, where that is forbidden and the
 * configuration leaves the choice, on system calls, and takes away what only a start needs. */
NTS_MUST_CHECK enum nts_status time_server_start(struct time_server *server, struct error *error);

/* time_server_reload reads the configuration again; what fails keeps what runs, and is logged. */
void time_server_reload(struct time_server *server);

/* time_server_reload_keyring loads the keyring file again and publishes it; a failure is logged and
 * keeps the keys in memory. */
void time_server_reload_keyring(struct time_server *server);

/* time_server_tick is called once a second: asks the clock source, looks after the keyring and the
 * workers, and tells of sources that are held off, and the service manager how things are. */
void time_server_tick(struct time_server *server);

/* time_server_post_clock hands the workers what the clock source knows, and logs a change between
 * fit and not fit. */
void time_server_post_clock(struct time_server *server);

/* time_server_log_counters logs the counters of all workers together. */
void time_server_log_counters(const struct time_server *server);

/* time_server_stopping tells those who watch that the end is near. */
void time_server_stopping(struct time_server *server);
/* time_server_clock_limits returns how bad the clock may get. Any thread. */
struct clock_limits time_server_clock_limits(const struct time_server *server);

/* time_server_look_at_handover does what the descriptor of server->handover asks for. True if this
 * server has been replaced: what is left to do is to close it. */
bool time_server_look_at_handover(struct time_server *server);

/* time_server_close stops the workers and frees everything. */
void time_server_close(struct time_server *server);

#endif

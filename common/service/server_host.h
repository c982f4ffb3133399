/* The life of a server of the farm, the same for each: read the configuration, bind what needs
 * privileges or take it over from the server that runs, drop the privileges, put the system-call
 * filter into force, start the workers, serve signals and descriptors, reload, tick, hand over,
 * drain, stop.
 *
 * What a server is beside that stands in its struct server_type: a table of names, rows and
 * functions. Every function runs on the control thread, but for write_metrics and judge. */
#ifndef NTS_SERVICE_SERVER_HOST_H
#define NTS_SERVICE_SERVER_HOST_H

#include "service/server_type.h"

/* server_host_main is main() of a server: reads the command line, and then checks, prints what was
 * asked for, or serves until it is stopped. `server` is zeroed state for the type's functions.
 * Returns the exit status: 0, 1 after a failure, 2 for a command line that is wrong. */
int server_host_main(const struct server_type *type, void *server, int argc, char **argv);

/* server_host_run lives the life of a server with the configuration at `config_path`, which must
 * outlive it. Returns the exit status. */
int server_host_run(struct server_host *host, const struct server_type *type, void *server,
                    const char *config_path);

/* server_host_publish makes a live state of what there is now, and hands it to workers and metrics.
 * Without memory it is tried again with the next tick. Control thread. */
void server_host_publish(struct server_host *host);

/* server_host_config returns the configuration of `settings`. */
const void *server_host_config(const struct server_host *host,
                               const struct host_settings *settings);

#endif

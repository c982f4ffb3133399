/* Talking to the service manager that started us, in the ways of systemd: sd_notify(3) and
 * sd_listen_fds(3). Without one, or built without libsystemd, everything here does nothing. Control
 * thread. */
#ifndef NTS_PROCESS_SERVICE_MANAGER_H
#define NTS_PROCESS_SERVICE_MANAGER_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

#define SERVICE_STATUS_LEN 256

/* service_manager_ready says that the service serves: after the start, and at the end of a reload.
 */
void service_manager_ready(void);

/* service_manager_reloading says that a reload begins. */
void service_manager_reloading(void);

/* service_manager_stopping says that the service is on its way out. */
void service_manager_stopping(void);

/* service_manager_status tells a line for a person to read, when it is another than the last one.
 */
void service_manager_status(const char *format, ...) NTS_PRINTF(1, 2);

/* service_manager_alive feeds the watchdog. */
void service_manager_alive(void);

/* service_manager_watchdog_ns returns the time within which the manager wants to hear
 * service_manager_alive again; 0: it does not watch. */
int64_t service_manager_watchdog_ns(void);

/* service_manager_sockets returns how many sockets were passed to the process, and the first of
 * their descriptors, which follow each other. They are closed on exec from here on; a second call
 * finds none. */
size_t service_manager_sockets(int *first_fd);

#endif

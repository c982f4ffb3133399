/* The configuration options that the host of a server acts on, the same in both servers. */
#ifndef NTS_SERVICE_HOST_OPTIONS_H
#define NTS_SERVICE_HOST_OPTIONS_H

#include "limit/source_options.h"
#include "log/log.h"
#include "metrics/metrics_server.h"
#include "process/handover.h"
#include "process/syscall_filter.h"
#include "service/keyring_options.h"

struct host_options {
    struct keyring_options keyring;
    union net_address metrics; /* of no family: none */
    struct source_options sources;
    const char *handover; /* NULL: none */
    const char *user;     /* NULL: keep the user of the process */
    int seccomp;          /* enum syscall_filter_mode */
    int log_level;        /* enum log_level */
    int log_format;       /* enum log_format */
};

#define HOST_OPTION(OFFSET, FIELD) ((OFFSET) + offsetof(struct host_options, FIELD))

/* Rows of an option table whose struct has a struct host_options at OFFSET, in three parts, so that
 * a reference page keeps what belongs together: the keyring, the metrics address with the default
 * PORT, and the rest; WHAT is what a source has a budget of. */
#define HOST_KEYRING_ROWS(OFFSET)      KEYRING_OPTION_ROWS(HOST_OPTION(OFFSET, keyring))
#define HOST_METRICS_ROW(OFFSET, PORT) METRICS_OPTION_ROW(HOST_OPTION(OFFSET, metrics), PORT)
#define HOST_OPTION_ROWS(OFFSET, WHAT)                                                             \
    SOURCE_OPTION_ROWS(HOST_OPTION(OFFSET, sources), WHAT),                                        \
        HANDOVER_OPTION_ROW(HOST_OPTION(OFFSET, handover)),                                        \
        {.name = "user",                                                                           \
         .type = OPTION_STRING,                                                                    \
         .offset = HOST_OPTION(OFFSET, user),                                                      \
         .min = 1,                                                                                 \
         .max = 64,                                                                                \
         .default_json = "null",                                                                   \
         .needs_restart = true,                                                                    \
         .help = "system user to become once the sockets are bound"},                              \
        SYSCALL_FILTER_OPTION_ROW(HOST_OPTION(OFFSET, seccomp)),                                   \
        {.name = "log_level",                                                                      \
         .type = OPTION_CHOICE,                                                                    \
         .offset = HOST_OPTION(OFFSET, log_level),                                                 \
         .choices = log_level_names,                                                               \
         .default_json = "\"info\"",                                                               \
         .help = "least urgent level to log"},                                                     \
        LOG_FORMAT_OPTION_ROW(HOST_OPTION(OFFSET, log_format))

#endif

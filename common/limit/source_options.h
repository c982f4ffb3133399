/* The configuration options of both servers on the budget of each source, and what logs say
 * of clients. */
#ifndef NTS_LIMIT_SOURCE_OPTIONS_H
#define NTS_LIMIT_SOURCE_OPTIONS_H

#include "config/config.h"
#include "limit/source_budget.h"

#include <stddef.h>

enum log_addresses { LOG_ADDRESSES_NONE, LOG_ADDRESSES_PREFIX, LOG_ADDRESSES_FULL };

struct source_options {
    int64_t rate_limit; /* 0: none */
    int64_t rate_burst;
    int64_t limit_prefix_ipv4;
    int64_t limit_prefix_ipv6;
    struct option_list exempt_networks; /* of const char * */
    struct option_list refuse_networks; /* of const char * */
    int log_addresses;                  /* enum log_addresses */
};

#define SOURCE_MAX_NETWORKS 1024

extern const struct option_row source_network_element;
extern const char *const log_addresses_names[];

#define SOURCE_OPTION(OFFSET, field) .offset = (OFFSET) + offsetof(struct source_options, field)

/* SOURCE_OPTION_ROWS(OFFSET, WHAT) are the rows of an option table whose struct has these options
 * at OFFSET. WHAT, a string in the plural, is what is counted. */
#define SOURCE_OPTION_ROWS(OFFSET, WHAT)                                                           \
    {.name = "rate_limit",                                                                         \
     .type = OPTION_INT,                                                                           \
     SOURCE_OPTION(OFFSET, rate_limit),                                                            \
     .min = 0,                                                                                     \
     .max = SOURCE_BUDGET_MAX_RATE,                                                                \
     .default_json = "0",                                                                          \
     .help = WHAT " a second that one source may go on with; 0: no limit"},                        \
        {.name = "rate_burst",                                                                     \
         .type = OPTION_INT,                                                                       \
         SOURCE_OPTION(OFFSET, rate_burst),                                                        \
         .min = 1,                                                                                 \
         .max = SOURCE_BUDGET_MAX_BURST,                                                           \
         .default_json = "1000",                                                                   \
         .help = WHAT " that a source may have at once, after a pause"},                           \
        {.name = "limit_prefix_ipv4",                                                              \
         .type = OPTION_INT,                                                                       \
         SOURCE_OPTION(OFFSET, limit_prefix_ipv4),                                                 \
         .min = 8,                                                                                 \
         .max = 32,                                                                                \
         .default_json = "32",                                                                     \
         .unit = "bits",                                                                           \
         .help = "IPv4 addresses that are the same so far are one source"},                        \
        {.name = "limit_prefix_ipv6",                                                              \
         .type = OPTION_INT,                                                                       \
         SOURCE_OPTION(OFFSET, limit_prefix_ipv6),                                                 \
         .min = 16,                                                                                \
         .max = 128,                                                                               \
         .default_json = "64",                                                                     \
         .unit = "bits",                                                                           \
         .help = "IPv6 addresses that are the same so far are one source"},                        \
        {.name = "exempt_networks",                                                                \
         .type = OPTION_LIST,                                                                      \
         SOURCE_OPTION(OFFSET, exempt_networks),                                                   \
         .min = 0,                                                                                 \
         .max = SOURCE_MAX_NETWORKS,                                                               \
         .default_json = "[]",                                                                     \
         .element = &source_network_element,                                                       \
         .help = "networks that `rate_limit` does not apply to, like `192.0.2.0/24`; of two "      \
                 "networks around an address the smaller one decides, here and below"},            \
        {.name = "refuse_networks",                                                                \
         .type = OPTION_LIST,                                                                      \
         SOURCE_OPTION(OFFSET, refuse_networks),                                                   \
         .min = 0,                                                                                 \
         .max = SOURCE_MAX_NETWORKS,                                                               \
         .default_json = "[]",                                                                     \
         .element = &source_network_element,                                                       \
         .help = "networks that get no answer"},                                                   \
    {                                                                                              \
        .name = "log_addresses", .type = OPTION_CHOICE, SOURCE_OPTION(OFFSET, log_addresses),      \
        .choices = log_addresses_names, .default_json = "\"none\"",                                \
        .help = "what logs show of a client's address: nothing, its network (24 bits of IPv4, 48 " \
                "of IPv6), or all of it"                                                           \
    }

#endif

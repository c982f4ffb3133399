/* The configuration file of nts-ke-server: its options as a table, and what they are read into.
 * Start-up and reload only. */
#ifndef NTS_KE_CONFIG_H
#define NTS_KE_CONFIG_H

#include "runtime/config.h"
#include "service/keyring_options.h"

/* One element of "time_servers". */
struct ke_config_time_server {
    const char *name;
    int64_t port;
    int64_t weight;
    int family; /* enum ke_config_family */
};

enum ke_config_family { KE_CONFIG_ANY, KE_CONFIG_IPV4, KE_CONFIG_IPV6 };

struct ke_config {
    struct option_list listen; /* of union net_address */
    const char *certificate;
    const char *private_key;
    struct option_list server_names; /* of const char * */
    struct keyring_options keyring;
    struct option_list time_servers; /* of struct ke_config_time_server */
    struct option_list aead;         /* of int64_t */
    int aead_order;                  /* enum ke_aead_order */
    int64_t workers;
    int64_t max_connections;
    int64_t deadline_ms;
    int64_t linger_ms;
    const char *user; /* NULL: stay who we are */
    int log_level;    /* enum log_level */
    int log_format;   /* enum log_format */
};

/* The table for config_load and the reference page. */
extern const struct option_table ke_config_table;

/* ke_config_family_of returns AF_INET, AF_INET6 or AF_UNSPEC: the family that is configured, else
 * the one that the name has by itself. */
int ke_config_family_of(const struct ke_config_time_server *server);

#endif

/* The configuration file of nts-ke-server: its options as a table, and what they are read into.
 * Start-up and reload only. */
#ifndef NTS_KE_CONFIG_H
#define NTS_KE_CONFIG_H

#include "config/config.h"
#include "ke-server/config/certificate_files.h"
#include "service/host_options.h"

/* One element of "time_servers". */
struct ke_config_time_server {
    const char *name;
    int64_t port;
    int64_t weight;
    int family; /* enum ke_config_family */
};

enum ke_config_family { KE_CONFIG_ANY, KE_CONFIG_IPV4, KE_CONFIG_IPV6 };

/* The options whose names begin with "watch_". */
struct ke_watch_config {
    int64_t interval_s; /* 0: the watch is off */
    int64_t timeout_ms;
    int64_t max_offset_ms; /* 0: any */
    int64_t key_grace_s;
};

#define CERTIFICATES_MAX 64

struct ke_config {
    struct option_list listen;            /* of union net_address */
    struct certificate_files certificate; /* alone, or NULL and NULL */
    struct option_list certificates;      /* of struct certificate_files */
    struct option_list server_names;      /* of const char * */
    struct option_list time_servers;      /* of struct ke_config_time_server */
    struct ke_watch_config watch;
    struct option_list aead; /* of int64_t */
    int aead_order;          /* enum ke_aead_order */
    int64_t workers;
    int64_t max_connections;
    int64_t deadline_ms;
    int64_t linger_ms;
    int64_t handshake_patience_ms;
    struct host_options host;
};

/* The table for config_load and the reference page. */
extern const struct option_table ke_config_table;

/* ke_config_certificates lists the certificates that are configured, in either of the two ways: one
 * at least, in memory of the configuration. NTS_ERR_CONFIG with a text that names `path`, the file
 * of the configuration, if that is none, half of one, or both ways at once. */
NTS_MUST_CHECK enum nts_status ke_config_certificates(const struct certificate_files **list,
                                                      size_t *num, const struct ke_config *config,
                                                      const char *path, struct error *error);

/* ke_config_family_of returns AF_INET, AF_INET6 or AF_UNSPEC: the family that is configured, else
 * the one that the name has by itself. */
int ke_config_family_of(const struct ke_config_time_server *server);

#endif

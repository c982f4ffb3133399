/* The configuration file of nts-time-server. */
#ifndef NTS_TIME_CONFIG_H
#define NTS_TIME_CONFIG_H

#include "service/host_options.h"

#define TIME_MAX_LISTEN 64

enum clock_source_kind { CLOCK_UPSTREAM, CLOCK_KERNEL, CLOCK_FIXED };
enum clock_mirror { CLOCK_MIRROR_BELOW, CLOCK_MIRROR_COPY };
enum unsynchronised_policy { UNSYNCHRONISED_ANSWER, UNSYNCHRONISED_SILENT };

struct clock_config {
    int source; /* enum clock_source_kind */
    const char *server;
    int mirror; /* enum clock_mirror */
    int64_t stratum;
    const char *reference_id;
    int leap; /* enum ntp_leap */
    int64_t root_delay_us;
    int64_t root_dispersion_us;
    int64_t max_offset_ms;
    int64_t max_root_distance_ms;
    int64_t holdover_s;
};

struct time_config {
    struct option_list listen; /* of union net_address */
    int64_t workers;
    bool plain_ntp;
    struct clock_config clock;
    int unsynchronised; /* enum unsynchronised_policy */
    int transport;      /* a position in transport_names */
    int64_t receive_buffer_kib;
    struct host_options host;
};

extern const struct option_table time_config_table;

/* reference_id_parse reads what a configuration calls a reference id: an IPv4 address, or one to
 * four printable ASCII characters, zero padded (RFC 5905, section 7.3). */
bool reference_id_parse(uint32_t *reference_id, const char *text);

#endif

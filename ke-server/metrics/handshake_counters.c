#include "ke-server/metrics/handshake_counters.h"

#include "base/clock_time.h"

#include <string.h>

#define LABEL(name, label) label,
const char *const tls_group_labels[TLS_NUM_GROUPS] = {TLS_GROUP_TABLE(LABEL)};
const char *const tls_version_labels[TLS_NUM_VERSIONS] = {TLS_VERSION_TABLE(LABEL)};
#undef LABEL

const double handshake_bounds_s[HANDSHAKE_NUM_BOUNDS] = {
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5};

/* The row of that label, or the last one. */
static size_t row_of(const char *const *labels, size_t num, const char *name)
{
    size_t i = 0;
    while (i < num - 1 && strcmp(labels[i], name) != 0) {
        i++;
    }
    return i;
}

size_t handshake_time_class(int64_t elapsed_ns)
{
    double elapsed_s = (double)elapsed_ns / (double)NS_PER_S;
    size_t i = 0;
    while (i < HANDSHAKE_NUM_BOUNDS && elapsed_s > handshake_bounds_s[i]) {
        i++;
    }
    return i;
}

void handshake_count(struct handshake_counters *counters, const SSL *ssl, int64_t elapsed_ns)
{
    size_t group = row_of(tls_group_labels, TLS_NUM_GROUPS, boringssl_group_name(ssl));
    size_t version = row_of(tls_version_labels, TLS_NUM_VERSIONS, SSL_get_version(ssl));
    elapsed_ns = elapsed_ns > 0 ? elapsed_ns : 0;
    counter_add(&counters->by_group[group], 1);
    counter_add(&counters->by_version[version], 1);
    counter_add(&counters->by_time[handshake_time_class(elapsed_ns)], 1);
    counter_add(&counters->time_ns, (uint64_t)elapsed_ns);
}

/* What the TLS handshakes of a worker were like: how long they took, and what they agreed on. One
 * writer each, any number of readers. */
#ifndef NTS_KE_HANDSHAKE_COUNTERS_H
#define NTS_KE_HANDSHAKE_COUNTERS_H

#include "base/counter.h"
#include "crypto/boringssl.h"

/* By the names that BoringSSL has for them; the last row is for all others. */
#define TLS_GROUP_TABLE(X)                                                                         \
    X(X25519_MLKEM768, "X25519MLKEM768")                                                           \
    X(X25519, "X25519")                                                                            \
    X(P256, "P-256")                                                                               \
    X(P384, "P-384")                                                                               \
    X(OTHER, "other")

#define TLS_VERSION_TABLE(X)                                                                       \
    X(1_3, "TLSv1.3")                                                                              \
    X(OTHER, "other")

enum tls_group {
#define TLS_GROUP_ENUM(name, label) TLS_GROUP_##name,
    TLS_GROUP_TABLE(TLS_GROUP_ENUM)
#undef TLS_GROUP_ENUM
        TLS_NUM_GROUPS
};

enum tls_version {
#define TLS_VERSION_ENUM(name, label) TLS_VERSION_##name,
    TLS_VERSION_TABLE(TLS_VERSION_ENUM)
#undef TLS_VERSION_ENUM
        TLS_NUM_VERSIONS
};

/* The labels of the rows. */
extern const char *const tls_group_labels[TLS_NUM_GROUPS];
extern const char *const tls_version_labels[TLS_NUM_VERSIONS];

/* Upper bounds of the times from accept to the end of the handshake. */
#define HANDSHAKE_NUM_BOUNDS 13
extern const double handshake_bounds_s[HANDSHAKE_NUM_BOUNDS];

struct handshake_counters {
    counter by_group[TLS_NUM_GROUPS];
    counter by_version[TLS_NUM_VERSIONS];
    counter by_time[HANDSHAKE_NUM_BOUNDS + 1]; /* the last: above all bounds */
    counter time_ns;                           /* of all together */
};

/* handshake_count counts a handshake that `ssl` has completed, `elapsed_ns` after it came. */
void handshake_count(struct handshake_counters *counters, const SSL *ssl, int64_t elapsed_ns);

/* handshake_time_class returns which element of by_time a time belongs to. */
size_t handshake_time_class(int64_t elapsed_ns);

#endif

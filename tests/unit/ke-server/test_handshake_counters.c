#include "ke-server/metrics/handshake_counters.h"

#include "base/clock_time.h"

#include <criterion/criterion.h>

Test(handshake_counters, bounds_are_inclusive_and_ascend)
{
    for (size_t i = 0; i < HANDSHAKE_NUM_BOUNDS; i++) {
        int64_t bound_ns = (int64_t)(handshake_bounds_s[i] * NS_PER_S);
        cr_assert_eq(handshake_time_class(bound_ns), i);
        cr_assert_eq(handshake_time_class(bound_ns + 1), i + 1);
    }
    cr_assert_eq(handshake_time_class(0), 0);
    cr_assert_eq(handshake_time_class(INT64_MAX), HANDSHAKE_NUM_BOUNDS);
}

/* What BoringSSL calls its groups is what the rows are found by. */
Test(handshake_counters, every_group_on_offer_has_a_row)
{
    char groups[256];
    snprintf(groups, sizeof(groups), "%s", boringssl_default_groups());
    for (char *rest = groups, *name; (name = strtok_r(rest, ":", &rest)) != NULL;) {
        size_t i = 0;
        while (i < TLS_GROUP_OTHER && strcmp(tls_group_labels[i], name) != 0) {
            i++;
        }
        cr_assert_lt(i, TLS_GROUP_OTHER, "%s", name);
    }
}

/* Whether a process should receive traffic: the reasons why not, one per line. */
#ifndef NTS_METRICS_HEALTH_H
#define NTS_METRICS_HEALTH_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct health {
    size_t len;
    char reasons[1024]; /* lines, NUL-terminated; none: healthy */
};

static inline bool health_is_good(const struct health *health)
{
    return health->len == 0;
}

/* health_add adds a reason. What does not fit is left out: it is unhealthy already. */
void health_add(struct health *health, const char *format, ...) NTS_PRINTF(2, 3);

#endif

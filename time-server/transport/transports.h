/* The transports that there are: one line each, in the order in which "auto" tries them. To add
 * one, write a file that defines transport_NAME, and its line here. */
#ifndef NTS_TIME_TRANSPORTS_H
#define NTS_TIME_TRANSPORTS_H

#include "time-server/transport/transport.h"

#define TRANSPORT_TABLE(X)                                                                         \
    X(io_uring)                                                                                    \
    X(recvmmsg)

#define TRANSPORT_DECLARE(name) extern const struct transport_ops transport_##name;
TRANSPORT_TABLE(TRANSPORT_DECLARE)
#undef TRANSPORT_DECLARE

/* Rows that a table may have, and different counters that they may have together. */
#define TRANSPORT_MAX_ROWS     8
#define TRANSPORT_MAX_COUNTERS 32

struct transport_table {
    const struct transport_ops *const *rows;
    size_t num_rows; /* up to TRANSPORT_MAX_ROWS */
};

extern const struct transport_table transports;

/* The values of the option `transport`, ends with NULL: "auto", then the names of the rows. */
extern const char *const transport_names[];

#define TRANSPORT_AUTO 0 /* as a choice; the others are row + 1 */

/* transport_candidate returns what is to be tried at `position` (from 0) for a `choice` of
 * transport_names; NULL behind the last. */
const struct transport_ops *transport_candidate(const struct transport_table *table, int choice,
                                                size_t position);

/* The counters of all transports, each name once, whichever is in use: pages and logs have the same
 * lines on every host. Those that the transport in use does not have stay 0. */
struct transport_counters {
    struct metric_row rows[TRANSPORT_MAX_COUNTERS];
    uint64_t values[TRANSPORT_MAX_COUNTERS];
    size_t num;
};

/* transport_counters_init names them, all 0, in the order of the table. */
void transport_counters_init(struct transport_counters *counters,
                             const struct transport_table *table);

/* transport_counters_add adds those of one worker on `ops`, a row of the table. */
void transport_counters_add(struct transport_counters *counters, const struct transport_ops *ops,
                            const counter *events);

#endif

#include "time-server/transport/transports.h"

#include <assert.h>
#include <string.h>

#define TRANSPORT_NAME(name) #name,
#define TRANSPORT_ROW(name)  &transport_##name,

const char *const transport_names[] = {"auto", TRANSPORT_TABLE(TRANSPORT_NAME) NULL};

static const struct transport_ops *const rows[] = {TRANSPORT_TABLE(TRANSPORT_ROW)};

_Static_assert(sizeof(rows) / sizeof(rows[0]) <= TRANSPORT_MAX_ROWS, "the table is full");

const struct transport_table transports = {rows, sizeof(rows) / sizeof(rows[0])};

const struct transport_ops *transport_candidate(const struct transport_table *table, int choice,
                                                size_t position)
{
    if (choice != TRANSPORT_AUTO) {
        return position == 0 ? table->rows[choice - 1] : NULL;
    }
    for (size_t i = 0; i < table->num_rows; i++) {
        if (table->rows[i]->is_automatic && position-- == 0) {
            return table->rows[i];
        }
    }
    return NULL;
}

/* The position of a counter by its name; counters->num if it is new. */
static size_t find_counter(const struct transport_counters *counters, const char *label)
{
    size_t at = 0;
    while (at < counters->num && strcmp(counters->rows[at].label, label) != 0) {
        at++;
    }
    return at;
}

void transport_counters_init(struct transport_counters *counters,
                             const struct transport_table *table)
{
    *counters = (struct transport_counters){0};
    for (size_t t = 0; t < table->num_rows; t++) {
        const struct transport_ops *ops = table->rows[t];
        assert(ops->num_events <= TRANSPORT_MAX_EVENTS);
        for (size_t i = 0; i < ops->num_events; i++) {
            if (find_counter(counters, ops->events[i].label) == counters->num) {
                assert(counters->num < TRANSPORT_MAX_COUNTERS);
                counters->rows[counters->num++] = ops->events[i];
            }
        }
    }
}

void transport_counters_add(struct transport_counters *counters, const struct transport_ops *ops,
                            const counter *events)
{
    for (size_t i = 0; i < ops->num_events; i++) {
        size_t at = find_counter(counters, ops->events[i].label);
        counters->values[at] += counter_read(&events[i]);
    }
}

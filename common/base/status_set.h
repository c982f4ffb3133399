/* Some of the statuses: those that one counter can count, in the order in which it shows them. A
 * set is made of the tables of status.h that concern it, so that its counter has a place for each
 * status that can occur and none that cannot. Header-only, for the packet path. */
#ifndef NTS_BASE_STATUS_SET_H
#define NTS_BASE_STATUS_SET_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct status_set {
    size_t num;
    const char *const *labels; /* status_label of each, in order */
    const uint8_t *places; /* by status: where it stands in the set, counted from 1; 0: nowhere */
};

/* status_place returns where a status stands in the set, below set->num. INTERNAL is the last of
 * each set, and stands for what the set lacks: only a mistake of ours brings that there. */
static inline size_t status_place(const struct status_set *set, enum nts_status status)
{
    size_t place = (unsigned)status < NTS_NUM_STATUS ? set->places[status] : 0;
    return place > 0 ? place - 1 : set->num - 1;
}

/* Rows of the initialisers, for X-macros over the tables. */
#define STATUS_SET_LABEL(name, label, text) label,

#endif

/* What holds for every set of statuses. */
#ifndef NTS_TESTS_STATUS_SETS_H
#define NTS_TESTS_STATUS_SETS_H

#include "base/status_set.h"

#include <criterion/criterion.h>

/* assert_status_set checks that each status of the set has one place, under its own label, and that
 * the last place is that of INTERNAL and of whatever is not in the set. */
static inline void assert_status_set(const struct status_set *set)
{
    size_t num = 0;
    for (int i = 0; i <= NTS_NUM_STATUS; i++) {
        enum nts_status status = (enum nts_status)i;
        size_t place = status_place(set, status);
        cr_assert_lt(place, set->num);
        if (i == NTS_NUM_STATUS || set->places[i] == 0) {
            cr_assert_eq(place, set->num - 1, "%s", status_label(status));
        } else {
            cr_assert_str_eq(set->labels[place], status_label(status));
            num++;
        }
    }
    cr_assert_eq(num, set->num);
    cr_assert_eq(status_place(set, NTS_ERR_INTERNAL), set->num - 1);
}

#endif

#include "ke-server/metrics/ke_counters.h"
#include "support/status_sets.h"

Test(ke_counters, results_are_those_that_a_session_can_have)
{
    assert_status_set(&ke_results);
    cr_expect_eq(status_place(&ke_results, NTS_OK), KE_RESULT_OK);
    cr_expect_eq(status_place(&ke_results, NTS_ERR_TLS), KE_RESULT_TLS);
    cr_expect_eq(status_place(&ke_results, NTS_ERR_STALE), KE_RESULT_INTERNAL);
}

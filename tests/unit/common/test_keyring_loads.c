#include "service/keyring_service.h"
#include "support/status_sets.h"

Test(keyring_service, results_are_those_that_a_load_can_have)
{
    assert_status_set(&keyring_loads);
    cr_expect_eq(status_place(&keyring_loads, NTS_OK), KEYRING_LOAD_OK);
    cr_expect_eq(status_place(&keyring_loads, NTS_ERR_STALE), KEYRING_LOAD_STALE);
    cr_expect_eq(status_place(&keyring_loads, NTS_ERR_FORGED), KEYRING_LOAD_INTERNAL);
}

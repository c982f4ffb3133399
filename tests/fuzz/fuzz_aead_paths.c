/* Fuzz target: every path of the AEADs does with a batch what BoringSSL does. The input chooses the
 * size of the batch, the algorithms, the lengths, the forgeries and the octets. */
#include "support/aead_agreement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct agreement_job batch[AGREEMENT_MAX_JOBS];
    struct octet_source source = {.data = data, .num_left = len, .state = len};
    size_t num = 1 + draw_below(&source, AGREEMENT_MAX_JOBS);
    for (size_t i = 0; i < num; i++) {
        agreement_draw_job(&source, &batch[i]);
    }
    if (!agreement_holds(batch, num)) {
        abort();
    }
    return 0;
}

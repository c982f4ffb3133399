/* One AEAD job through BoringSSL: what every machine can do, and the reference for the paths that
 * use the processor's own instructions. Only aead.c includes this. */
#ifndef NTS_CRYPTO_AEAD_BORINGSSL_H
#define NTS_CRYPTO_AEAD_BORINGSSL_H

#include "crypto/aead_job.h"

/* boringssl_run seals or opens and sets job->status. */
void boringssl_run(struct aead_job *job, bool seal);

#endif

/* What this x86-64 processor, and the operating system under it, can do. */
#ifndef NTS_CRYPTO_LANES_CPU_H
#define NTS_CRYPTO_LANES_CPU_H

#include <stdbool.h>

/* cpu_has_aesni: AES-NI, PCLMULQDQ, SSE4.1 and AVX. */
bool cpu_has_aesni(void);

/* cpu_has_vaes: VAES, VPCLMULQDQ, AVX-512 F, BW, VL and DQ, and all of cpu_has_aesni. */
bool cpu_has_vaes(void);

#endif

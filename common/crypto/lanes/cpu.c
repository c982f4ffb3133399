#include "crypto/lanes/cpu.h"

#include <cpuid.h>
#include <stdint.h>

/* What the operating system saves of the registers when it switches threads (XCR0). */
#define SAVES_AVX    UINT32_C(0x06) /* SSE, AVX */
#define SAVES_AVX512 UINT32_C(0xe6) /* and opmask, the upper halves, the upper sixteen */

static uint32_t saved_registers(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has_all(uint32_t value, uint32_t wanted)
{
    return (value & wanted) == wanted;
}

bool cpu_has_aesni(void)
{
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) {
        return false;
    }
    uint32_t wanted = bit_AES | bit_PCLMUL | bit_SSE4_1 | bit_AVX | bit_OSXSAVE;
    return has_all(c, wanted) && has_all(saved_registers(), SAVES_AVX);
}

bool cpu_has_vaes(void)
{
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
    if (!cpu_has_aesni() || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return false;
    }
    uint32_t wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ;
    return has_all(b, wanted) && has_all(c, bit_VAES | bit_VPCLMULQDQ) &&
           has_all(saved_registers(), SAVES_AVX512);
}

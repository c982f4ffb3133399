/* The lanes of lanes.h in 512-bit registers: four jobs a vector, several vectors in flight. */
#define LANES            4
#define CHAINS_IN_FLIGHT 4

#include "crypto/lanes/cpu.h"
#include "crypto/lanes/gcm_siv.h"
#include "crypto/lanes/siv.h"

/* Below that many jobs most lanes of a register would be idle, and wide instructions only slower.
 */
#define FEWEST_JOBS 3

static void siv_run_any(struct aead_job *const *jobs, size_t num, bool seal)
{
    if (num < FEWEST_JOBS) {
        lanes_aesni.siv(jobs, num, seal);
    } else {
        siv_run(jobs, num, seal);
    }
}

static void gcm_siv_run_any(struct aead_job *const *jobs, size_t num, bool seal)
{
    if (num < FEWEST_JOBS) {
        lanes_aesni.gcm_siv(jobs, num, seal);
    } else {
        gcm_siv_run(jobs, num, seal);
    }
}

const struct lanes lanes_vaes = {cpu_has_vaes, siv_run_any, gcm_siv_run_any};

#include "time-server/clock/clock_state.h"

#include "base/clock_time.h"

#include <string.h>

int64_t clock_root_dispersion_ns(const struct clock_status *status, int64_t now_ns)
{
    int64_t age_ns = now_ns - status->updated_at_ns;
    if (age_ns < 0) {
        age_ns = 0;
    }
    return status->root_dispersion_ns + age_ns / 1000000 * CLOCK_DRIFT_PPM;
}

bool clock_is_fit(const struct clock_status *status, const struct clock_limits *limits,
                  int64_t now_ns)
{
    if (!status->is_usable || status->updated_at_ns == 0 ||
        status->leap == NTP_LEAP_UNSYNCHRONISED || status->stratum < 1 ||
        status->stratum > NTP_MAX_STRATUM) {
        return false;
    }
    if (now_ns - status->updated_at_ns > limits->holdover_ns) {
        return false;
    }
    return status->root_delay_ns / 2 + clock_root_dispersion_ns(status, now_ns) <=
           limits->max_root_distance_ns;
}

const char *clock_trouble(const struct clock_status *status, const struct clock_limits *limits,
                          int64_t now_ns)
{
    if (clock_is_fit(status, limits, now_ns)) {
        return NULL;
    }
    if (!status->is_usable && status->trouble != NULL) {
        return status->trouble;
    }
    if (status->stratum < 1 || status->stratum > NTP_MAX_STRATUM) {
        return "the stratum is not one that a server can have";
    }
    return now_ns - status->updated_at_ns > limits->holdover_ns
               ? "nothing heard from the source for longer than holdover_s"
               : "root distance is above max_root_distance_ms";
}

int8_t clock_precision(void)
{
    /* The least difference between two readings that differ. */
    int64_t least_ns = NS_PER_S;
    for (int i = 0; i < 1000; i++) {
        int64_t first_ns = real_time_ns();
        int64_t second_ns;
        do {
            second_ns = real_time_ns();
        } while (second_ns == first_ns);
        int64_t step_ns = second_ns - first_ns;
        least_ns = step_ns > 0 && step_ns < least_ns ? step_ns : least_ns;
    }
    int8_t precision = 0;
    while (precision > -30 && NS_PER_S >> -(precision - 1) >= least_ns) {
        precision--;
    }
    return precision;
}

/* Every word is released and acquired on its own: a reader that sees one word of a newer post also
 * sees that the sequence has moved, and tries again. */
void clock_board_post(struct clock_board *board, const struct clock_status *status)
{
    uint64_t words[CLOCK_BOARD_WORDS] = {0};
    memcpy(words, status, sizeof(*status));
    unsigned sequence = atomic_load_explicit(&board->sequence, memory_order_relaxed);
    atomic_store_explicit(&board->sequence, sequence + 1, memory_order_relaxed);
    for (size_t i = 0; i < CLOCK_BOARD_WORDS; i++) {
        atomic_store_explicit(&board->words[i], words[i], memory_order_release);
    }
    atomic_store_explicit(&board->sequence, sequence + 2, memory_order_release);
}

void clock_board_read(struct clock_board *board, struct clock_status *status)
{
    uint64_t words[CLOCK_BOARD_WORDS];
    unsigned before;
    unsigned after;
    do {
        before = atomic_load_explicit(&board->sequence, memory_order_acquire);
        for (size_t i = 0; i < CLOCK_BOARD_WORDS; i++) {
            words[i] = atomic_load_explicit(&board->words[i], memory_order_acquire);
        }
        after = atomic_load_explicit(&board->sequence, memory_order_relaxed);
    } while (before != after || (before & 1) != 0);
    memcpy(status, words, sizeof(*status));
}

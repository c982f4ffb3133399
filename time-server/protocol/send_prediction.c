#include "time-server/protocol/send_prediction.h"

#define MAX_FIRST_STEP_NS 300
#define MAX_NEXT_STEP_NS  10
#define MAX_ERROR_NS      1000000 /* farther off is not the sending, but something else */
#define MAX_FIRST_NS      200000
#define MAX_NEXT_NS       50000

static int64_t within(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

void send_prediction_learn(struct send_prediction *prediction, size_t position, int64_t error_ns)
{
    if (error_ns < -MAX_ERROR_NS || error_ns > MAX_ERROR_NS) {
        return;
    }
    error_ns -= prediction->first_ns * 2 / 3; /* what asking has cost */
    if (position == 0) {
        int64_t step_ns = within(error_ns / 4, -MAX_FIRST_STEP_NS, MAX_FIRST_STEP_NS);
        prediction->first_ns = within(prediction->first_ns + step_ns, 0, MAX_FIRST_NS);
    } else {
        /* Each of the replies before it has its share in the error. */
        int64_t step_ns =
            within(error_ns / (4 * (int64_t)position), -MAX_NEXT_STEP_NS, MAX_NEXT_STEP_NS);
        prediction->next_ns = within(prediction->next_ns + step_ns, 0, MAX_NEXT_NS);
    }
}

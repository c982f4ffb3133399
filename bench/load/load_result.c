#include "load/load_result.h"

#include "base/clock_time.h"

/* A generator that leaves out more than this is not keeping up. */
#define MIN_SHARE_OF_WANTED 0.99

/* A server that still answers when this much time has passed has a queue that grows. */
#define MAX_SHARE_OF_TIME 1.05

static const char *const outcome_names[NUM_LOAD_OUTCOMES] = {
#define LOAD_OUTCOME_NAME(name, label) label,
    LOAD_OUTCOME_TABLE(LOAD_OUTCOME_NAME)
#undef LOAD_OUTCOME_NAME
};

const char *load_outcome_name(enum load_outcome outcome)
{
    return outcome_names[outcome];
}

uint64_t load_result_sum(const struct load_result *result, enum load_outcome outcome)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < NUM_REQUEST_KINDS; i++) {
        sum += result->kinds[i].outcomes[outcome];
    }
    return sum;
}

uint64_t load_result_sent(const struct load_result *result, bool owed_only)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < NUM_REQUEST_KINDS; i++) {
        if (!owed_only || request_is_answered((enum request_kind)i)) {
            sum += result->kinds[i].sent;
        }
    }
    return sum;
}

double load_result_loss(const struct load_result *result)
{
    uint64_t num_owed = load_result_sent(result, true);
    uint64_t num_lost =
        load_result_sum(result, OUTCOME_LOST) + load_result_sum(result, OUTCOME_FAILED);
    return num_owed > 0 ? (double)num_lost / (double)num_owed : 0;
}

static double per_second(uint64_t num, int64_t ns)
{
    return ns > 0 ? (double)num * (double)NS_PER_S / (double)ns : 0;
}

double load_result_sent_rate(const struct load_result *result)
{
    return per_second(load_result_sent(result, false), result->sending_ns);
}

double load_result_answer_rate(const struct load_result *result)
{
    return per_second(load_result_sum(result, OUTCOME_ANSWERED) +
                          load_result_sum(result, OUTCOME_NAKED) +
                          load_result_sum(result, OUTCOME_KISSED),
                      result->elapsed_ns);
}

double load_result_cpu_share(const struct load_result *result)
{
    double elapsed_s = (double)result->elapsed_ns / (double)NS_PER_S;
    return elapsed_s > 0 ? (result->cpu_user_s + result->cpu_system_s) / elapsed_s : 0;
}

double load_result_idle_share(const struct load_result *result)
{
    return result->elapsed_ns > 0 ? (double)result->idle_ns / (double)result->elapsed_ns : 0;
}

static bool left_in_time(const struct load_result *result)
{
    return result->wanted_rate <= 0 || load_result_sent(result, false) == 0 ||
           load_result_sent_rate(result) >= MIN_SHARE_OF_WANTED * result->wanted_rate;
}

bool load_result_kept_pace(const struct load_result *result)
{
    return left_in_time(result) &&
           (double)result->elapsed_ns <= MAX_SHARE_OF_TIME * (double)result->sending_ns;
}

bool load_result_fell_short(const struct load_result *result)
{
    return !left_in_time(result) && !result->is_starved;
}

bool load_result_is_clean(const struct load_result *result)
{
    uint64_t num_naks = load_result_sum(result, OUTCOME_NAKED) -
                        result->kinds[REQUEST_BAD_COOKIE].outcomes[OUTCOME_NAKED];
    uint64_t num_opened = result->kinds[REQUEST_BAD_COOKIE].outcomes[OUTCOME_ANSWERED];
    return load_result_sum(result, OUTCOME_FAILED) == 0 &&
           load_result_sum(result, OUTCOME_KISSED) == 0 && num_naks == 0 && num_opened == 0 &&
           result->unexpected == 0;
}

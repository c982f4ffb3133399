#include "base/clock_time.h"
#include "limit/source_budget.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#define START_NS (INT64_C(1000) * NS_PER_S)

static const struct budget_terms terms = {.rate = 10, .burst = 5};
static struct source_budget budget;

static void open_budget(void)
{
    uint8_t key[SOURCE_BUDGET_KEY_LEN];
    memset(key, 0x5a, sizeof(key));
    cr_assert_eq(source_budget_open(&budget, key, START_NS), NTS_OK);
}

static void close_budget(void)
{
    source_budget_close(&budget);
}

#define BUDGET_TEST(name) Test(source_budget, name, .init = open_budget, .fini = close_budget)

static struct ip_bits source_number(uint64_t number)
{
    return (struct ip_bits){.high = UINT64_C(0x20010db8) << 32 | number, .low = 0};
}

/* How many of `num` requests at the same time are admitted. */
static size_t take(const struct budget_terms *of, uint64_t number, size_t num, int64_t now_ns)
{
    size_t num_taken = 0;
    for (size_t i = 0; i < num; i++) {
        num_taken += source_budget_take(&budget, of, source_number(number), now_ns) ? 1 : 0;
    }
    return num_taken;
}

BUDGET_TEST(gives_the_burst_and_not_one_more)
{
    cr_assert_eq(take(&terms, 1, 100, START_NS), 5);
    cr_assert_eq(take(&terms, 1, 100, START_NS), 0);
}

BUDGET_TEST(refills_at_the_rate)
{
    int64_t now_ns = START_NS;
    cr_assert_eq(take(&terms, 1, 100, now_ns), 5);
    now_ns += 99 * NS_PER_MS;
    cr_assert_eq(take(&terms, 1, 100, now_ns), 0, "one tenth of a second is not over");
    now_ns += 1 * NS_PER_MS;
    cr_assert_eq(take(&terms, 1, 100, now_ns), 1);
    now_ns += 300 * NS_PER_MS;
    cr_assert_eq(take(&terms, 1, 100, now_ns), 3);
    now_ns += 3600 * NS_PER_S;
    cr_assert_eq(take(&terms, 1, 100, now_ns), 5, "and never holds more than the burst");
}

BUDGET_TEST(admits_who_keeps_to_the_rate_for_ever)
{
    for (int64_t i = 0; i < 1000; i++) {
        cr_assert_eq(take(&terms, 1, 1, START_NS + i * NS_PER_S / 10), 1);
    }
}

BUDGET_TEST(gives_who_asks_too_much_the_rate_and_no_less)
{
    size_t num = 0;
    for (int64_t i = 0; i < 10000; i++) { /* a thousand a second */
        num += take(&terms, 1, 1, START_NS + i * NS_PER_MS);
    }
    cr_assert_geq(num, 100);
    cr_assert_leq(num, 100 + 5);
}

BUDGET_TEST(keeps_sources_apart)
{
    cr_assert_eq(take(&terms, 1, 100, START_NS), 5);
    cr_assert_eq(take(&terms, 2, 100, START_NS), 5);
    cr_assert_eq(take(&terms, 1, 100, START_NS), 0);
}

BUDGET_TEST(knows_the_fastest_rate_and_the_longest_burst)
{
    static const struct budget_terms fast = {SOURCE_BUDGET_MAX_RATE, 1};
    static const struct budget_terms patient = {1, SOURCE_BUDGET_MAX_BURST};
    cr_assert_eq(take(&fast, 1, 10, START_NS), 1);
    cr_assert_eq(take(&fast, 1, 10, START_NS + 9000), 0);
    cr_assert_eq(take(&fast, 1, 10, START_NS + 10000), 1);
    cr_assert_eq(take(&patient, 2, 2 * SOURCE_BUDGET_MAX_BURST, START_NS), SOURCE_BUDGET_MAX_BURST);
    cr_assert_eq(take(&patient, 2, 10, START_NS + NS_PER_S), 1);
}

/* The time in a bucket goes round in 52 days. */
BUDGET_TEST(does_not_lose_anybody_when_its_time_goes_round)
{
    cr_assert_eq(take(&terms, 1, 100, START_NS), 5);
    for (int64_t day = 1; day < 120; day++) {
        int64_t now_ns = START_NS + day * 86400 * NS_PER_S;
        cr_assert_eq(take(&terms, 1000 + (uint64_t)day, 100, now_ns), 5, "day %d", (int)day);
        cr_assert_eq(take(&terms, 1, 100, now_ns), 5, "day %d", (int)day);
    }
}

BUDGET_TEST(takes_shorter_terms_at_once)
{
    static const struct budget_terms generous = {1, 1000};
    cr_assert_eq(take(&generous, 1, 2000, START_NS), 1000);
    /* A bucket that is further from full than it can be by the new terms counts as a full one. */
    cr_assert_eq(take(&terms, 1, 100, START_NS), 5);
}

/* More sources than there are buckets: those who were over their budgets stay so, since it is the
 * fullest buckets that give way. */
BUDGET_TEST(forgets_those_who_ask_most_last)
{
    enum { NUM_GREEDY = 1000, NUM_OTHERS = 4 * SOURCE_BUDGET_SETS * SOURCE_BUDGET_WAYS };
    for (uint64_t i = 0; i < NUM_GREEDY; i++) {
        cr_assert_eq(take(&terms, i, 100, START_NS), 5);
    }
    for (uint64_t i = 0; i < NUM_OTHERS; i++) {
        cr_assert_eq(take(&terms, NUM_GREEDY + i, 1, START_NS), 1, "nobody pays for others");
    }
    size_t num_again = 0;
    for (uint64_t i = 0; i < NUM_GREEDY; i++) {
        num_again += take(&terms, i, 1, START_NS);
    }
    cr_assert_leq(num_again, NUM_GREEDY / 100);
}

BUDGET_TEST(spreads_sources_by_its_key)
{
    struct source_budget first = budget;
    uint8_t key[SOURCE_BUDGET_KEY_LEN] = {1};
    cr_assert_eq(source_budget_open(&budget, key, START_NS), NTS_OK);
    take(&terms, 1, 1, START_NS);
    size_t at[2] = {0};
    const struct source_budget *tables[2] = {&first, &budget};
    source_budget_take(&first, &terms, source_number(1), START_NS);
    for (size_t t = 0; t < 2; t++) {
        while (tables[t]->buckets[at[t]] == 0) {
            at[t]++;
        }
    }
    cr_assert_neq(at[0] / SOURCE_BUDGET_WAYS, at[1] / SOURCE_BUDGET_WAYS);
    source_budget_close(&first);
}

#define NUM_THREADS 4

static void *take_many(void *result)
{
    static const struct budget_terms shared = {1, 10000};
    *(size_t *)result = take(&shared, 1, 10000, START_NS);
    return NULL;
}

/* One source whose ports the kernel has spread over several workers has one budget. */
BUDGET_TEST(is_one_for_all_workers)
{
    pthread_t threads[NUM_THREADS];
    size_t taken[NUM_THREADS];
    size_t sum = 0;
    static const struct budget_terms shared = {1, 10000};
    cr_assert_eq(take(&shared, 1, 1, START_NS), 1);
    for (size_t i = 0; i < NUM_THREADS; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, take_many, &taken[i]), 0);
    }
    for (size_t i = 0; i < NUM_THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += taken[i];
    }
    cr_assert_eq(sum, 10000 - 1);
}

/* bench-micro: nanoseconds of the packet path's crypto, and of whole requests, for every path of
 * the AEADs. Rounds alternate between the paths, so that the machine's drift cancels; what is
 * printed is the median. */
#include "base/arguments.h"
#include "base/clock_time.h"
#include "micro_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROUNDS  1001
#define ROUND_NS    (100 * 1000) /* of one path in one round */
#define JSON_SCHEMA "nts-bench-micro/1"

static void run_open_cookies(struct fixture *f, size_t num)
{
    cookie_open_batch(f->ring, f->opens, num, real_time_ns() / NS_PER_S);
}

static void run_verify(struct fixture *f, size_t num)
{
    aead_open_batch(f->verifies, num);
}

static void run_seal_cookies(struct fixture *f, size_t num)
{
    if (cookie_seal_batch(f->mints, num, &f->random) != NTS_OK) {
        abort();
    }
}

static void run_seal_replies(struct fixture *f, size_t num)
{
    aead_seal_batch(f->seals, num);
}

static void run_answer(struct fixture *f, size_t num)
{
    answer_batch(f->engine, f->datagrams, num, &f->context);
}

static const struct {
    const char *name;
    void (*run)(struct fixture *f, size_t num);
} operations[] = {
    {"open_cookies", run_open_cookies}, {"verify_requests", run_verify},
    {"seal_cookies", run_seal_cookies}, {"seal_replies", run_seal_replies},
    {"answer_batch", run_answer},
};

#define NUM_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static const uint16_t aead_ids[] = {AEAD_AES_SIV_CMAC_256, AEAD_AES_128_GCM_SIV};
static const size_t batch_sizes[] = {1, 8, 32};

struct options {
    size_t num_rounds;
    bool json;
    /* One case only, so often, for callgrind; NULL: all, timed. */
    const char *operation;
    const char *path;
    unsigned long aead_id;
    unsigned long batch;
    unsigned long num_times;
};

static void run_times(struct fixture *f, size_t operation, size_t batch, size_t num_times)
{
    for (size_t i = 0; i < num_times; i++) {
        operations[operation].run(f, batch);
    }
}

static int compare_doubles(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return left < right ? -1 : left > right;
}

/* How often a path has to run for a round to be long enough to time. */
static size_t calibrate(struct fixture *f, size_t operation, size_t batch)
{
    size_t num_times = 1;
    for (;;) {
        int64_t start_ns = mono_time_ns();
        run_times(f, operation, batch, num_times);
        if (mono_time_ns() - start_ns > ROUND_NS) {
            return num_times;
        }
        num_times *= 2;
    }
}

/* Fills `ns[path]` with the nanoseconds of one of the batch. */
static void measure(double ns[AEAD_NUM_PATHS], struct fixture *f, size_t operation, size_t batch,
                    size_t num_rounds)
{
    static double samples[AEAD_NUM_PATHS][MAX_ROUNDS];
    size_t num_times[AEAD_NUM_PATHS] = {0};
    for (size_t round = 0; round < num_rounds; round++) {
        for (int path = 0; path < AEAD_NUM_PATHS; path++) {
            if (!aead_path_is_present((enum aead_path)path)) {
                continue;
            }
            aead_path_select((enum aead_path)path);
            if (num_times[path] == 0) {
                num_times[path] = calibrate(f, operation, batch);
            }
            int64_t start_ns = mono_time_ns();
            run_times(f, operation, batch, num_times[path]);
            double elapsed_ns = (double)(mono_time_ns() - start_ns);
            samples[path][round] = elapsed_ns / (double)(num_times[path] * batch);
        }
    }
    for (int path = 0; path < AEAD_NUM_PATHS; path++) {
        qsort(samples[path], num_rounds, sizeof(double), compare_doubles);
        ns[path] = num_times[path] > 0 ? samples[path][num_rounds / 2] : 0;
    }
}

static void print_case(const struct options *options, bool *is_first, uint16_t aead_id,
                       size_t operation, size_t batch, const double ns[AEAD_NUM_PATHS])
{
    if (options->json) {
        printf("%s\n    {\"operation\": \"%s\", \"aead\": %u, \"batch\": %zu, \"ns\": {",
               *is_first ? "" : ",", operations[operation].name, aead_id, batch);
    } else {
        printf("%-16s %4u %5zu ", operations[operation].name, aead_id, batch);
    }
    const char *separator = "";
    for (int path = 0; path < AEAD_NUM_PATHS; path++) {
        const char *name = aead_path_name((enum aead_path)path);
        if (!options->json) {
            printf(ns[path] > 0 ? " %9.1f" : "         -", ns[path]);
        } else if (ns[path] > 0) {
            printf("%s\"%s\": %.1f", separator, name, ns[path]);
            separator = ", ";
        }
    }
    printf(options->json ? "}}" : "  %8.2f\n", ns[AEAD_PATH_BORINGSSL] / ns[aead_path_current()]);
    *is_first = false;
    fflush(stdout);
}

static void print_heading(const struct options *options)
{
    if (options->json) {
        printf("{\"schema\": \"%s\", \"rounds\": %zu, \"results\": [", JSON_SCHEMA,
               options->num_rounds);
        return;
    }
    printf("Nanoseconds for one of the batch, median of %zu rounds; last: boringssl / best path\n",
           options->num_rounds);
    printf("%-16s %4s %5s ", "operation", "aead", "batch");
    for (int path = 0; path < AEAD_NUM_PATHS; path++) {
        printf(" %9s", aead_path_name((enum aead_path)path));
    }
    printf("  %8s\n", "ratio");
}

static void measure_all(const struct options *options)
{
    const enum aead_path best = aead_path_current();
    bool is_first = true;
    print_heading(options);
    for (size_t a = 0; a < 2; a++) {
        struct fixture *f = fixture_create(aead_find(aead_ids[a]), KEY_LAYOUT_CHRONY_SIV);
        for (size_t operation = 0; operation < NUM_OPERATIONS; operation++) {
            for (size_t b = 0; b < 3; b++) {
                double ns[AEAD_NUM_PATHS];
                measure(ns, f, operation, batch_sizes[b], options->num_rounds);
                aead_path_select(best);
                print_case(options, &is_first, aead_ids[a], operation, batch_sizes[b], ns);
            }
        }
        fixture_destroy(f);
    }
    printf(options->json ? "\n]}\n" : "");
}

/* Runs one case without timing it. Exit status 3: this machine does not have the path. */
static int run_one(const struct options *options)
{
    int path = 0;
    size_t operation = 0;
    while (path < AEAD_NUM_PATHS &&
           strcmp(aead_path_name((enum aead_path)path), options->path) != 0) {
        path++;
    }
    while (operation < NUM_OPERATIONS &&
           strcmp(operations[operation].name, options->operation) != 0) {
        operation++;
    }
    const struct aead_algorithm *aead = aead_find((uint16_t)options->aead_id);
    if (path == AEAD_NUM_PATHS || operation == NUM_OPERATIONS || aead == NULL) {
        fprintf(stderr, "bench-micro: no such operation, path or aead\n");
        return 2;
    }
    if (!aead_path_is_present((enum aead_path)path)) {
        fprintf(stderr, "bench-micro: this machine does not have the path %s\n", options->path);
        return 3;
    }
    aead_path_select((enum aead_path)path);
    struct fixture *f = fixture_create(aead, KEY_LAYOUT_CHRONY_SIV);
    run_times(f, operation, options->batch, options->num_times);
    fixture_destroy(f);
    return 0;
}

#define FIELD(field) ARGUMENT_FIELD(struct options, field)

/* clang-format off */
static const struct argument_row rows[] = {
    {.heading = "All operations",
     .name = "rounds", .value = "N",
     .kind = ARGUMENT_INTEGER, FIELD(num_rounds), .min = 1, .max = MAX_ROUNDS,
     .default_value = "101",
     .help = "rounds, of which the median is printed"},
    {.name = "json",
     .kind = ARGUMENT_FLAG, FIELD(json),
     .help = "print one JSON object"},
    {.heading = "One operation, for callgrind: prints nothing",
     .name = "operation", .value = "NAME",
     .kind = ARGUMENT_TEXT, FIELD(operation),
     .help = "run this operation alone"},
    {.name = "path", .value = "NAME",
     .kind = ARGUMENT_TEXT, FIELD(path),
     .help = "path of the AEAD (default: the fastest of this machine)"},
    {.name = "aead", .value = "ID",
     .kind = ARGUMENT_INTEGER, FIELD(aead_id), .max = UINT16_MAX, .default_value = "15",
     .help = "the AEAD algorithm"},
    {.name = "batch", .value = "N",
     .kind = ARGUMENT_INTEGER, FIELD(batch), .min = 1, .max = ANSWER_MAX_BATCH,
     .default_value = "32",
     .help = "requests in a batch"},
    {.name = "times", .value = "N",
     .kind = ARGUMENT_INTEGER, FIELD(num_times), .default_value = "1000",
     .help = "number of batches"},
};
/* clang-format on */

static const struct argument_command commands[] = {{.name = NULL}};

static const struct argument_program program = {
    .name = "bench-micro",
    .purpose = "nanoseconds per operation for every path of the AEADs",
    .commands = commands,
    .num_commands = 1,
    .rows = rows,
    .num_rows = sizeof(rows) / sizeof(rows[0]),
    .notes = "Exit status: 2 wrong command line; 3 this machine does not have the path.",
    .usage_status = 2,
};

int main(int argc, char **argv)
{
    struct options options = {.path = aead_path_name(aead_path_current())};
    size_t command;
    int exit_status = arguments_parse(&options, &command, &program, argc, argv);
    if (exit_status >= 0) {
        return exit_status;
    }
    if (options.operation != NULL) {
        return run_one(&options);
    }
    measure_all(&options);
    return 0;
}

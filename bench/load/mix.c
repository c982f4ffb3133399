#include "load/mix.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    bool is_answered;
} kinds[NUM_REQUEST_KINDS] = {
#define REQUEST_KIND_ROW(name, label, is_owed) {label, is_owed},
    REQUEST_KIND_TABLE(REQUEST_KIND_ROW)
#undef REQUEST_KIND_ROW
};

const char *request_kind_name(enum request_kind kind)
{
    return kinds[kind].name;
}

bool request_is_answered(enum request_kind kind)
{
    return kinds[kind].is_answered;
}

struct mix mix_only(enum request_kind kind)
{
    struct mix mix = {0};
    mix.weights[kind] = 1;
    return mix;
}

static bool find_kind(size_t *kind, const char *name, size_t name_len)
{
    for (size_t i = 0; i < NUM_REQUEST_KINDS; i++) {
        if (strlen(kinds[i].name) == name_len && memcmp(kinds[i].name, name, name_len) == 0) {
            *kind = i;
            return true;
        }
    }
    return false;
}

bool mix_parse(struct mix *mix, const char *text)
{
    bool has[NUM_REQUEST_KINDS] = {false};
    uint64_t sum = 0;
    *mix = (struct mix){0};
    for (;;) {
        size_t kind;
        const char *equals = strchr(text, '=');
        if (equals == NULL || !find_kind(&kind, text, (size_t)(equals - text)) || has[kind] ||
            equals[1] < '0' || equals[1] > '9') {
            return false;
        }
        char *end;
        unsigned long long weight = strtoull(equals + 1, &end, 10);
        if ((*end != ',' && *end != '\0') || weight > MIX_MAX_WEIGHT) {
            return false;
        }
        has[kind] = true;
        mix->weights[kind] = (uint32_t)weight;
        sum += weight;
        if (*end == '\0') {
            return sum > 0;
        }
        text = end + 1;
    }
}

/* Every kind earns its weight, the richest is next and pays for all. */
enum request_kind mix_next(struct mix *mix)
{
    size_t richest = 0;
    int64_t sum = 0;
    for (size_t i = 0; i < NUM_REQUEST_KINDS; i++) {
        sum += mix->weights[i];
        mix->credits[i] += mix->weights[i];
        if (mix->credits[i] > mix->credits[richest]) {
            richest = i;
        }
    }
    mix->credits[richest] -= sum;
    return (enum request_kind)richest;
}

bool mix_has(const struct mix *mix, enum request_kind kind)
{
    return mix->weights[kind] > 0;
}

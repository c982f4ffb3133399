#include "config/config.h"

#include "log/log.h"

#include <string.h>

static bool same_value(const struct option_row *row, const void *a, const void *b);

static bool same_object(const struct option_table *table, const char *a, const char *b)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        const struct option_row *row = &table->rows[i];
        if (!same_value(row, a + row->offset, b + row->offset)) {
            return false;
        }
    }
    return true;
}

static bool same_list(const struct option_row *element, const struct option_list *a,
                      const struct option_list *b)
{
    size_t size = option_field_size(element);
    if (a->num != b->num) {
        return false;
    }
    for (size_t i = 0; i < a->num; i++) {
        if (!same_value(element, (char *)a->items + i * size, (char *)b->items + i * size)) {
            return false;
        }
    }
    return true;
}

static bool same_value(const struct option_row *row, const void *a, const void *b)
{
    switch (row->type) {
    case OPTION_STRING:
    case OPTION_PATH: {
        const char *left = *(const char *const *)a;
        const char *right = *(const char *const *)b;
        return left == right || (left != NULL && right != NULL && strcmp(left, right) == 0);
    }
    case OPTION_OBJECT:
        return same_object(row->members, a, b);
    case OPTION_LIST:
        return same_list(row->element, a, b);
    default:
        return memcmp(a, b, option_field_size(row)) == 0;
    }
}

static bool same_field(const struct option_row *row, const void *old_values, const void *new_values)
{
    return same_value(row, (const char *)old_values + row->offset,
                      (const char *)new_values + row->offset);
}

const char *config_needs_restart(const struct option_table *table, const void *old_values,
                                 const void *new_values, size_t *row)
{
    while (*row < table->num_rows) {
        const struct option_row *option = &table->rows[(*row)++];
        if (option->needs_restart && !same_field(option, old_values, new_values)) {
            return option->name;
        }
    }
    return NULL;
}

void config_log_needs_restart(const struct option_table *table, const void *old_values,
                              const void *new_values)
{
    size_t row = 0;
    const char *name;
    while ((name = config_needs_restart(table, old_values, new_values, &row)) != NULL) {
        log_warning("config.needs_restart",
                    "option=%s effect=\"unchanged until a restart or a hand-over\"", name);
    }
}

bool config_differs(const struct option_table *table, const char *name, const void *old_values,
                    const void *new_values)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        if (strcmp(table->rows[i].name, name) == 0) {
            return !same_field(&table->rows[i], old_values, new_values);
        }
    }
    return false;
}

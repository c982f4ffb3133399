#include "runtime/config.h"

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

const char *config_needs_restart(const struct option_table *table, const void *old_values,
                                 const void *new_values)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        const struct option_row *row = &table->rows[i];
        if (row->needs_restart && !same_value(row, (const char *)old_values + row->offset,
                                              (const char *)new_values + row->offset)) {
            return row->name;
        }
    }
    return NULL;
}

/* Strict JSON configuration from a table: one row per option gives name, type, place, range,
 * default, unit and help. Error texts and the reference page come from the same rows.
 * Errors name the file, the path of the key, the value and what was expected. Start-up only. */
#ifndef NTS_CONFIG_CONFIG_H
#define NTS_CONFIG_CONFIG_H

#include "base/address.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_type {
    OPTION_BOOL,    /* bool */
    OPTION_INT,     /* int64_t, from min to max */
    OPTION_STRING,  /* const char *, of min to max octets, no control characters */
    OPTION_PATH,    /* const char *, relative to the directory of the file, or a credential:
                       "${CREDENTIALS_DIRECTORY}/NAME" */
    OPTION_ADDRESS, /* union net_address, min is the default port */
    OPTION_CHOICE,  /* int, index into choices */
    OPTION_OBJECT,  /* a struct, laid out by members */
    OPTION_LIST,    /* struct option_list of min to max elements */
};

struct option_list {
    void *items; /* an array of the element's type */
    size_t num;
};

struct option_row;

/* The members of an object, and the size of the struct that holds their values. */
struct option_table {
    const struct option_row *rows;
    size_t num_rows;
    size_t struct_size;
};

struct option_row {
    const char *name; /* NULL for the element of a list */
    enum option_type type;
    size_t offset; /* of the field in its struct */
    int64_t min;
    int64_t max;
    const char *default_json; /* as it would stand in the file; NULL: must be given; "null": absent,
                                 the field stays zero */
    const char *const *choices;         /* OPTION_CHOICE, ends with NULL */
    const struct option_table *members; /* OPTION_OBJECT */
    const struct option_row *element;   /* OPTION_LIST */
    /* A rule beyond type and range, over the parsed field. NULL if it holds, else what was expected
     * (static text). */
    const char *(*check)(const void *field);
    bool needs_restart; /* a reload does not change it */
    const char *unit;
    const char *help;
};

/* Owns what the values point to. */
struct config_memory {
    void **blocks;
    size_t num_blocks;
};

/* config_load reads the file at `path` into `values`, a struct of table->struct_size bytes, all of
 * it set. NTS_ERR_CONFIG (with text) or NTS_ERR_NO_MEMORY; on error nothing is to be freed. */
NTS_MUST_CHECK enum nts_status config_load(void *values, struct config_memory *memory,
                                           const struct option_table *table, const char *path,
                                           struct error *error);

/* config_free returns what config_load took; the values mean nothing afterwards. */
void config_free(struct config_memory *memory);

/* config_needs_restart compares two sets of values and returns the name of the next option, from
 * row
 * `*row` on, that differs and that a reload cannot change; NULL if there is none. `*row` is moved
 * on; it begins with 0. */
const char *config_needs_restart(const struct option_table *table, const void *old_values,
                                 const void *new_values, size_t *row);

/* config_log_needs_restart logs all of these options. */
void config_log_needs_restart(const struct option_table *table, const void *old_values,
                              const void *new_values);

/* config_differs tells whether two sets of values differ in the option `name`. */
bool config_differs(const struct option_table *table, const char *name, const void *old_values,
                    const void *new_values);

/* option_field_size returns the size of the field that holds a value of that row. */
size_t option_field_size(const struct option_row *row);

/* config_print_reference writes the table as Markdown. */
void config_print_reference(FILE *out, const struct option_table *table);

#endif

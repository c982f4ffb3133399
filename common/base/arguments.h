/* Command lines from a table: one row per option gives name, letter, kind of value, place, range,
 * default and help. Parsing, error texts and --help come from the same rows.
 *
 * Long options may be shortened as long as the name stays unambiguous, their value follows as
 * `--name value` or `--name=value`; letters may be joined (`-46`, `-cFILE`). Options and operands
 * may be mixed; after `--` all are operands. An option that is repeated replaces the value before,
 * but for ARGUMENT_LIST. Start-up only: one thread, no allocation. */
#ifndef NTS_BASE_ARGUMENTS_H
#define NTS_BASE_ARGUMENTS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum argument_kind {
    ARGUMENT_FLAG,     /* bool, set to true; takes no value, as the next two */
    ARGUMENT_CONSTANT, /* int, set to row->constant */
    ARGUMENT_ACTION,   /* row->act(values) prints something, then the program ends with status 0 */
    ARGUMENT_TEXT,     /* const char *, borrowed from argv */
    ARGUMENT_INTEGER,  /* any integer type, from min to max */
    ARGUMENT_REAL,     /* double, from min to max; finite */
    ARGUMENT_DURATION, /* int64_t, seconds: what duration_parse reads, at least min */
    ARGUMENT_CHOICE,   /* int or an enum, index into choices */
    ARGUMENT_HOST,     /* char[HOST_TEXT_LEN], with the uint16_t port as companion */
    ARGUMENT_LIST,     /* const char *[], borrowed; the size_t number of them as companion */
    ARGUMENT_CUSTOM,   /* row->take(field, text) reads it */
};

struct argument_row {
    const char *heading; /* begins a group of rows in the help; NULL: the group goes on */
    const char *name;    /* without dashes; NULL: only a letter */
    char letter;         /* 0: none */
    enum argument_kind kind;
    const char *value;    /* its name in the help, "FILE"; NULL for kinds without one */
    const char *help;     /* begins in lower case; wrapped when printed */
    unsigned taken_by;    /* one bit for each command, by index; 0: all */
    unsigned required_by; /* likewise; 0: none */
    size_t offset;        /* of the field, see ARGUMENT_FIELD */
    size_t size;          /* of the field */
    size_t companion;     /* offset of the port or the number */
    double min;
    double max;                 /* 0: no limit */
    const char *unit;           /* for error texts, "seconds"; NULL: none */
    const char *default_value;  /* as it would be given; NULL: the field keeps what it has */
    const char *const *choices; /* ends with NULL */
    int constant;
    uint16_t default_port; /* ARGUMENT_HOST; 0: the port must be given */
    void (*act)(const void *values);
    bool (*take)(void *field, const char *text); /* false if the value is wrong */
    const char *expected;                        /* for error texts; NULL: made from the kind */
};

/* The offset and size of a row's field in the struct of values. */
#define ARGUMENT_FIELD(type, field)                                                                \
    .offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field)

/* Operands are rows too, without names; `value` names them in the help. */
struct argument_command {
    const char *name; /* NULL: the program has no sub-commands */
    const char *help;
    const struct argument_row *operand; /* one, or any number of an ARGUMENT_LIST; NULL: none.
                                           Mandatory if its required_by is not 0 */
};

#define ARGUMENTS_MAX_ROWS 64

struct argument_program {
    const char *name;            /* "nts-keys" */
    const char *purpose;         /* one line */
    const char *library_version; /* --version prints it behind the program's; NULL: none */
    const struct argument_command *commands;
    size_t num_commands;             /* one without a name if there are no sub-commands */
    const struct argument_row *rows; /* without --help and --version, which all programs have */
    size_t num_rows;                 /* at most ARGUMENTS_MAX_ROWS */
    const char *notes;               /* at the end of the help; NULL: none */
    /* What a monitoring plugin prints before an error, which goes to standard output then. NULL:
     * "NAME: ", to standard error. */
    const char *error_prefix;
    int usage_status; /* exit status if the command line is wrong */
};

/* arguments_parse stores the defaults, then what argv says, in `values`, and the index of the
 * command in `*command`. Returns -1 when the program should go on, else the exit status: what was
 * asked for, or what is wrong, has been printed. */
int arguments_parse(void *values, size_t *command, const struct argument_program *program, int argc,
                    char **argv);

/* arguments_wrong prints "what: got 'value', expected expected", and a reference to --help. Returns
 * the exit status. */
int arguments_wrong(const struct argument_program *program, const char *what, const char *value,
                    const char *expected);

/* arguments_error prints the text and a reference to --help. Returns the exit status. */
NTS_PRINTF(2, 3)
int arguments_error(const struct argument_program *program, const char *format, ...);

/* arguments_print_help prints the help of the program, or of one of its commands alone if `command`
 * is not NULL; at most 80 columns wide. */
void arguments_print_help(FILE *out, const struct argument_program *program,
                          const struct argument_command *command);

/* The rows of --help and --version, in this order. */
#define ARGUMENTS_NUM_COMMON 2
extern const struct argument_row arguments_common[ARGUMENTS_NUM_COMMON];

/* argument_takes_value tells whether a value belongs to the option. */
bool argument_takes_value(const struct argument_row *row);

/* argument_store reads `text` into the row's field in `values`; false if the value is wrong. */
bool argument_store(void *values, const struct argument_row *row, const char *text);

/* argument_expected writes what the row's value has to be. */
#define ARGUMENT_EXPECTED_LEN 160
void argument_expected(char text[ARGUMENT_EXPECTED_LEN], const struct argument_row *row);

#endif

#include "config/config.h"

#include <inttypes.h>

/* "integer 1 to 65535, seconds", "one of `a`, `b`", "list of objects": what the row accepts. */
static void print_type(FILE *out, const struct option_row *row)
{
    switch (row->type) {
    case OPTION_BOOL:
        fputs("true or false", out);
        break;
    case OPTION_INT:
        fprintf(out, "integer, %" PRId64 " to %" PRId64, row->min, row->max);
        break;
    case OPTION_STRING:
        fprintf(out, "string, %" PRId64 " to %" PRId64 " characters", row->min, row->max);
        break;
    case OPTION_PATH:
        fputs("file name", out);
        break;
    case OPTION_ADDRESS:
        fprintf(out, "address, port %" PRId64 " if none is given", row->min);
        break;
    case OPTION_CHOICE:
        for (int i = 0; row->choices[i] != NULL; i++) {
            fprintf(out, "%s`\"%s\"`", i > 0 ? ", " : "", row->choices[i]);
        }
        break;
    case OPTION_OBJECT:
        fputs("object", out);
        break;
    case OPTION_LIST:
        fprintf(out, "list of %" PRId64 " to %" PRId64 ": ", row->min, row->max);
        print_type(out, row->element);
        break;
    }
    if (row->unit != NULL) {
        fprintf(out, ", in %s", row->unit);
    }
}

static void print_rows(FILE *out, const struct option_table *table, const char *prefix)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        const struct option_row *row = &table->rows[i];
        fprintf(out, "| `%s%s` | ", prefix, row->name);
        print_type(out, row);
        if (row->default_json == NULL) {
            fputs(" | must be given | ", out);
        } else if (row->default_json[0] == 'n') {
            fputs(" | none | ", out);
        } else {
            fprintf(out, " | `%s` | ", row->default_json);
        }
        fprintf(out, "%s%s |\n", row->help, row->needs_restart ? " (restart)" : "");

        char member_prefix[128];
        if (row->type == OPTION_OBJECT) {
            snprintf(member_prefix, sizeof(member_prefix), "%s%s.", prefix, row->name);
            print_rows(out, row->members, member_prefix);
        } else if (row->type == OPTION_LIST && row->element->type == OPTION_OBJECT) {
            snprintf(member_prefix, sizeof(member_prefix), "%s%s[].", prefix, row->name);
            print_rows(out, row->element->members, member_prefix);
        }
    }
}

void config_print_reference(FILE *out, const struct option_table *table)
{
    fputs("| key | value | default | meaning |\n|---|---|---|---|\n", out);
    print_rows(out, table, "");
}

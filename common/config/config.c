#include "config/config.h"

#include <jansson.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_LEN (1 << 20)
#define MAX_KEY_PATH 128

/* Everything that parsing one file needs; the key path grows and shrinks on the way. */
struct parser {
    const char *path;
    char *directory;
    char key_path[MAX_KEY_PATH];
    struct config_memory *memory;
    struct error *error;
};

static void *keep(struct parser *p, void *block)
{
    void **blocks =
        realloc(p->memory->blocks, (p->memory->num_blocks + 1) * sizeof(*p->memory->blocks));
    if (blocks == NULL || block == NULL) {
        p->memory->blocks = blocks != NULL ? blocks : p->memory->blocks;
        free(block);
        return NULL;
    }
    p->memory->blocks = blocks;
    blocks[p->memory->num_blocks++] = block;
    return block;
}

static enum nts_status no_memory(struct parser *p)
{
    return error_set(p->error, NTS_ERR_NO_MEMORY, "%s: out of memory", p->path);
}

/* The value as it stands in the file, short enough for a log line. */
static void describe_value(char *text, size_t size, const json_t *value)
{
    char *dump = value != NULL ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    snprintf(text, size, "%.60s%s", dump != NULL ? dump : "nothing",
             dump != NULL && strlen(dump) > 60 ? "..." : "");
    if (dump != NULL) {
        json_free_t free_fn;
        json_get_alloc_funcs(NULL, &free_fn);
        free_fn(dump);
    }
}

static enum nts_status expected(struct parser *p, const json_t *value, const char *what)
{
    char got[80];
    describe_value(got, sizeof(got), value);
    return error_set(p->error, NTS_ERR_CONFIG, "%s: %s: got %s, expected %s", p->path,
                     p->key_path[0] != '\0' ? p->key_path : "(the whole file)", got, what);
}

/* Appends ".name" or "[3]" to the key path and returns where to cut it off again. */
static size_t push_name(struct parser *p, const char *name)
{
    size_t len = strlen(p->key_path);
    snprintf(p->key_path + len, sizeof(p->key_path) - len, "%s%.64s", len > 0 ? "." : "", name);
    return len;
}

static size_t push_index(struct parser *p, size_t index)
{
    size_t len = strlen(p->key_path);
    snprintf(p->key_path + len, sizeof(p->key_path) - len, "[%zu]", index);
    return len;
}

size_t option_field_size(const struct option_row *row)
{
    switch (row->type) {
    case OPTION_BOOL:
        return sizeof(bool);
    case OPTION_INT:
        return sizeof(int64_t);
    case OPTION_STRING:
    case OPTION_PATH:
        return sizeof(const char *);
    case OPTION_ADDRESS:
        return sizeof(union net_address);
    case OPTION_CHOICE:
        return sizeof(int);
    case OPTION_OBJECT:
        return row->members->struct_size;
    case OPTION_LIST:
        return sizeof(struct option_list);
    }
    return 0;
}

static enum nts_status parse_value(struct parser *p, void *field, const struct option_row *row,
                                   const json_t *value);

static enum nts_status parse_int(struct parser *p, int64_t *field, const struct option_row *row,
                                 const json_t *value)
{
    if (!json_is_integer(value) || json_integer_value(value) < row->min ||
        json_integer_value(value) > row->max) {
        char what[96];
        snprintf(what, sizeof(what), "an integer from %lld to %lld", (long long)row->min,
                 (long long)row->max);
        return expected(p, value, what);
    }
    *field = json_integer_value(value);
    return NTS_OK;
}

/* Credentials that the service manager passes (systemd's LoadCredential=) lie where it says; other
 * relative names are relative to the file. */
static enum nts_status parse_path(struct parser *p, const char **field, const json_t *value,
                                  const char *text)
{
    static const char credentials[] = "${CREDENTIALS_DIRECTORY}/";
    const char *directory = p->directory;
    if (strncmp(text, credentials, strlen(credentials)) == 0) {
        directory = getenv("CREDENTIALS_DIRECTORY");
        if (directory == NULL || directory[0] != '/') {
            return expected(p, value,
                            "a service manager that passes credentials: CREDENTIALS_DIRECTORY is "
                            "not set");
        }
        text += strlen(credentials);
    }
    char *path = NULL;
    if (text[0] == '/' || strcmp(directory, ".") == 0) {
        path = strdup(text);
    } else if (asprintf(&path, "%s/%s", directory, text) < 0) {
        path = NULL;
    }
    *field = keep(p, path);
    return *field != NULL ? NTS_OK : no_memory(p);
}

static enum nts_status parse_string(struct parser *p, const char **field,
                                    const struct option_row *row, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);
    bool is_path = row->type == OPTION_PATH;
    size_t min = is_path ? 1 : (size_t)row->min;
    size_t max = is_path ? 4095 : (size_t)row->max;
    bool printable = text != NULL && strlen(text) == len;
    for (size_t i = 0; printable && i < len; i++) {
        printable = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
    }
    if (!printable || len < min || len > max) {
        char what[96];
        snprintf(what, sizeof(what), "a %s of %zu to %zu printable characters",
                 is_path ? "file name" : "string", min, max);
        return expected(p, value, what);
    }
    if (!is_path) {
        *field = keep(p, strdup(text));
        return *field != NULL ? NTS_OK : no_memory(p);
    }
    return parse_path(p, field, value, text);
}

static enum nts_status parse_choice(struct parser *p, int *field, const struct option_row *row,
                                    const json_t *value)
{
    char what[160] = "one of";
    for (int i = 0; row->choices[i] != NULL; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), row->choices[i]) == 0) {
            *field = i;
            return NTS_OK;
        }
        size_t len = strlen(what);
        snprintf(what + len, sizeof(what) - len, "%s \"%s\"", i > 0 ? "," : "", row->choices[i]);
    }
    return expected(p, value, what);
}

static enum nts_status parse_list(struct parser *p, struct option_list *field,
                                  const struct option_row *row, const json_t *value)
{
    size_t num = json_array_size(value);
    if (!json_is_array(value) || num < (size_t)row->min || num > (size_t)row->max) {
        char what[96];
        snprintf(what, sizeof(what), "an array of %lld to %lld elements", (long long)row->min,
                 (long long)row->max);
        return expected(p, value, what);
    }
    size_t size = option_field_size(row->element);
    char *items = keep(p, calloc(num + 1, size));
    if (items == NULL) {
        return no_memory(p);
    }
    *field = (struct option_list){.items = items, .num = num};
    for (size_t i = 0; i < num; i++) {
        size_t cut = push_index(p, i);
        enum nts_status status =
            parse_value(p, items + i * size, row->element, json_array_get(value, i));
        if (status != NTS_OK) {
            return status;
        }
        p->key_path[cut] = '\0';
    }
    return NTS_OK;
}

static const struct option_row *find_row(const struct option_table *table, const char *name)
{
    for (size_t i = 0; i < table->num_rows; i++) {
        if (strcmp(table->rows[i].name, name) == 0) {
            return &table->rows[i];
        }
    }
    return NULL;
}

/* Fills one member from the file, or from the default in its row, by the same code. */
static enum nts_status parse_member(struct parser *p, char *base, const struct option_row *row,
                                    const json_t *object)
{
    const json_t *value = json_object_get(object, row->name);
    if (value != NULL) {
        return parse_value(p, base + row->offset, row, value);
    }
    if (row->default_json == NULL) {
        return expected(p, NULL, "a value: this option has no default");
    }
    if (strcmp(row->default_json, "null") == 0) {
        return NTS_OK;
    }
    json_t *fallback = json_loads(row->default_json, JSON_DECODE_ANY, NULL);
    enum nts_status status = parse_value(p, base + row->offset, row, fallback);
    json_decref(fallback);
    return status;
}

static enum nts_status parse_object(struct parser *p, char *base, const struct option_table *table,
                                    const json_t *object)
{
    if (!json_is_object(object)) {
        return expected(p, object, "an object");
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        if (find_row(table, name) == NULL) {
            push_name(p, name);
            return expected(p, value, "no such key: it is unknown here");
        }
    }
    memset(base, 0, table->struct_size);
    for (size_t i = 0; i < table->num_rows; i++) {
        size_t cut = push_name(p, table->rows[i].name);
        enum nts_status status = parse_member(p, base, &table->rows[i], object);
        if (status != NTS_OK) {
            return status;
        }
        p->key_path[cut] = '\0';
    }
    return NTS_OK;
}

static enum nts_status parse_by_type(struct parser *p, void *field, const struct option_row *row,
                                     const json_t *value)
{
    switch (row->type) {
    case OPTION_BOOL:
        if (!json_is_boolean(value)) {
            return expected(p, value, "true or false");
        }
        *(bool *)field = json_is_true(value);
        return NTS_OK;
    case OPTION_INT:
        return parse_int(p, field, row, value);
    case OPTION_STRING:
    case OPTION_PATH:
        return parse_string(p, field, row, value);
    case OPTION_ADDRESS:
        if (!json_is_string(value) ||
            !address_parse(field, json_string_value(value), (uint16_t)row->min)) {
            return expected(p, value, "an address like \"192.0.2.1:123\" or \"[2001:db8::1]:123\"");
        }
        return NTS_OK;
    case OPTION_CHOICE:
        return parse_choice(p, field, row, value);
    case OPTION_OBJECT:
        return parse_object(p, field, row->members, value);
    case OPTION_LIST:
        return parse_list(p, field, row, value);
    }
    return NTS_ERR_INTERNAL;
}

static enum nts_status parse_value(struct parser *p, void *field, const struct option_row *row,
                                   const json_t *value)
{
    enum nts_status status = parse_by_type(p, field, row, value);
    if (status != NTS_OK) {
        return status;
    }
    const char *what = row->check != NULL ? row->check(field) : NULL;
    return what != NULL ? expected(p, value, what) : NTS_OK;
}

static json_t *load_json(const char *path, struct error *error)
{
    json_error_t json_error;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        error_set(error, NTS_ERR_CONFIG, "%s: cannot open: %m", path);
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    long len = ftell(file);
    rewind(file);
    json_t *root = NULL;
    if (len < 0 || len > MAX_FILE_LEN) {
        error_set(error, NTS_ERR_CONFIG, "%s: expected a regular file of at most %d octets", path,
                  MAX_FILE_LEN);
    } else {
        root = json_loadf(file, JSON_REJECT_DUPLICATES, &json_error);
        if (root == NULL) {
            error_set(error, NTS_ERR_CONFIG, "%s:%d:%d: not JSON: %s", path, json_error.line,
                      json_error.column, json_error.text);
        }
    }
    fclose(file);
    return root;
}

enum nts_status config_load(void *values, struct config_memory *memory,
                            const struct option_table *table, const char *path, struct error *error)
{
    *memory = (struct config_memory){0};
    json_t *root = load_json(path, error);
    if (root == NULL) {
        return NTS_ERR_CONFIG;
    }
    char *path_copy = strdup(path);
    struct parser p = {.path = path, .memory = memory, .error = error};
    p.directory = path_copy != NULL ? dirname(path_copy) : NULL;
    enum nts_status status;
    if (p.directory == NULL) {
        status = no_memory(&p);
    } else {
        status = parse_object(&p, values, table, root);
    }
    free(path_copy);
    json_decref(root);
    if (status != NTS_OK) {
        config_free(memory);
    }
    return status;
}

void config_free(struct config_memory *memory)
{
    for (size_t i = 0; i < memory->num_blocks; i++) {
        free(memory->blocks[i]);
    }
    free(memory->blocks);
    *memory = (struct config_memory){0};
}

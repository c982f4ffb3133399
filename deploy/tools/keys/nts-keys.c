/* nts-keys: the operator's tool for the master keys of the farm. */
#include "nts-keys.h"

#include "base/clock_time.h"
#include "base/hex.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

int keys_fail(const struct error *error)
{
    fprintf(stderr, "nts-keys: %s\n", error->text);
    return KEYS_FAILED;
}

int keys_no_memory(void)
{
    fputs("nts-keys: out of memory\n", stderr);
    return KEYS_FAILED;
}

void keys_print_json(struct json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

struct json_t *keys_id_json(uint32_t id)
{
    char text[2 * MASTER_KEY_ID_LEN + 1];
    snprintf(text, sizeof(text), "%08" PRIx32, id);
    return json_string(text);
}

const char *keys_key_state(const struct keyring_document *document, size_t position, int64_t now_s)
{
    const struct master_key_spec *key = &document->keys[position];
    if (key->expire_at_s <= now_s) {
        return "expired";
    }
    if (key->activate_at_s > now_s) {
        return "upcoming";
    }
    return position == keyring_document_active(document, now_s) ? "active" : "opens";
}

int64_t keys_now_s(void)
{
    return real_time_ns() / NS_PER_S;
}

int main(int argc, char **argv)
{
    static struct keys_arguments arguments;
    int exit_status;
    keys_command *command = keys_parse_arguments(&arguments, &exit_status, argc, argv);
    if (command != NULL) {
        exit_status = command(&arguments);
    }
    /* What was asked for on standard output must have arrived there. */
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        perror("nts-keys: standard output");
        return KEYS_FAILED;
    }
    return exit_status;
}

/* nts-keys, the parts of it: the command line, and a function for each command. */
#ifndef NTS_TOOLS_NTS_KEYS_H
#define NTS_TOOLS_NTS_KEYS_H

#include "keys/chrony_keys.h"
#include "keys/envelope.h"
#include "keys/key_schedule.h"
#include "keys/keyring_file.h"

/* Exit statuses. */
enum { KEYS_DONE = 0, KEYS_FAILED = 1, KEYS_USAGE = 2 };

/* The commands, in the order in which the help lists them. */
enum keys_command_index {
    KEYS_INIT,
    KEYS_ROTATE,
    KEYS_REVOKE,
    KEYS_SHOW,
    KEYS_VERIFY,
    KEYS_IMPORT,
    KEYS_EXPORT,
    KEYS_KEYGEN,
    KEYS_SIGN,
    KEYS_SEAL,
    KEYS_OPEN,
};

#define KEYS_MAX_RECIPIENT_FILES 1024

/* The options that were given. What was not is NULL, false or the default. */
struct keys_arguments {
    const char *command;
    const char *operand; /* the id to revoke, the file to import */
    const char *keyring;
    struct keyring_access access;
    bool has_layout;
    enum key_layout layout;
    struct key_policy policy;
    const char *signing_key;
    int64_t valid_for_s; /* 0: as long as the last key */
    enum chrony_format chrony_format;
    const char *fleet;
    size_t num_recipients;
    const char *recipients[KEYS_MAX_RECIPIENT_FILES]; /* files with public keys */
    enum envelope_aead aead;
    enum key_kind kind;
    const char *out; /* NULL or "-": standard output */
    bool json;
    bool dry_run;
    bool force;
};

/* keys_parse_arguments fills `*arguments` and returns the command to run, or NULL with the exit
 * status (help or an error has been printed). */
typedef int keys_command(const struct keys_arguments *arguments);
keys_command *keys_parse_arguments(struct keys_arguments *arguments, int *exit_status, int argc,
                                   char **argv);

/* The commands. Each prints its result and returns an exit status. */
keys_command keys_init, keys_rotate, keys_revoke, keys_import, keys_sign; /* change a keyring */
keys_command keys_show, keys_verify;                                      /* look at one */
keys_command keys_export, keys_seal, keys_open, keys_keygen;              /* make something else */

/* keys_fail prints the error and returns KEYS_FAILED. */
int keys_fail(const struct error *error);

/* keys_no_memory does so for want of memory. */
int keys_no_memory(void);

/* keys_print_json prints one JSON object and drops the reference to it. */
struct json_t;
void keys_print_json(struct json_t *json);

/* keys_key_state names what a key of the document does at that moment: "expired", "upcoming",
 * "active" (it seals) or "opens". */
const char *keys_key_state(const struct keyring_document *document, size_t position, int64_t now_s);

/* keys_id_json returns the id as JSON. */
struct json_t *keys_id_json(uint32_t id);

/* keys_now_s returns the time, in seconds since 1970. */
int64_t keys_now_s(void);

#endif

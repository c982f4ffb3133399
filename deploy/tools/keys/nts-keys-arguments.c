#include "base/arguments.h"
#include "crypto/boringssl.h"
#include "nts-keys.h"

#include <stdio.h>
#include <string.h>

enum {
    C_INIT = 1 << KEYS_INIT,
    C_ROTATE = 1 << KEYS_ROTATE,
    C_REVOKE = 1 << KEYS_REVOKE,
    C_SHOW = 1 << KEYS_SHOW,
    C_VERIFY = 1 << KEYS_VERIFY,
    C_IMPORT = 1 << KEYS_IMPORT,
    C_EXPORT = 1 << KEYS_EXPORT,
    C_KEYGEN = 1 << KEYS_KEYGEN,
    C_SIGN = 1 << KEYS_SIGN,
    C_SEAL = 1 << KEYS_SEAL,
    C_OPEN = 1 << KEYS_OPEN,
    C_READING = C_SHOW | C_VERIFY | C_EXPORT | C_SEAL | C_OPEN,
    C_CHANGING = C_INIT | C_ROTATE | C_REVOKE | C_IMPORT | C_SIGN,
    C_KEYRING = C_READING | C_CHANGING,
    C_POLICY = C_INIT | C_ROTATE | C_REVOKE | C_IMPORT | C_VERIFY,
    C_OUT = C_EXPORT | C_KEYGEN | C_SEAL | C_OPEN,
};

/* Of a duration whose default depends on another one. */
#define NOT_GIVEN (-1)

#define FIELD(field) ARGUMENT_FIELD(struct keys_arguments, field)

static bool take_layout(void *field, const char *text)
{
    struct keys_arguments *arguments = field;
    arguments->has_layout = true;
    return key_layout_find(&arguments->layout, text);
}

static bool take_aead(void *field, const char *text)
{
    return envelope_aead_find(field, text);
}

static const char *const formats[] = {
    [CHRONY_FORMAT_AUTO] = "chrony",
    [CHRONY_FORMAT_NKS0] = "chrony-nks0",
    [CHRONY_FORMAT_NKS1] = "chrony-nks1",
    NULL,
};

static const char *const kinds[] = {[KEY_ED25519] = "signer", [KEY_X25519] = "node", NULL};

/* clang-format off */
static const struct argument_row rows[] = {
    {.name = "keyring", .letter = 'k', .value = "FILE",
     .kind = ARGUMENT_TEXT, FIELD(keyring),
     .taken_by = C_KEYRING, .required_by = C_KEYRING, .expected = "a file",
     .help = "the keyring file"},
    {.name = "signer", .value = "PUB",
     .kind = ARGUMENT_TEXT, FIELD(access.signer),
     .taken_by = C_KEYRING & ~(C_INIT | C_SIGN),
     .help = "refuse a keyring that is not signed by this key"},
    {.name = "node-key", .value = "KEY",
     .kind = ARGUMENT_TEXT, FIELD(access.node_key),
     .taken_by = C_READING, .required_by = C_OPEN, .expected = "the private key of the node",
     .help = "open a sealed keyring with this key"},
    {.name = "layout", .value = "NAME",
     .kind = ARGUMENT_CUSTOM, .take = take_layout, .offset = 0,
     .taken_by = C_INIT | C_ROTATE, .expected = "chrony-siv, chrony-gcmsiv or netnod",
     .help = "cookie layout of new keys: chrony-siv (default of init), chrony-gcmsiv or netnod; "
             "the default of rotate is the layout of the newest key"},
    {.name = "interval", .value = "D",
     .kind = ARGUMENT_DURATION, FIELD(policy.interval_s), .min = 1, .default_value = "1d",
     .taken_by = C_POLICY,
     .help = "time between the activations of two keys"},
    {.name = "lead", .value = "D",
     .kind = ARGUMENT_DURATION, FIELD(policy.lead_s),
     .taken_by = C_POLICY,
     .help = "least time between publishing a key and its activation (default: one interval)"},
    {.name = "ahead", .value = "D",
     .kind = ARGUMENT_DURATION, FIELD(policy.ahead_s),
     .taken_by = C_POLICY,
     .help = "add keys until the last one activates this far from now (default: the lead time)"},
    {.name = "open-after", .value = "D",
     .kind = ARGUMENT_DURATION, FIELD(policy.open_after_s), .min = 1, .default_value = "2w",
     .taken_by = C_POLICY,
     .help = "how long a key still opens cookies after it has stopped sealing them"},
    {.name = "force",
     .kind = ARGUMENT_FLAG, FIELD(force),
     .taken_by = C_ROTATE,
     .help = "continue although every key has expired"},
    {.name = "signing-key", .value = "KEY",
     .kind = ARGUMENT_TEXT, FIELD(signing_key),
     .taken_by = C_CHANGING, .required_by = C_SIGN, .expected = "the private key of the signer",
     .help = "sign with this key"},
    {.name = "valid-for", .value = "D",
     .kind = ARGUMENT_DURATION, FIELD(valid_for_s), .min = 1,
     .taken_by = C_CHANGING,
     .help = "how long the signature is valid (default: until the last key expires)"},
    {.name = "format", .value = "NAME",
     .kind = ARGUMENT_CHOICE, FIELD(chrony_format), .choices = formats,
     .taken_by = C_IMPORT | C_EXPORT,
     .help = "chrony (default); for export also chrony-nks0 (chrony 4.0 and later) and "
             "chrony-nks1 (4.4 and later)"},
    {.name = "fleet", .value = "FILE",
     .kind = ARGUMENT_TEXT, FIELD(fleet),
     .taken_by = C_VERIFY,
     .help = "query each time server of this list, one HOST[:PORT] a line, under each key"},
    {.name = "to", .value = "PUB",
     .kind = ARGUMENT_LIST, FIELD(recipients),
     .companion = offsetof(struct keys_arguments, num_recipients),
     .taken_by = C_SEAL, .required_by = C_SEAL, .expected = "the public key of a node",
     .help = "the public key of a node, or of several in one file; more files may follow"},
    {.name = "aead", .value = "NAME",
     .kind = ARGUMENT_CUSTOM, .take = take_aead, FIELD(aead),
     .taken_by = C_SEAL, .expected = "aes-128-gcm or chacha20-poly1305",
     .help = "aes-128-gcm (default) or chacha20-poly1305"},
    {.name = "type", .value = "NAME",
     .kind = ARGUMENT_CHOICE, FIELD(kind), .choices = kinds,
     .taken_by = C_KEYGEN,
     .help = "signer (Ed25519, default) or node (X25519)"},
    {.name = "out", .value = "FILE",
     .kind = ARGUMENT_TEXT, FIELD(out),
     .taken_by = C_OUT, .required_by = C_KEYGEN, .expected = "NAME, for NAME.key and NAME.pub",
     .help = "where to write; - is standard output, the default except for secrets on a terminal; "
             "for keygen: NAME of the two files"},
    {.name = "dry-run",
     .kind = ARGUMENT_FLAG, FIELD(dry_run),
     .taken_by = C_CHANGING | C_OUT,
     .help = "print what would be done, and write nothing"},
    {.name = "json",
     .kind = ARGUMENT_FLAG, FIELD(json),
     .help = "print JSON"},
};

static const struct argument_row id_operand = {
    .value = "ID", .kind = ARGUMENT_TEXT, FIELD(operand), .required_by = C_REVOKE};

static const struct argument_row file_operand = {
    .value = "NTSKEYS", .kind = ARGUMENT_TEXT, FIELD(operand), .required_by = C_IMPORT};

static const struct argument_row recipients_operand = {
    .value = "PUB", .kind = ARGUMENT_LIST, FIELD(recipients),
    .companion = offsetof(struct keys_arguments, num_recipients),
    .expected = "fewer files: one can hold the keys of many nodes"};
/* clang-format on */

static const struct argument_command commands[] = {
    [KEYS_INIT] = {"init",
                   "make a keyring with a key that seals now, and an upcoming one; never "
                   "overwrites a file",
                   NULL},
    [KEYS_ROTATE] = {"rotate",
                     "add the next key if one is due, and remove expired keys; safe to "
                     "run at any time",
                     NULL},
    [KEYS_REVOKE] = {"revoke", "remove a key at once, and make sure that another one can seal",
                     &id_operand},
    [KEYS_SHOW] = {"show", "print the keyring without its secrets", NULL},
    [KEYS_VERIFY] = {"verify",
                     "report what is wrong with the keyring, and which time server of "
                     "the fleet lacks which key",
                     NULL},
    [KEYS_IMPORT] = {"import", "add the keys of a chronyd to a keyring, or make a new one of them",
                     &file_operand},
    [KEYS_EXPORT] = {"export", "write the keys for a chronyd (ntskeys)", NULL},
    [KEYS_KEYGEN] = {"keygen",
                     "make a key pair, NAME.key and NAME.pub, to sign keyrings or for a "
                     "node",
                     NULL},
    [KEYS_SIGN] = {"sign", "sign the keyring", NULL},
    [KEYS_SEAL] = {"seal", "encrypt the keyring to nodes, in one envelope for all of them",
                   &recipients_operand},
    [KEYS_OPEN] = {"open", "decrypt a keyring from its envelope", NULL},
};

static keys_command *const functions[] = {
    [KEYS_INIT] = keys_init,     [KEYS_ROTATE] = keys_rotate, [KEYS_REVOKE] = keys_revoke,
    [KEYS_SHOW] = keys_show,     [KEYS_VERIFY] = keys_verify, [KEYS_IMPORT] = keys_import,
    [KEYS_EXPORT] = keys_export, [KEYS_KEYGEN] = keys_keygen, [KEYS_SIGN] = keys_sign,
    [KEYS_SEAL] = keys_seal,     [KEYS_OPEN] = keys_open,
};

/* Durations whose defaults and limits depend on other durations. */
static int check_policy(struct key_policy *policy, const struct argument_program *program)
{
    policy->lead_s = policy->lead_s != NOT_GIVEN ? policy->lead_s : policy->interval_s;
    policy->ahead_s = policy->ahead_s != NOT_GIVEN ? policy->ahead_s : policy->lead_s;
    if (policy->ahead_s < policy->lead_s) {
        return arguments_wrong(program, "--ahead", "less", "at least the lead time");
    }
    if (policy->open_after_s < policy->lead_s) {
        return arguments_wrong(program, "--open-after", "less", "at least the lead time");
    }
    return -1;
}

keys_command *keys_parse_arguments(struct keys_arguments *arguments, int *exit_status, int argc,
                                   char **argv)
{
    const struct argument_program program = {
        .name = "nts-keys",
        .purpose = "manage the master keys of an NTS farm",
        .library_version = boringssl_version(),
        .commands = commands,
        .num_commands = sizeof(commands) / sizeof(commands[0]),
        .rows = rows,
        .num_rows = sizeof(rows) / sizeof(rows[0]),
        .notes = "Durations D are whole numbers with a unit: 90s, 15m, 12h, 1d, 2w.\n"
                 "Exit status: 0 done, or all in order; 1 failed, or not in order; 2 wrong command "
                 "line.",
        .usage_status = KEYS_USAGE,
    };
    size_t command;
    *arguments = (struct keys_arguments){.policy = {.lead_s = NOT_GIVEN, .ahead_s = NOT_GIVEN}};
    *exit_status = arguments_parse(arguments, &command, &program, argc, argv);
    if (*exit_status == -1) {
        *exit_status = check_policy(&arguments->policy, &program);
    }
    if (*exit_status != -1) {
        return NULL;
    }
    arguments->command = commands[command].name;
    return functions[command];
}

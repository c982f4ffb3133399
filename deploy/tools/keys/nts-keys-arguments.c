#include "base/clock_time.h"
#include "crypto/boringssl.h"
#include "nts-keys.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Options, by the groups in which the commands take them. */
enum {
    TAKES_KEYRING = 1,
    TAKES_SIGNER = 2,
    TAKES_NODE_KEY = 4,
    TAKES_LAYOUT = 8,
    TAKES_POLICY = 16,
    TAKES_SIGNING = 32,
    TAKES_FORMAT = 64,
    TAKES_FLEET = 128,
    TAKES_RECIPIENTS = 256,
    TAKES_TYPE = 512,
    TAKES_OUT = 1024,
    TAKES_DRY_RUN = 2048,
    TAKES_FORCE = 4096,
    TAKES_READING = TAKES_KEYRING | TAKES_SIGNER | TAKES_NODE_KEY,
    TAKES_CHANGING = TAKES_KEYRING | TAKES_SIGNER | TAKES_SIGNING | TAKES_DRY_RUN,
};

static const struct command_row {
    const char *name;
    keys_command *run;
    unsigned takes;
    const char *operand; /* NULL: none */
    const char *help;
} commands[] = {
    {"init", keys_init, (TAKES_CHANGING & ~TAKES_SIGNER) | TAKES_LAYOUT | TAKES_POLICY, NULL,
     "make a keyring with a key that seals now, and one to come; never overwrites a file"},
    {"rotate", keys_rotate, TAKES_CHANGING | TAKES_LAYOUT | TAKES_POLICY | TAKES_FORCE, NULL,
     "add the next key if one is due, remove what has expired; run it as often as you like"},
    {"revoke", keys_revoke, TAKES_CHANGING | TAKES_POLICY, "ID",
     "remove a key at once, and see to it that another can seal"},
    {"show", keys_show, TAKES_READING, NULL, "print the keyring without its secrets"},
    {"verify", keys_verify, TAKES_READING | TAKES_POLICY | TAKES_FLEET, NULL,
     "tell what is wrong with the keyring, and which server of the fleet lacks which key"},
    {"import", keys_import, TAKES_CHANGING | TAKES_POLICY | TAKES_FORMAT, "NTSKEYS",
     "take over the keys of a chronyd, into a new keyring or one that is there"},
    {"export", keys_export, TAKES_READING | TAKES_FORMAT | TAKES_OUT | TAKES_DRY_RUN, NULL,
     "write the keys for a chronyd (ntskeys)"},
    {"keygen", keys_keygen, TAKES_TYPE | TAKES_OUT | TAKES_DRY_RUN, NULL,
     "make a key pair, NAME.key and NAME.pub, to sign keyrings or for a node"},
    {"sign", keys_sign, TAKES_CHANGING & ~TAKES_SIGNER, NULL, "sign the keyring"},
    {"seal", keys_seal, TAKES_READING | TAKES_RECIPIENTS | TAKES_OUT | TAKES_DRY_RUN, NULL,
     "encrypt the keyring to nodes, in one envelope for all of them"},
    {"open", keys_open, TAKES_READING | TAKES_OUT | TAKES_DRY_RUN, NULL,
     "take a keyring out of its envelope"},
};

/* Of a duration whose default depends on another one. */
#define NOT_GIVEN (-1)

#define NUM_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* Takes the value of an option; NULL, or what was expected. */
typedef const char *take_value(struct keys_arguments *arguments, const char *value);

static const char *take_keyring(struct keys_arguments *arguments, const char *value)
{
    arguments->keyring = value;
    return NULL;
}

static const char *take_signer(struct keys_arguments *arguments, const char *value)
{
    arguments->access.signer = value;
    return NULL;
}

static const char *take_node_key(struct keys_arguments *arguments, const char *value)
{
    arguments->access.node_key = value;
    return NULL;
}

static const char *take_layout(struct keys_arguments *arguments, const char *value)
{
    arguments->has_layout = true;
    return key_layout_find(&arguments->layout, value) ? NULL
                                                      : "chrony-siv, chrony-gcmsiv or netnod";
}

static const char *take_duration(int64_t *duration_s, const char *value, int64_t min_s)
{
    return duration_parse(duration_s, value) && *duration_s >= min_s
               ? NULL
               : "a duration such as 90s, 15m, 12h, 1d or 2w";
}

static const char *take_interval(struct keys_arguments *arguments, const char *value)
{
    return take_duration(&arguments->policy.interval_s, value, 1);
}

static const char *take_lead(struct keys_arguments *arguments, const char *value)
{
    return take_duration(&arguments->policy.lead_s, value, 0);
}

static const char *take_ahead(struct keys_arguments *arguments, const char *value)
{
    return take_duration(&arguments->policy.ahead_s, value, 0);
}

static const char *take_open_after(struct keys_arguments *arguments, const char *value)
{
    return take_duration(&arguments->policy.open_after_s, value, 1);
}

static const char *take_signing_key(struct keys_arguments *arguments, const char *value)
{
    arguments->signing_key = value;
    return NULL;
}

static const char *take_valid_for(struct keys_arguments *arguments, const char *value)
{
    return take_duration(&arguments->valid_for_s, value, 1);
}

static const char *take_format(struct keys_arguments *arguments, const char *value)
{
    static const char *const names[] = {
        [CHRONY_FORMAT_AUTO] = "chrony",
        [CHRONY_FORMAT_NKS0] = "chrony-nks0",
        [CHRONY_FORMAT_NKS1] = "chrony-nks1",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i]) == 0) {
            arguments->chrony_format = (enum chrony_format)i;
            return NULL;
        }
    }
    return "chrony, chrony-nks0 or chrony-nks1";
}

static const char *take_fleet(struct keys_arguments *arguments, const char *value)
{
    arguments->fleet = value;
    return NULL;
}

static const char *take_to(struct keys_arguments *arguments, const char *value)
{
    if (arguments->num_recipients == KEYS_MAX_RECIPIENT_FILES) {
        return "fewer files: one can hold the keys of many nodes";
    }
    arguments->recipients[arguments->num_recipients++] = value;
    return NULL;
}

static const char *take_aead(struct keys_arguments *arguments, const char *value)
{
    return envelope_aead_find(&arguments->aead, value) ? NULL : "aes-128-gcm or chacha20-poly1305";
}

static const char *take_type(struct keys_arguments *arguments, const char *value)
{
    if (strcmp(value, "signer") == 0) {
        arguments->kind = KEY_ED25519;
        return NULL;
    }
    arguments->kind = KEY_X25519;
    return strcmp(value, "node") == 0 ? NULL : "signer or node";
}

static const char *take_out(struct keys_arguments *arguments, const char *value)
{
    arguments->out = value;
    return NULL;
}

static const char *take_json(struct keys_arguments *arguments, const char *value)
{
    (void)value;
    arguments->json = true;
    return NULL;
}

static const char *take_dry_run(struct keys_arguments *arguments, const char *value)
{
    (void)value;
    arguments->dry_run = true;
    return NULL;
}

static const char *take_force(struct keys_arguments *arguments, const char *value)
{
    (void)value;
    arguments->force = true;
    return NULL;
}

static const struct option_row {
    const char *name;
    const char *value; /* its name in the help; NULL: none */
    unsigned taken_by; /* 0: every command */
    take_value *take;
    const char *help;
} options[] = {
    {"keyring", "FILE", TAKES_KEYRING, take_keyring, "the keyring file"},
    {"signer", "PUB", TAKES_SIGNER, take_signer, "refuse a keyring that is not signed by this key"},
    {"node-key", "KEY", TAKES_NODE_KEY, take_node_key, "open a sealed keyring with this key"},
    {"layout", "NAME", TAKES_LAYOUT, take_layout,
     "of new keys: chrony-siv (default of init), chrony-gcmsiv, netnod;\n"
     "rotate: that of the newest key"},
    {"interval", "D", TAKES_POLICY, take_interval, "from one key to the next (1d)"},
    {"lead", "D", TAKES_POLICY, take_lead,
     "from publishing a key to its activation, at least (one interval)"},
    {"ahead", "D", TAKES_POLICY, take_ahead, "add keys until they reach so far (the lead time)"},
    {"open-after", "D", TAKES_POLICY, take_open_after,
     "a key opens cookies for so long after it stopped sealing (2w)"},
    {"force", NULL, TAKES_FORCE, take_force, "go on although every key has expired"},
    {"signing-key", "KEY", TAKES_SIGNING, take_signing_key, "sign with this key"},
    {"valid-for", "D", TAKES_SIGNING, take_valid_for,
     "for how long the signature is good (until the last key expires)"},
    {"format", "NAME", TAKES_FORMAT, take_format,
     "chrony; to export also chrony-nks0 (chrony 4.0 and later), chrony-nks1\n"
     "(4.4 and later)"},
    {"fleet", "FILE", TAKES_FLEET, take_fleet,
     "ask each of these time servers, HOST[:PORT] a line, under each key"},
    {"to", "PUB", TAKES_RECIPIENTS, take_to,
     "the public key of a node, or of several in one file; more may follow"},
    {"aead", "NAME", TAKES_RECIPIENTS, take_aead, "aes-128-gcm (default) or chacha20-poly1305"},
    {"type", "NAME", TAKES_TYPE, take_type, "signer (Ed25519, default) or node (X25519)"},
    {"out", "FILE", TAKES_OUT, take_out,
     "where to write; - is standard output, the default but for secrets on a\n"
     "terminal; keygen: NAME of the two files"},
    {"dry-run", NULL, TAKES_DRY_RUN, take_dry_run, "tell what would be done, and write nothing"},
    {"json", NULL, 0, take_json, "print JSON"},
};

#define NUM_OPTIONS (sizeof(options) / sizeof(options[0]))

static void print_help(FILE *out)
{
    fputs("nts-keys - the master keys of an NTS farm\n\n"
          "Usage: nts-keys COMMAND --keyring FILE [OPTION]...\n\n",
          out);
    for (size_t i = 0; i < NUM_COMMANDS; i++) {
        char name[24];
        snprintf(name, sizeof(name), "%s %s", commands[i].name,
                 commands[i].operand != NULL ? commands[i].operand : "");
        fprintf(out, "  %-15s %s\n", name, commands[i].help);
    }
    fputs("\nOptions, as far as the command has a use for them:\n", out);
    for (size_t i = 0; i < NUM_OPTIONS; i++) {
        char name[24];
        snprintf(name, sizeof(name), "--%s %s", options[i].name,
                 options[i].value != NULL ? options[i].value : "");
        const char *line = options[i].help;
        const char *end = strchr(line, '\n');
        fprintf(out, "  %-18s %.*s\n", name, end != NULL ? (int)(end - line) : 100, line);
        if (end != NULL) {
            fprintf(out, "  %-18s %s\n", "", end + 1);
        }
    }
    fputs(
        "  -h, --help         print this help\n"
        "  -V, --version      print the version\n\n"
        "Durations D are whole numbers with a unit: 90s, 15m, 12h, 1d, 2w.\n"
        "Exit status: 0 done, or all in order; 1 failed, or not in order; 2 wrong command line.\n",
        out);
}

static int usage_error(const char *what, const char *value, const char *expected)
{
    fprintf(stderr, "nts-keys: %s: got '%s', expected %s\nTry 'nts-keys --help'.\n", what, value,
            expected);
    return KEYS_USAGE;
}

static const struct command_row *find_command(const char *name)
{
    for (size_t i = 0; i < NUM_COMMANDS; i++) {
        if (name != NULL && strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* Whether the command has a use for the option: one that it would not look at is a mistake. */
static int take_option(struct keys_arguments *arguments, const struct command_row *command,
                       const struct option_row *option, const char *value)
{
    if (option->taken_by != 0 && (option->taken_by & command->takes) == 0) {
        fprintf(stderr, "nts-keys: %s has no option --%s\nTry 'nts-keys --help'.\n", command->name,
                option->name);
        return KEYS_USAGE;
    }
    const char *expected = option->take(arguments, value);
    if (expected != NULL) {
        char name[24];
        snprintf(name, sizeof(name), "--%s", option->name);
        return usage_error(name, value, expected);
    }
    return KEYS_DONE;
}

/* What is left on the command line: the operand, or more recipients. */
static int take_operands(struct keys_arguments *arguments, const struct command_row *command,
                         int num, char **operands)
{
    if ((command->takes & TAKES_RECIPIENTS) != 0) {
        for (; num > 0; num--) {
            const char *expected = take_to(arguments, *operands);
            if (expected != NULL) {
                return usage_error("--to", *operands, expected);
            }
            operands++;
        }
    }
    if (command->operand != NULL && num > 0) {
        arguments->operand = operands[0];
        operands++;
        num--;
    }
    if (num > 0) {
        return usage_error(command->name, operands[0], "no further argument");
    }
    if (command->operand != NULL && arguments->operand == NULL) {
        return usage_error(command->name, "nothing", command->operand);
    }
    return KEYS_DONE;
}

/* What belongs together. */
static int check_together(struct keys_arguments *arguments, const struct command_row *command)
{
    struct key_policy *policy = &arguments->policy;
    if ((command->takes & TAKES_KEYRING) != 0 && arguments->keyring == NULL) {
        return usage_error("--keyring", "nothing", "a file");
    }
    policy->lead_s = policy->lead_s != NOT_GIVEN ? policy->lead_s : policy->interval_s;
    policy->ahead_s = policy->ahead_s != NOT_GIVEN ? policy->ahead_s : policy->lead_s;
    if (policy->ahead_s < policy->lead_s) {
        return usage_error("--ahead", "less", "at least the lead time");
    }
    if (policy->open_after_s < policy->lead_s) {
        return usage_error("--open-after", "less", "at least the lead time");
    }
    if ((command->takes & TAKES_RECIPIENTS) != 0 && arguments->num_recipients == 0) {
        return usage_error("--to", "nothing", "the public key of a node");
    }
    if (command->run == keys_sign && arguments->signing_key == NULL) {
        return usage_error("--signing-key", "nothing", "the private key of the signer");
    }
    if (command->run == keys_open && arguments->access.node_key == NULL) {
        return usage_error("--node-key", "nothing", "the private key of the node");
    }
    if (command->run == keys_keygen && arguments->out == NULL) {
        return usage_error("--out", "nothing", "NAME, for NAME.key and NAME.pub");
    }
    return KEYS_DONE;
}

static int print_version(void)
{
    printf("nts-keys %s, %s\n", NTS_VERSION, boringssl_version());
    return KEYS_DONE;
}

/* Reads options until the first that ends it all. Returns KEYS_DONE to go on; `*is_over` is true
 * when what was asked for is printed. */
static int parse_options(struct keys_arguments *arguments, const struct command_row *command,
                         bool *is_over, int argc, char **argv)
{
    struct option flags[NUM_OPTIONS + 3] = {{"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'}};
    for (size_t i = 0; i < NUM_OPTIONS; i++) {
        flags[i + 2] = (struct option){
            options[i].name, options[i].value != NULL ? required_argument : no_argument, NULL, 0};
    }
    int index = 0;
    int flag;
    int exit_status = KEYS_DONE;
    while (exit_status == KEYS_DONE &&
           (flag = getopt_long(argc, argv, "k:hV", flags, &index)) != -1) {
        switch (flag) {
        case 'h':
            *is_over = true;
            print_help(stdout);
            return KEYS_DONE;
        case 'V':
            *is_over = true;
            return print_version();
        case '?':
            fputs("Try 'nts-keys --help'.\n", stderr);
            return KEYS_USAGE;
        default:
            exit_status =
                command == NULL
                    ? usage_error("command", argv[1], "one that --help lists, first")
                    : take_option(arguments, command,
                                  flag == 'k' ? &options[0] : &options[index - 2], optarg);
        }
    }
    return exit_status;
}

keys_command *keys_parse_arguments(struct keys_arguments *arguments, int *exit_status, int argc,
                                   char **argv)
{
    *arguments = (struct keys_arguments){.policy = {.interval_s = KEY_POLICY_INTERVAL_S,
                                                    .lead_s = NOT_GIVEN,
                                                    .ahead_s = NOT_GIVEN,
                                                    .open_after_s = KEY_POLICY_OPEN_AFTER_S}};
    const struct command_row *command = find_command(argc > 1 ? argv[1] : NULL);
    bool is_over = false;
    optind = command != NULL ? 2 : 1;
    *exit_status = parse_options(arguments, command, &is_over, argc, argv);
    if (is_over || *exit_status != KEYS_DONE) {
        return NULL;
    }
    if (command == NULL) {
        *exit_status = argc > 1 ? usage_error("command", argv[1], "one that --help lists")
                                : usage_error("command", "nothing", "one that --help lists");
        return NULL;
    }
    arguments->command = command->name;
    *exit_status = take_operands(arguments, command, argc - optind, argv + optind);
    if (*exit_status == KEYS_DONE) {
        *exit_status = check_together(arguments, command);
    }
    return *exit_status == KEYS_DONE ? command->run : NULL;
}

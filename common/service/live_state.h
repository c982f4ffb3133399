/* What reloads change, as one immutable snapshot: the configuration with what is made of it, the
 * keyring, and one thing more that a server may have. The control thread makes a new one whenever
 * one part changes; workers, metrics and other threads read it by a snapshot_slot each. */
#ifndef NTS_SERVICE_LIVE_STATE_H
#define NTS_SERVICE_LIVE_STATE_H

#include "base/snapshot.h"
#include "keys/keyring.h"
#include "limit/source_policy.h"
#include "service/host_options.h"

/* The first member of a server's settings: one configuration file, read, and what the host makes of
 * it. Immutable once it is published. */
struct host_settings {
    struct snapshot snapshot;           /* first member */
    const struct host_options *options; /* in the configuration */
    struct source_policy sources;
    struct config_memory config_memory;
    void (*clear)(
        struct host_settings *settings); /* frees what the server has added; NULL: nothing */
};

struct live_state {
    struct snapshot snapshot; /* first member */
    const struct host_settings *settings;
    const struct keyring *keyring;
    const struct snapshot *extra; /* of the server; NULL: nothing */
};

/* How the settings of a server are laid out and made. */
struct settings_type {
    const struct option_table *options;
    size_t size; /* of the server's settings, which begin with a struct host_settings */
    size_t
        config_offset; /* of the configuration in them: a struct of options->struct_size octets */
    size_t options_offset; /* of the struct host_options in the configuration */
    /* Makes what the server needs of the configuration; may be NULL. A text without the file. */
    enum nts_status (*fill)(struct host_settings *settings, struct error *error);
    void (*clear)(
        struct host_settings *settings); /* after fill, whatever it returned; may be NULL */
};

/* host_settings_load reads the file at `path`, but nothing that it points to. `*settings` gets one
 * reference for the caller. Errors as from config_load and source_policy_open, with the file in the
 * text. */
NTS_MUST_CHECK enum nts_status host_settings_load(struct host_settings **settings,
                                                  const struct settings_type *type,
                                                  const char *path, struct error *error);

/* host_settings_config returns the configuration in the settings. */
const void *host_settings_config(const struct host_settings *settings,
                                 const struct settings_type *type);

/* live_state_create makes a state with one reference for the caller, which takes references of its
 * own to the three. NULL if there is no memory. */
struct live_state *live_state_create(struct host_settings *settings, struct keyring *keyring,
                                     struct snapshot *extra);

#endif

/* The configuration options of both servers that are about the keyring. */
#ifndef NTS_SERVICE_KEYRING_OPTIONS_H
#define NTS_SERVICE_KEYRING_OPTIONS_H

#include "config/config.h"

#include <stddef.h>

struct keyring_options {
    const char *path;
    const char *signer;   /* NULL: any keyring will do */
    const char *node_key; /* NULL: nothing sealed can be opened */
};

/* KEYRING_OPTION_ROWS(OFFSET) are the rows of an option table whose struct has these options at
 * OFFSET. */
#define KEYRING_OPTION_ROWS(OFFSET)                                                                \
    {.name = "keyring",                                                                            \
     .type = OPTION_PATH,                                                                          \
     .offset = (OFFSET) + offsetof(struct keyring_options, path),                                  \
     .needs_restart = true,                                                                        \
     .help = "the file with the master keys; followed, so a new one is used as soon as it is "     \
             "there"},                                                                             \
        {.name = "keyring_signer",                                                                 \
         .type = OPTION_PATH,                                                                      \
         .offset = (OFFSET) + offsetof(struct keyring_options, signer),                            \
         .default_json = "null",                                                                   \
         .needs_restart = true,                                                                    \
         .help = "PEM file with the Ed25519 public keys that may sign the keyring; given one, a "  \
                 "keyring that is unsigned, altered or signed too long ago is refused"},           \
    {                                                                                              \
        .name = "node_key", .type = OPTION_PATH,                                                   \
        .offset = (OFFSET) + offsetof(struct keyring_options, node_key), .default_json = "null",   \
        .needs_restart = true,                                                                     \
        .help = "PEM file with this node's X25519 private key, to open a keyring that is sealed"   \
    }

#endif

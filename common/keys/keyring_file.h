/* The keyring file (JSON, "nts-keyring/1"): strict reading, atomic writing. Not for the packet
 * path. */
#ifndef NTS_KEYS_KEYRING_FILE_H
#define NTS_KEYS_KEYRING_FILE_H

#include "keys/keyring.h"

#include <sys/stat.h>

#define KEYRING_FILE_MAX_LEN (1 << 20)
#define KEYRING_FILE_FORMAT  "nts-keyring/1"

/* keyring_file_load reads and checks a file. `*ring` gets one reference for the caller; `*identity`
 * (NULL if unwanted) what fstat said of the file that was read. NTS_ERR_FILE with a text that names
 * file, key, value and what was expected: not a regular file, open to group or others, longer than
 * KEYRING_FILE_MAX_LEN, not JSON, an unknown or missing member, a wrong type, length or layout,
 * duplicate ids, or a key that expires before it activates. */
NTS_MUST_CHECK enum nts_status keyring_file_load(struct keyring **ring, struct stat *identity,
                                                 const char *path, struct error *error);

/* keyring_file_create writes a new file with mode 0600 in one step: a temporary file in the same
 * directory, synced, then linked into place. NTS_ERR_FILE if the file exists already or cannot be
 * written; nothing is left behind then. */
NTS_MUST_CHECK enum nts_status keyring_file_create(const char *path, uint64_t generation,
                                                   const struct master_key_spec *specs, size_t num,
                                                   struct error *error);

#endif

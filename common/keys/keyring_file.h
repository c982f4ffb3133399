/* The keyring file: strict reading, and writing that leaves either the old file or the new one,
 * whatever happens in between. A file is a keyring (JSON, "nts-keyring/1"), signed or not, or an
 * envelope that it is sealed in ("nts-keyring-sealed/1"). Not for the packet path. */
#ifndef NTS_KEYS_KEYRING_FILE_H
#define NTS_KEYS_KEYRING_FILE_H

#include "keys/keyring_document.h"

#include <sys/stat.h>

#define KEYRING_FILE_MAX_LEN (1 << 20)

/* What it takes to read a keyring file, and what is asked of it. */
struct keyring_access {
    /* PEM file with the public keys that may sign. NULL: no signature is needed, and one that is
     * there is not verified. */
    const char *signer;
    /* PEM file with this node's private key, to open what is sealed. NULL: none. */
    const char *node_key;
};

/* keyring_file_read reads and checks a file, opens it if it is sealed, and verifies its signature
 * if `access` names signers. `access` may be NULL; `*identity` (NULL if unwanted) gets what fstat
 * said of the file that was read. Errors, each with a text that names the file: NTS_ERR_FILE
 * (unreadable, not a regular file, open to group or others though not sealed, longer than
 * KEYRING_FILE_MAX_LEN, also of the key files), those of keyring_document_parse, envelope_open and
 * keyring_verify. */
NTS_MUST_CHECK enum nts_status keyring_file_read(struct keyring_document *document,
                                                 struct stat *identity, const char *path,
                                                 const struct keyring_access *access,
                                                 struct error *error);

/* keyring_file_load does the same and makes a keyring of it; `*ring` gets one reference for the
 * caller. */
NTS_MUST_CHECK enum nts_status keyring_file_load(struct keyring **ring, struct stat *identity,
                                                 const char *path,
                                                 const struct keyring_access *access,
                                                 struct error *error);

/* A writer of keyring files locks the directory meanwhile; other writers wait. */
struct keyring_lock {
    int directory_fd;
    char path[4096]; /* the file itself, behind any symbolic link */
};

/* keyring_file_lock waits for the lock of `path`. NTS_ERR_FILE with text. It ends with the process,
 * or with keyring_file_unlock. */
NTS_MUST_CHECK enum nts_status keyring_file_lock(struct keyring_lock *lock, const char *path,
                                                 struct error *error);
void keyring_file_unlock(struct keyring_lock *lock);

enum keyring_write { KEYRING_CREATE, KEYRING_REPLACE };

/* keyring_file_write puts the document in place of the locked file in one step: a temporary file in
 * its directory, synced, then renamed (KEYRING_REPLACE: keeps owner and mode of what was there) or
 * linked (KEYRING_CREATE: mode 0600, fails if the file exists). A process killed anywhere leaves
 * the old file or the new one, and at most the temporary one, which the next call removes.
 * NTS_ERR_FILE with text. */
NTS_MUST_CHECK enum nts_status keyring_file_write(const struct keyring_lock *lock,
                                                  const struct keyring_document *document,
                                                  enum keyring_write how, struct error *error);

/* keyring_text_write does the same with any text: an envelope, or chrony's keys. */
NTS_MUST_CHECK enum nts_status keyring_text_write(const struct keyring_lock *lock, const char *text,
                                                  size_t len, enum keyring_write how,
                                                  struct error *error);

#endif

/* Follows a keyring file: tells when it may have changed, and loads it again with the rule that a
 * node never goes back to a lower generation by itself. Control thread only. */
#ifndef NTS_SERVICE_KEYRING_WATCH_H
#define NTS_SERVICE_KEYRING_WATCH_H

#include "keys/keyring_file.h"
#include "process/file_watch.h"

struct keyring_watch {
    const char *path;
    struct keyring_access access;
    struct file_watch files;
    struct watched_file file; /* what was seen is what was loaded last */
    uint64_t generation;
};

/* keyring_watch_open starts to follow `path`; it and what `access` points to must outlive the
 * watch, which must not move. NTS_ERR_SYSTEM if inotify or the directory is not available. */
NTS_MUST_CHECK enum nts_status keyring_watch_open(struct keyring_watch *watch, const char *path,
                                                  const struct keyring_access *access,
                                                  struct error *error);
void keyring_watch_close(struct keyring_watch *watch);

/* keyring_watch_fd returns the descriptor that is readable when keyring_watch_changed should be
 * asked. */
int keyring_watch_fd(const struct keyring_watch *watch);

/* keyring_watch_changed takes in what was notified and tells whether the path now leads to another
 * file, or to other content, than was loaded last. To be called now and then without a notice too:
 * a network file system gives none, and a directory may be replaced as a whole. */
bool keyring_watch_changed(struct keyring_watch *watch);

/* keyring_watch_load loads the file; `*ring` gets one reference for the caller. On error the file
 * counts as seen, `*ring` is untouched and the caller keeps what it has: NTS_ERR_FILE as from
 * keyring_file_load, NTS_ERR_STALE if its generation is lower than that of the last one loaded. */
NTS_MUST_CHECK enum nts_status keyring_watch_load(struct keyring_watch *watch,
                                                  struct keyring **ring, struct error *error);

#endif

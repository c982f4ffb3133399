/* Follows files that others replace: by rename, by writing in place, by a symbolic link on the way
 * that is made to lead elsewhere. Says that something has changed, not what it means. One thread.
 */
#ifndef NTS_PROCESS_FILE_WATCH_H
#define NTS_PROCESS_FILE_WATCH_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct watched_file {
    const char *path;
    int directory_watch; /* the directory of the path: renames, and swaps of a symlink there */
    int target_watch;    /* the directory that the path leads to, when that is another one */
    struct stat seen;    /* the file at the last comparison; zeros: none, or not yet */
};

struct file_watch {
    int inotify_fd;
    struct watched_file *files;
    size_t num_files;
};

/* file_watch_open starts to follow `num_files` files, of which the caller has set the paths; both
 * must outlive the watch. None counts as seen. NTS_ERR_SYSTEM with a text that names the file if
 * inotify or a directory is not available; nothing is to be closed then. */
NTS_MUST_CHECK enum nts_status file_watch_open(struct file_watch *watch, struct watched_file *files,
                                               size_t num_files, struct error *error);
void file_watch_close(struct file_watch *watch);

/* file_watch_fd returns the descriptor that is readable when file_watch_update should be called. */
int file_watch_fd(const struct file_watch *watch);

/* file_watch_update takes in what was notified and goes after directories that have become other
 * ones. To be called now and then without a notice too: a network file system gives none, and a
 * directory may be replaced as a whole. */
void file_watch_update(struct file_watch *watch);

/* watched_file_changed tells whether the path leads to another file, or to other content, than was
 * seen last. Gone is a change, once it is seen. */
bool watched_file_changed(const struct watched_file *file);

/* watched_file_see takes what is there now as seen; with `identity`, what a reader's fstat said of
 * the file it has read, so that nothing is missed in between. */
void watched_file_see(struct watched_file *file, const struct stat *identity);

#endif

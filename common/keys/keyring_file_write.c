#include "keys/keyring_file.h"

#include "crypto/secret_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The temporary file lies beside the keyring under a name of its own, so that its purpose
 * is plain, and the next writer, which holds the lock, removes it. */
#define TEMPORARY_SUFFIX ".new"

_Static_assert(sizeof(((struct keyring_lock *)0)->path) >= PATH_MAX, "any path fits");

enum nts_status keyring_file_lock(struct keyring_lock *lock, const char *path, struct error *error)
{
    char directory[PATH_MAX];
    lock->directory_fd = -1;
    /* Behind a symbolic link it is the file that is replaced, not the link. A file that is not
     * there yet has no real path. */
    if (realpath(path, lock->path) == NULL) {
        if (errno != ENOENT || strlen(path) >= sizeof(lock->path)) {
            return error_set(error, NTS_ERR_FILE, "%s: %s", path, strerror(errno));
        }
        strcpy(lock->path, path);
    }
    strcpy(directory, lock->path);
    lock->directory_fd = open(dirname(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock->directory_fd < 0) {
        return error_set(error, NTS_ERR_FILE, "%s: cannot open its directory: %s", path,
                         strerror(errno));
    }
    while (flock(lock->directory_fd, LOCK_EX) != 0) {
        if (errno != EINTR) {
            error_set(error, NTS_ERR_FILE, "%s: cannot lock its directory: %s", path,
                      strerror(errno));
            keyring_file_unlock(lock);
            return NTS_ERR_FILE;
        }
    }
    return NTS_OK;
}

void keyring_file_unlock(struct keyring_lock *lock)
{
    if (lock->directory_fd >= 0) {
        close(lock->directory_fd);
    }
    lock->directory_fd = -1;
}

/* Writes everything or fails; what a signal interrupts goes on. */
static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        text += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

/* Gives the new file the owner and the mode of the one that it replaces: a tool that runs as root
 * must not take the file away from the user that the servers run as. */
static bool keep_owner(int fd, const char *path)
{
    struct stat old;
    if (stat(path, &old) != 0) {
        return errno == ENOENT;
    }
    struct stat fresh;
    return fstat(fd, &fresh) == 0 &&
           ((fresh.st_uid == old.st_uid && fresh.st_gid == old.st_gid) ||
            fchown(fd, old.st_uid, old.st_gid) == 0) &&
           fchmod(fd, old.st_mode & 07777) == 0;
}

/* What can be told of a failure: the system's reason, by the step that met it. */
static enum nts_status write_error(const char *path, const char *step, struct error *error)
{
    return error_set(error, NTS_ERR_FILE, "%s: cannot %s: %s", path, step, strerror(errno));
}

static enum nts_status put_in_place(const char *temporary, const char *path, enum keyring_write how,
                                    struct error *error)
{
    if (how == KEYRING_REPLACE) {
        return rename(temporary, path) == 0 ? NTS_OK : write_error(path, "replace", error);
    }
    /* link, not rename: it fails when the file is there, and so never overwrites one. */
    if (link(temporary, path) != 0) {
        return errno == EEXIST ? error_set(error, NTS_ERR_FILE,
                                           "%s: exists already, and is left as it is", path)
                               : write_error(path, "create", error);
    }
    unlink(temporary);
    return NTS_OK;
}

enum nts_status keyring_text_write(const struct keyring_lock *lock, const char *text, size_t len,
                                   enum keyring_write how, struct error *error)
{
    char temporary[sizeof(lock->path) + sizeof(TEMPORARY_SUFFIX)];
    snprintf(temporary, sizeof(temporary), "%s%s", lock->path, TEMPORARY_SUFFIX);
    if (unlink(temporary) != 0 && errno != ENOENT) {
        return write_error(temporary, "remove what an earlier run left", error);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return write_error(lock->path, "create a file beside it", error);
    }
    enum nts_status status = NTS_OK;
    if (how == KEYRING_REPLACE && !keep_owner(fd, lock->path)) {
        status = write_error(lock->path, "keep its owner and mode", error);
    } else if (!write_all(fd, text, len) || fsync(fd) != 0) {
        status = write_error(lock->path, "write", error);
    } else {
        status = put_in_place(temporary, lock->path, how, error);
    }
    close(fd);
    if (status != NTS_OK) {
        unlink(temporary);
        return status;
    }
    /* The new name is on the disk when this returns. */
    if (fsync(lock->directory_fd) != 0) {
        return write_error(lock->path, "sync its directory", error);
    }
    return NTS_OK;
}

enum nts_status keyring_file_write(const struct keyring_lock *lock,
                                   const struct keyring_document *document, enum keyring_write how,
                                   struct error *error)
{
    char *text = keyring_document_format(document);
    if (text == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", lock->path);
    }
    size_t len = strlen(text);
    text[len] = '\n'; /* in place of the NUL */
    enum nts_status status = keyring_text_write(lock, text, len + 1, how, error);
    keyring_text_free(text);
    return status;
}

#include "crypto/secret_file.h"

#include "crypto/secret_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A service manager hands credentials to the service alone. Where it lets the service's user in by
 * an access control list, the mode shows that as if the group could read. */
static bool is_credential(const char *path)
{
    const char *directory = getenv("CREDENTIALS_DIRECTORY");
    size_t len = directory != NULL ? strlen(directory) : 0;
    return len > 0 && strncmp(path, directory, len) == 0 && path[len] == '/' &&
           strstr(path + len, "/../") == NULL;
}

enum nts_status secret_file_check_mode(const struct stat *identity, const char *path,
                                       struct error *error)
{
    mode_t forbidden = S_IRWXG | S_IRWXO;
    if (is_credential(path)) {
        forbidden &= ~(mode_t)S_IRGRP;
    }
    if ((identity->st_mode & forbidden) != 0) {
        return error_set(error, NTS_ERR_FILE,
                         "%s: mode is %04o, expected no access for group or others (chmod 600)",
                         path, (unsigned)identity->st_mode & 07777);
    }
    return NTS_OK;
}

static enum nts_status check_size(const struct stat *st, const char *path, size_t max_len,
                                  struct error *error)
{
    if (!S_ISREG(st->st_mode)) {
        return error_set(error, NTS_ERR_FILE, "%s: not a regular file", path);
    }
    if (st->st_size > (off_t)max_len) {
        return error_set(error, NTS_ERR_FILE, "%s: %jd octets, expected at most %zu", path,
                         (intmax_t)st->st_size, max_len);
    }
    return NTS_OK;
}

/* Reads to the end of the file, which `capacity` octets must reach. */
static enum nts_status read_all(struct secret_file *file, int fd, size_t capacity, const char *path,
                                struct error *error)
{
    file->len = 0;
    while (file->len < capacity) {
        ssize_t got = read(fd, file->text + file->len, capacity - file->len);
        if (got == 0) {
            return NTS_OK;
        }
        if (got < 0 && errno != EINTR) {
            return error_set(error, NTS_ERR_FILE, "%s: cannot read: %s", path, strerror(errno));
        }
        file->len += got > 0 ? (size_t)got : 0;
    }
    return error_set(error, NTS_ERR_FILE, "%s: grew while it was read", path);
}

enum nts_status secret_file_read_any(struct secret_file *file, const char *path, size_t max_len,
                                     struct error *error)
{
    *file = (struct secret_file){0};
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &file->identity) != 0) {
        error_set(error, NTS_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return NTS_ERR_FILE;
    }
    enum nts_status status = check_size(&file->identity, path, max_len, error);
    if (status == NTS_OK) {
        /* One octet more than the file has: to see its end, and for the NUL. */
        size_t capacity = (size_t)file->identity.st_size + 1;
        file->text = secret_alloc(capacity);
        status = file->text != NULL
                     ? read_all(file, fd, capacity, path, error)
                     : error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    }
    close(fd);
    if (status != NTS_OK) {
        secret_free(file->text);
        file->text = NULL;
    }
    return status;
}

enum nts_status secret_file_read(struct secret_file *file, const char *path, size_t max_len,
                                 struct error *error)
{
    enum nts_status status = secret_file_read_any(file, path, max_len, error);
    if (status != NTS_OK) {
        return status;
    }
    status = secret_file_check_mode(&file->identity, path, error);
    if (status != NTS_OK) {
        secret_free(file->text);
        file->text = NULL;
    }
    return status;
}

#include "process/file_watch.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WATCHED_EVENTS                                                                             \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB)

static int watch_directory_of(const struct file_watch *watch, const char *path)
{
    char *copy = strdup(path);
    int descriptor =
        copy != NULL ? inotify_add_watch(watch->inotify_fd, dirname(copy), WATCHED_EVENTS) : -1;
    free(copy);
    return descriptor;
}

/* inotify has one descriptor for a directory, however many files in it are followed. */
static bool is_used(const struct file_watch *watch, int descriptor)
{
    for (size_t i = 0; i < watch->num_files; i++) {
        const struct watched_file *file = &watch->files[i];
        if (file->directory_watch == descriptor || file->target_watch == descriptor) {
            return true;
        }
    }
    return false;
}

/* Moves one of a file's two watches to the directory that `path` is in now. */
static void move_watch(const struct file_watch *watch, int *descriptor, const char *path)
{
    int old = *descriptor;
    int fresh = watch_directory_of(watch, path);
    if (fresh == old || fresh < 0) {
        return;
    }
    *descriptor = fresh;
    if (old >= 0 && !is_used(watch, old)) {
        inotify_rm_watch(watch->inotify_fd, old);
    }
}

/* Follows the directory that the path is in, and the one that it leads to through symlinks: either
 * may have become another one. */
static void watch_directories(const struct file_watch *watch, struct watched_file *file)
{
    char target[PATH_MAX];
    move_watch(watch, &file->directory_watch, file->path);
    if (realpath(file->path, target) != NULL) {
        move_watch(watch, &file->target_watch, target);
    }
}

enum nts_status file_watch_open(struct file_watch *watch, struct watched_file *files,
                                size_t num_files, struct error *error)
{
    *watch = (struct file_watch){.inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC),
                                 .files = files,
                                 .num_files = num_files};
    if (watch->inotify_fd < 0) {
        return error_set(error, NTS_ERR_SYSTEM, "%s: inotify: %s", files[0].path, strerror(errno));
    }
    for (size_t i = 0; i < num_files; i++) {
        files[i] =
            (struct watched_file){.path = files[i].path, .directory_watch = -1, .target_watch = -1};
    }
    for (size_t i = 0; i < num_files; i++) {
        watch_directories(watch, &files[i]);
        if (files[i].directory_watch < 0) {
            int cause = errno;
            file_watch_close(watch);
            return error_set(error, NTS_ERR_SYSTEM, "%s: cannot watch its directory: %s",
                             files[i].path, strerror(cause));
        }
    }
    return NTS_OK;
}

void file_watch_close(struct file_watch *watch)
{
    close(watch->inotify_fd);
    watch->inotify_fd = -1;
}

int file_watch_fd(const struct file_watch *watch)
{
    return watch->inotify_fd;
}

void file_watch_update(struct file_watch *watch)
{
    /* What exactly was notified does not matter: the files themselves are compared. */
    _Alignas(struct inotify_event) char events[4096];
    while (read(watch->inotify_fd, events, sizeof(events)) > 0) {
    }
    for (size_t i = 0; i < watch->num_files; i++) {
        watch_directories(watch, &watch->files[i]);
    }
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void identify(struct stat *identity, const char *path)
{
    if (stat(path, identity) != 0) {
        memset(identity, 0, sizeof(*identity));
    }
}

bool watched_file_changed(const struct watched_file *file)
{
    struct stat now;
    identify(&now, file->path);
    return !same_file(&now, &file->seen);
}

void watched_file_see(struct watched_file *file, const struct stat *identity)
{
    if (identity != NULL) {
        file->seen = *identity;
    } else {
        identify(&file->seen, file->path);
    }
}

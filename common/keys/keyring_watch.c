#include "keys/keyring_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define WATCHED_EVENTS                                                                             \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB)

static int watch_directory_of(const struct keyring_watch *watch, const char *path)
{
    char *copy = strdup(path);
    int descriptor =
        copy != NULL ? inotify_add_watch(watch->inotify_fd, dirname(copy), WATCHED_EVENTS) : -1;
    free(copy);
    return descriptor;
}

/* Moves one of the two watches to the directory that `path` is in now. */
static void move_watch(const struct keyring_watch *watch, int *descriptor, int other,
                       const char *path)
{
    int fresh = watch_directory_of(watch, path);
    if (fresh == *descriptor || fresh < 0) {
        return;
    }
    if (*descriptor >= 0 && *descriptor != other) {
        inotify_rm_watch(watch->inotify_fd, *descriptor);
    }
    *descriptor = fresh;
}

/* Follows the directory that the path is in, and the one that it leads to through symlinks: either
 * may have become another one. */
static void watch_directories(struct keyring_watch *watch)
{
    char target[PATH_MAX];
    move_watch(watch, &watch->directory_watch, watch->target_watch, watch->path);
    if (realpath(watch->path, target) != NULL) {
        move_watch(watch, &watch->target_watch, watch->directory_watch, target);
    }
}

enum nts_status keyring_watch_open(struct keyring_watch *watch, const char *path,
                                   const struct keyring_access *access, struct error *error)
{
    *watch = (struct keyring_watch){
        .path = path, .access = *access, .directory_watch = -1, .target_watch = -1};
    watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->inotify_fd < 0) {
        return error_set(error, NTS_ERR_SYSTEM, "%s: inotify: %s", path, strerror(errno));
    }
    watch_directories(watch);
    if (watch->directory_watch < 0) {
        int cause = errno;
        keyring_watch_close(watch);
        return error_set(error, NTS_ERR_SYSTEM, "%s: cannot watch its directory: %s", path,
                         strerror(cause));
    }
    return NTS_OK;
}

void keyring_watch_close(struct keyring_watch *watch)
{
    close(watch->inotify_fd);
    watch->inotify_fd = -1;
}

int keyring_watch_fd(const struct keyring_watch *watch)
{
    return watch->inotify_fd;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mode == b->st_mode && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool keyring_watch_changed(struct keyring_watch *watch)
{
    /* What exactly was notified does not matter: the file itself is looked at. */
    _Alignas(struct inotify_event) char events[4096];
    while (read(watch->inotify_fd, events, sizeof(events)) > 0) {
    }
    watch_directories(watch);
    struct stat now;
    if (stat(watch->path, &now) != 0) {
        memset(&now, 0, sizeof(now)); /* gone counts as a change, once */
    }
    return !same_file(&now, &watch->loaded);
}

enum nts_status keyring_watch_load(struct keyring_watch *watch, struct keyring **ring,
                                   struct error *error)
{
    struct keyring *fresh;
    struct stat identity;
    if (stat(watch->path, &watch->loaded) != 0) {
        memset(&watch->loaded, 0, sizeof(watch->loaded));
    }
    enum nts_status status =
        keyring_file_load(&fresh, &identity, watch->path, &watch->access, error);
    if (status != NTS_OK) {
        return status;
    }
    watch->loaded = identity;
    if (fresh->generation < watch->generation) {
        status = error_set(error, NTS_ERR_STALE,
                           "%s: generation is %" PRIu64 ", expected at least %" PRIu64
                           " which is loaded",
                           watch->path, fresh->generation, watch->generation);
        snapshot_unref(&fresh->snapshot);
        return status;
    }
    watch->generation = fresh->generation;
    *ring = fresh;
    return NTS_OK;
}

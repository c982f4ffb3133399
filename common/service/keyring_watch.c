#include "service/keyring_watch.h"

#include <inttypes.h>

enum nts_status keyring_watch_open(struct keyring_watch *watch, const char *path,
                                   const struct keyring_access *access, struct error *error)
{
    *watch = (struct keyring_watch){.path = path, .access = *access, .file = {.path = path}};
    return file_watch_open(&watch->files, &watch->file, 1, error);
}

void keyring_watch_close(struct keyring_watch *watch)
{
    file_watch_close(&watch->files);
}

int keyring_watch_fd(const struct keyring_watch *watch)
{
    return file_watch_fd(&watch->files);
}

bool keyring_watch_changed(struct keyring_watch *watch)
{
    file_watch_update(&watch->files);
    return watched_file_changed(&watch->file);
}

enum nts_status keyring_watch_load(struct keyring_watch *watch, struct keyring **ring,
                                   struct error *error)
{
    struct keyring *fresh;
    struct stat identity;
    watched_file_see(&watch->file, NULL);
    enum nts_status status =
        keyring_file_load(&fresh, &identity, watch->path, &watch->access, error);
    if (status != NTS_OK) {
        return status;
    }
    watched_file_see(&watch->file, &identity);
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

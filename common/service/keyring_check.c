#include "service/keyring_check.h"

#include "base/clock_time.h"
#include "crypto/secret_mem.h"
#include "keys/keyring_file.h"
#include "process/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_keys(struct preflight *preflight, const char *path, const struct keyring *ring)
{
    struct keyring_state state;
    keyring_state_at(&state, ring, real_time_ns() / NS_PER_S);
    if (state.active == NULL) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_NO_ACTIVE_KEY,
                       "%s: no key is active now: each has expired or is yet to be activated",
                       path);
        return;
    }
    if (state.next == NULL) {
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_NO_UPCOMING_KEY,
                       "%s: no key is to follow the active one, %08" PRIx32, path,
                       state.active->id);
    }
    if (state.is_near_end) {
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_KEYRING_NEAR_END,
                       "%s: the last key expires in %" PRId64 " hours, and no cookie is opened "
                       "after that",
                       path, state.last_expiry_s / 3600);
    }
}

static enum nts_status load(struct keyring **ring, const struct keyring_options *options,
                            struct error *error)
{
    const struct keyring_access access = {options->signer, options->node_key};
    return keyring_file_load(ring, NULL, options->path, &access, error);
}

/* What the other process has seen. */
struct user_report {
    enum nts_status became; /* of sandbox_drop_privileges */
    enum nts_status loaded; /* of the keyring */
    bool is_locked;
    bool is_readable[USER_CHECK_MAX_FILES];
    struct error error;
};

/* A reload has two keyrings in memory, and the limit of locked memory is now the user's. */
static void load_twice(struct user_report *report, const struct keyring_options *options)
{
    struct keyring *rings[2] = {NULL, NULL};
    for (int i = 0; i < 2 && report->loaded == NTS_OK; i++) {
        report->loaded = load(&rings[i], options, &report->error);
    }
    report->is_locked = secret_memory_is_locked();
    for (int i = 0; i < 2; i++) {
        if (rings[i] != NULL) {
            snapshot_unref(&rings[i]->snapshot);
        }
    }
}

/* The other process. Nothing of it is left: user and memory go with it. */
static void run_as_user(int fd, const char *user, const struct keyring_options *options,
                        const char *const *files, size_t num)
{
    struct user_report report = {.became = NTS_OK};
    if (user != NULL) {
        report.became = sandbox_drop_privileges(user, &report.error);
    }
    if (report.became == NTS_OK) {
        load_twice(&report, options);
        for (size_t i = 0; i < num; i++) {
            report.is_readable[i] = access(files[i], R_OK) == 0;
        }
    }
    _exit(write(fd, &report, sizeof(report)) == (ssize_t)sizeof(report) ? 0 : 1);
}

static bool ask_as_user(struct user_report *report, const char *user,
                        const struct keyring_options *options, const char *const *files, size_t num)
{
    int fds[2];
    if (pipe(fds) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        run_as_user(fds[1], user, options, files, num);
    }
    close(fds[1]);
    ssize_t len;
    do {
        len = read(fds[0], report, sizeof(*report));
    } while (len < 0 && errno == EINTR);
    close(fds[0]);
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    return pid > 0 && len == (ssize_t)sizeof(*report);
}

/* What the server will meet when its privileges are gone. `is_loaded`: with them, the keyring can
 * be read; if not, that has been said. */
static void check_as_user(struct preflight *preflight, const char *user,
                          const struct keyring_options *options, bool is_loaded,
                          const char *const *files, size_t num)
{
    struct user_report report;
    const char *name = user != NULL ? user : "this user";
    if (user == NULL && geteuid() == 0) {
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_ROOT,
                       "the server would stay root, with the keys of the farm");
    }
    if (!ask_as_user(&report, user, options, files, num)) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_USER,
                       "cannot start a process to look at the files: %s", strerror(errno));
        return;
    }
    if (report.became != NTS_OK) {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_USER, "%s", report.error.text);
        return;
    }
    if (is_loaded && report.loaded != NTS_OK) {
        /* It would start, and miss every rotation from then on. */
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_NOT_READABLE,
                       "%s cannot follow the keyring: %s", name, report.error.text);
    }
    if (!report.is_locked) {
        preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_NOT_LOCKED,
                       "%s may not lock the memory of two keyrings: keys could be swapped out",
                       name);
    }
    for (size_t i = 0; i < num; i++) {
        if (!report.is_readable[i]) {
            preflight_find(preflight, LOG_LEVEL_WARNING, PREFLIGHT_NOT_READABLE,
                           "%s cannot read %s: a reload would be refused", name, files[i]);
        }
    }
}

struct keyring *keyring_check(struct preflight *preflight, const struct keyring_options *options,
                              const char *user, const char *const *files, size_t num)
{
    struct error error;
    struct keyring *ring = NULL;
    assert(num <= USER_CHECK_MAX_FILES);
    if (load(&ring, options, &error) == NTS_OK) {
        check_keys(preflight, options->path, ring);
    } else {
        preflight_find(preflight, LOG_LEVEL_ERROR, PREFLIGHT_KEYRING, "%s", error.text);
    }
    check_as_user(preflight, user, options, ring != NULL, files, num);
    return ring;
}

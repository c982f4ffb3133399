#include "runtime/sandbox.h"

#include "runtime/log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

void sandbox_hide_memory(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef SANITIZED /* the leak checker attaches to its own process */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static enum nts_status become(const char *user, struct error *error)
{
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        return error_set(error, NTS_ERR_CONFIG, "user: got \"%s\", expected a user of this system",
                         user);
    }
    if (geteuid() == entry->pw_uid) {
        return NTS_OK;
    }
    if (initgroups(user, entry->pw_gid) != 0 ||
        setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "user: cannot become \"%s\": %s", user,
                         strerror(errno));
    }
    if (entry->pw_uid != 0 && setuid(0) == 0) {
        return error_set(error, NTS_ERR_SYSTEM, "user: could become root again");
    }
    return NTS_OK;
}

enum nts_status sandbox_drop_user(const char *user, struct error *error)
{
    enum nts_status status = user != NULL ? become(user, error) : NTS_OK;
    if (status == NTS_OK && geteuid() == 0) {
        log_warning("privileges.root", "reason=\"still root: set the option user\"");
    }
    return status;
}

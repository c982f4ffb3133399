#include "process/sandbox.h"

#include "log/log.h"
#include "process/sanitized.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

void sandbox_hide_memory(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!NTS_SANITIZED) { /* the leak checker attaches to its own process */
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
}

/* The bounding set can be emptied only with CAP_SETPCAP, so by root and before it becomes somebody
 * else. Who starts with less has no way to get more, because of no_new_privs. */
static void empty_bounding_set(void)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
         capability++) {
        prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
    }
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

static bool has_none(const struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3])
{
    uint32_t any = 0;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        any |= sets[i].effective | sets[i].permitted | sets[i].inheritable;
    }
    return any == 0;
}

/* Giving up is always allowed: if it fails, something is not as it should be. Who has nothing to
 * give up is not to ask, for a service manager may forbid even that. */
static enum nts_status drop_capabilities(struct error *error)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capget, &header, sets) == 0 && has_none(sets)) {
        return NTS_OK;
    }
    if (syscall(SYS_capset, &header, none) != 0 || syscall(SYS_capget, &header, sets) != 0) {
        return error_set(error, NTS_ERR_SYSTEM, "cannot give up the capabilities: %s",
                         strerror(errno));
    }
    return has_none(sets) ? NTS_OK
                          : error_set(error, NTS_ERR_SYSTEM, "there are capabilities left");
}

enum nts_status sandbox_drop_privileges(const char *user, struct error *error)
{
    empty_bounding_set();
    enum nts_status status = user != NULL ? become(user, error) : NTS_OK;
    if (status == NTS_OK) {
        status = drop_capabilities(error);
    }
    if (status != NTS_OK) {
        return status;
    }
    sandbox_hide_memory(); /* a change of user restores the kernel's default */
    if (geteuid() == 0) {
        log_warning("privileges.root", "reason=\"still root: set the option user\"");
    }
    return NTS_OK;
}

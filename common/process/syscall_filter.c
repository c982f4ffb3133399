#include "process/syscall_filter.h"

#include "process/sanitized.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>

const char *const syscall_filter_mode_names[] = {"enforce", "log", "off", NULL};

/* What a row asks for in the first step. */
static uint32_t action_of(const struct syscall_row *row)
{
    switch (row->use) {
    case SYSCALL_ALWAYS:
    case SYSCALL_AT_START:
    case SYSCALL_SANITIZER:
        return SCMP_ACT_ALLOW;
    case SYSCALL_ABSENT:
        return SCMP_ACT_ERRNO(ENOSYS);
    case SYSCALL_FATAL:
        return SCMP_ACT_KILL_PROCESS;
    }
    return SCMP_ACT_KILL_PROCESS;
}

/* Sanitizers start processes, attach to their own and make code: such builds have neither the
 * refusals that they would meet nor what stands in for them. */
static bool is_left_out(const struct syscall_row *row)
{
    return (row->use == SYSCALL_SANITIZER && !NTS_SANITIZED) ||
           (row->use == SYSCALL_ABSENT && NTS_SANITIZED);
}

static int add_row(scmp_filter_ctx context, const struct syscall_row *row, uint32_t action)
{
    int number = seccomp_syscall_resolve_name(row->name);
    if (number < 0) {
        return 0; /* not of this architecture, or newer than the library: it falls to the default */
    }
    int result =
        row->mask == 0
            ? seccomp_rule_add(context, action, number, 0)
            : seccomp_rule_add(context, action, number, 1,
                               SCMP_CMP(row->argument, SCMP_CMP_MASKED_EQ, row->mask, row->value));
    return result != -EEXIST ? result : 0; /* an earlier row has the say */
}

static enum nts_status refused(int result, struct error *error)
{
    return error_set(error, NTS_ERR_SYSTEM,
                     "seccomp: cannot put the filter into force: %s (\"seccomp\": \"off\" does "
                     "without it)",
                     strerror(-result));
}

/* For every thread, told to the audit log, and with errors as the kernel gives them. */
static int set_attributes(scmp_filter_ctx context)
{
    int result = seccomp_attr_set(context, SCMP_FLTATR_CTL_TSYNC, 1);
    if (result == 0) {
        result = seccomp_attr_set(context, SCMP_FLTATR_CTL_LOG, 1);
    }
    if (result == 0) {
        result = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    }
    if (result == 0) {
        result = seccomp_attr_set(context, SCMP_FLTATR_API_SYSRAWRC, 1);
    }
    return result;
}

static int add_allowed(scmp_filter_ctx context, enum syscall_filter_mode mode,
                       const struct syscall_table *table)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < table->num_rows; i++) {
        const struct syscall_row *row = &table->rows[i];
        uint32_t action = action_of(row);
        bool is_refusal = action != SCMP_ACT_ALLOW;
        if (!is_left_out(row) && !(is_refusal && mode == SYSCALL_FILTER_LOG)) {
            result = add_row(context, row, action);
        }
    }
    return result;
}

static int add_closed(scmp_filter_ctx context, uint32_t action, const struct syscall_table *table)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < table->num_rows; i++) {
        if (table->rows[i].use == SYSCALL_AT_START) {
            result = add_row(context, &table->rows[i], action);
        }
    }
    return result;
}

static int load(scmp_filter_ctx context, int result)
{
    if (result == 0) {
        result = seccomp_load(context);
    }
    seccomp_release(context);
    return result;
}

static uint32_t refusal_of(enum syscall_filter_mode mode)
{
    return mode == SYSCALL_FILTER_LOG ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM);
}

enum nts_status syscall_filter_open(enum syscall_filter_mode mode,
                                    const struct syscall_table *const *own, struct error *error)
{
    if (mode == SYSCALL_FILTER_OFF) {
        return NTS_OK;
    }
    scmp_filter_ctx context = seccomp_init(refusal_of(mode));
    if (context == NULL) {
        return refused(-ENOMEM, error);
    }
    int result = set_attributes(context);
    if (result == 0) {
        result = add_allowed(context, mode, &syscall_table_common);
    }
    for (; result == 0 && own != NULL && *own != NULL; own++) {
        result = add_allowed(context, mode, *own);
    }
    result = load(context, result);
    return result == 0 ? NTS_OK : refused(result, error);
}

enum nts_status syscall_filter_close_start(enum syscall_filter_mode mode,
                                           const struct syscall_table *const *own,
                                           struct error *error)
{
    if (mode == SYSCALL_FILTER_OFF) {
        return NTS_OK;
    }
    /* A second filter: of two, the stricter verdict counts. */
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
    if (context == NULL) {
        return refused(-ENOMEM, error);
    }
    int result = set_attributes(context);
    if (result == 0) {
        /* No new privileges is what the process has already, and the first filter lets no prctl by.
         */
        result = seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0);
    }
    if (result == 0) {
        result = add_closed(context, refusal_of(mode), &syscall_table_common);
    }
    for (; result == 0 && own != NULL && *own != NULL; own++) {
        result = add_closed(context, refusal_of(mode), *own);
    }
    result = load(context, result);
    return result == 0 ? NTS_OK : refused(result, error);
}

bool syscall_row_is_known(const struct syscall_row *row)
{
    return seccomp_syscall_resolve_name(row->name) != __NR_SCMP_ERROR;
}

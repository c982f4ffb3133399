/* A directory of the test's own, for files and for programs that read them. */
#ifndef NTS_TESTS_SCRATCH_H
#define NTS_TESTS_SCRATCH_H

#include "base/status.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char scratch_directory[64];

/* Runs a command of the shell in the directory and returns its exit status. */
NTS_PRINTF(1, 2) static inline int scratch_run(const char *format, ...)
{
    char command[2048];
    va_list args;
    int start = snprintf(command, sizeof(command), "cd '%s' && ", scratch_directory);
    va_start(args, format);
    vsnprintf(command + start, sizeof(command) - (size_t)start, format, args);
    va_end(args);
    return system(command);
}

static inline void scratch_make(void)
{
    strcpy(scratch_directory, "/tmp/nts-test-XXXXXX");
    cr_assert_not_null(mkdtemp(scratch_directory));
}

static inline void scratch_remove(void)
{
    cr_assert_eq(scratch_run("cd / && rm -rf '%s'", scratch_directory), 0);
}

/* The path of a file there; valid until the fourth call after this one. */
static inline const char *scratch_path(const char *name)
{
    static char paths[4][128];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", scratch_directory, name);
    return path;
}

static inline const char *scratch_write(const char *name, const void *data, size_t len, mode_t mode)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    cr_assert_eq(fchmod(fileno(file), mode), 0);
    cr_assert_eq(fwrite(data, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
    return path;
}

static inline bool scratch_has(const char *name)
{
    struct stat st;
    return lstat(scratch_path(name), &st) == 0;
}

#endif

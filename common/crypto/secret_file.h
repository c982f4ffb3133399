/* Files that hold secrets: read only if no other user can, and into memory that is locked and
 * wiped. Files of $CREDENTIALS_DIRECTORY may show as readable by their group: see systemd.exec(5).
 */
#ifndef NTS_CRYPTO_SECRET_FILE_H
#define NTS_CRYPTO_SECRET_FILE_H

#include "base/status.h"

#include <stddef.h>
#include <sys/stat.h>

struct secret_file {
    char *text; /* NUL-terminated; from secret_alloc */
    size_t len;
    struct stat identity; /* what fstat said of the file that was read */
};

/* secret_file_read reads the file at `path`. The caller calls secret_free(file->text).
 * NTS_ERR_FILE with a text that names the file: it cannot be opened or read, is not a regular file,
 * is open to group or others, or has more than `max_len` octets. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status secret_file_read(struct secret_file *file, const char *path,
                                                size_t max_len, struct error *error);

/* secret_file_read_any does the same, but does not ask which other users can read the file: that
 * depends on what is in it, and secret_file_check_mode asks it afterwards. */
NTS_MUST_CHECK enum nts_status secret_file_read_any(struct secret_file *file, const char *path,
                                                    size_t max_len, struct error *error);
NTS_MUST_CHECK enum nts_status secret_file_check_mode(const struct stat *identity, const char *path,
                                                      struct error *error);

#endif

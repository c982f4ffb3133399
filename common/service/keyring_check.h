/* What both servers ask of the keyring before they start; findings go to the preflight. */
#ifndef NTS_SERVICE_KEYRING_CHECK_H
#define NTS_SERVICE_KEYRING_CHECK_H

#include "keys/keyring.h"
#include "service/keyring_options.h"
#include "service/preflight.h"

#define USER_CHECK_MAX_FILES 160

/* keyring_check loads the keyring and looks whether a key seals now, another one is upcoming, and
 * the last one has a while to live. Then it looks as the server will when its privileges are gone:
 * another process becomes `user` (NULL: keeps its user), holds two keyrings in locked memory, as
 * a reload does, and tries to read the `num` (up to USER_CHECK_MAX_FILES) `files`. Returns one
 * reference, to be given back with snapshot_unref; NULL if the file was refused. */
struct keyring *keyring_check(struct preflight *preflight, const struct keyring_options *options,
                              const char *user, const char *const *files, size_t num);

#endif

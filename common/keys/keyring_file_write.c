#include "keys/keyring_file.h"

#include "base/clock_time.h"
#include "base/hex.h"
#include "crypto/secret_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *key_to_json(const struct master_key_spec *spec)
{
    char id[2 * MASTER_KEY_ID_LEN + 1];
    char secret[2 * MASTER_KEY_MAX_SECRET + 1];
    char activate_at[RFC3339_LEN + 1];
    char expire_at[RFC3339_LEN + 1];
    snprintf(id, sizeof(id), "%08" PRIx32, spec->id);
    hex_encode(secret, spec->secret, key_layout_secret_len(spec->layout));
    rfc3339_format(activate_at, spec->activate_at_s);
    rfc3339_format(expire_at, spec->expire_at_s);
    json_t *key =
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "layout", key_layout_name(spec->layout),
                  "secret", secret, "activate_at", activate_at, "expire_at", expire_at);
    secret_wipe(secret, sizeof(secret));
    return key;
}

static json_t *keyring_to_json(uint64_t generation, const struct master_key_spec *specs, size_t num)
{
    json_t *keys = json_array();
    for (size_t i = 0; i < num; i++) {
        json_array_append_new(keys, key_to_json(&specs[i]));
    }
    return json_pack("{s:s, s:I, s:o}", "format", KEYRING_FILE_FORMAT, "generation",
                     (json_int_t)generation, "keys", keys);
}

/* Writes everything or fails; what a signal interrupts goes on. */
static bool write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = write(fd, text, len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        text += put > 0 ? put : 0;
        len -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

static void sync_directory_of(const char *path)
{
    char *copy = strdup(path);
    int fd = copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(copy);
}

enum nts_status keyring_file_create(const char *path, uint64_t generation,
                                    const struct master_key_spec *specs, size_t num,
                                    struct error *error)
{
    enum nts_status status = NTS_OK;
    json_free_t free_json; /* wipes, see keyring_file.c */
    char *temporary = NULL;
    int fd = -1;
    json_t *json = keyring_to_json(generation, specs, num);
    char *text = json_dumps(json, JSON_INDENT(2));
    json_decref(json);
    if (text == NULL || asprintf(&temporary, "%s.XXXXXX", path) < 0) {
        temporary = NULL;
        status = error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
        goto done;
    }
    fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    if (fd < 0) {
        status = error_set(error, NTS_ERR_FILE, "%s: cannot create: %s", path, strerror(errno));
        goto done;
    }
    if (!write_all(fd, text, strlen(text)) || !write_all(fd, "\n", 1) || fsync(fd) != 0) {
        status = error_set(error, NTS_ERR_FILE, "%s: cannot write: %s", path, strerror(errno));
    } else if (link(temporary, path) != 0) {
        /* link, not rename: it fails when the file is there, and so never overwrites one. */
        status =
            error_set(error, NTS_ERR_FILE, "%s: %s", path,
                      errno == EEXIST ? "exists already, and is left as it is" : strerror(errno));
    } else {
        sync_directory_of(path);
    }
    unlink(temporary);

done:
    if (fd >= 0) {
        close(fd);
    }
    free(temporary);
    json_get_alloc_funcs(NULL, &free_json);
    free_json(text);
    return status;
}

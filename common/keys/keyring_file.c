#include "keys/keyring_file.h"

#include "base/clock_time.h"
#include "crypto/secret_file.h"
#include "crypto/secret_mem.h"
#include "keys/envelope.h"
#include "keys/keyring_signature.h"

#include <inttypes.h>
#include <stdlib.h>

/* Takes the content out of its envelope, with this node's key. `*generation` is what the envelope
 * shows to those who only carry it, and go by it. */
static enum nts_status open_envelope(struct secret_file *file, uint64_t *generation,
                                     const char *path, const struct keyring_access *access,
                                     struct error *error)
{
    uint8_t private_key[RAW_KEY_LEN];
    if (access->node_key == NULL) {
        return error_set(error, NTS_ERR_NOT_RECIPIENT,
                         "%s: is sealed, and no node key is given to open it with", path);
    }
    enum nts_status status =
        key_file_read_private(private_key, NULL, access->node_key, KEY_X25519, error);
    if (status != NTS_OK) {
        return status;
    }
    struct envelope_content content;
    status = envelope_open(&content, file->text, file->len, private_key, path, error);
    secret_wipe(private_key, sizeof(private_key));
    if (status == NTS_OK) {
        secret_free(file->text);
        file->text = content.text;
        file->len = content.len;
        *generation = content.generation;
    }
    return status;
}

static enum nts_status verify_signature(const struct keyring_document *document, const char *path,
                                        const struct keyring_access *access, struct error *error)
{
    struct public_keys *signers = calloc(1, sizeof(*signers));
    if (signers == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    }
    enum nts_status status = key_file_read_public(signers, access->signer, KEY_ED25519, error);
    if (status == NTS_OK) {
        status = keyring_verify(document, signers, real_time_ns() / NS_PER_S, path, error);
    }
    free(signers);
    return status;
}

enum nts_status keyring_file_read(struct keyring_document *document, struct stat *identity,
                                  const char *path, const struct keyring_access *access,
                                  struct error *error)
{
    static const struct keyring_access none = {NULL, NULL};
    struct secret_file file;
    uint64_t shown_generation = 0;
    access = access != NULL ? access : &none;
    enum nts_status status = secret_file_read_any(&file, path, KEYRING_FILE_MAX_LEN, error);
    if (status != NTS_OK) {
        return status;
    }
    /* An envelope may be readable by all users: it hides what is in it. */
    if (envelope_is(file.text, file.len)) {
        status = open_envelope(&file, &shown_generation, path, access, error);
    } else {
        status = secret_file_check_mode(&file.identity, path, error);
    }
    if (status == NTS_OK) {
        status = keyring_document_parse(document, file.text, file.len, path, error);
    }
    if (status == NTS_OK && shown_generation != 0 && shown_generation != document->generation) {
        status = error_set(error, NTS_ERR_ENVELOPE_FORM,
                           "%s: says generation %" PRIu64 ", and generation %" PRIu64 " is inside",
                           path, shown_generation, document->generation);
    }
    if (status == NTS_OK && access->signer != NULL) {
        status = verify_signature(document, path, access, error);
    }
    if (status == NTS_OK && identity != NULL) {
        *identity = file.identity;
    }
    secret_free(file.text);
    return status;
}

enum nts_status keyring_file_load(struct keyring **ring, struct stat *identity, const char *path,
                                  const struct keyring_access *access, struct error *error)
{
    struct keyring_document *document = keyring_document_create();
    if (document == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    }
    enum nts_status status = keyring_file_read(document, identity, path, access, error);
    if (status == NTS_OK) {
        *ring = keyring_create(document->generation, document->keys, document->num_keys);
        if (*ring == NULL) {
            status = error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
        }
    }
    keyring_document_free(document);
    return status;
}

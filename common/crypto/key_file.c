#include "crypto/key_file.h"

#include "base/hex.h"
#include "crypto/boringssl.h"
#include "crypto/secret_file.h"
#include "crypto/secret_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_PRIVATE   "PRIVATE KEY" /* PKCS #8 */
#define PEM_PUBLIC    "PUBLIC KEY"  /* SubjectPublicKeyInfo */
#define PEM_ENCRYPTED "ENCRYPTED " PEM_PRIVATE

static const struct {
    int id; /* of the library */
    const char *name;
} kinds[] = {
    [KEY_ED25519] = {EVP_PKEY_ED25519, "Ed25519"},
    [KEY_X25519] = {EVP_PKEY_X25519, "X25519"},
};

const char *key_kind_name(enum key_kind kind)
{
    return kinds[kind].name;
}

void key_fingerprint(char text[KEY_FINGERPRINT_LEN + 1], const uint8_t public_key[RAW_KEY_LEN])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(public_key, RAW_KEY_LEN, digest);
    hex_encode(text, digest, KEY_FINGERPRINT_LEN / 2);
}

/* --- reading --- */

/* A PEM file, block after block. The library wipes what it frees, and secret_free does. */
struct pem_file {
    const char *path;
    enum key_kind kind;
    bool is_private; /* which half of a key pair the file is for */
    struct error *error;
    struct secret_file file;
    BIO *bio;
    size_t num_blocks;
};

static const char *wanted_name(const struct pem_file *pem)
{
    return pem->is_private ? PEM_PRIVATE : PEM_PUBLIC;
}

static enum nts_status pem_open(struct pem_file *pem)
{
    /* A file of public keys may hold a private one by mistake, so both are read in the same way. */
    enum nts_status status =
        pem->is_private ? secret_file_read(&pem->file, pem->path, KEY_FILE_MAX_LEN, pem->error)
                        : secret_file_read_any(&pem->file, pem->path, KEY_FILE_MAX_LEN, pem->error);
    if (status != NTS_OK) {
        return status;
    }
    pem->bio = BIO_new_mem_buf(pem->file.text, (int)pem->file.len);
    if (pem->bio == NULL) {
        secret_free(pem->file.text);
        return error_set(pem->error, NTS_ERR_NO_MEMORY, "%s: out of memory", pem->path);
    }
    return NTS_OK;
}

static void pem_close(struct pem_file *pem)
{
    BIO_free(pem->bio);
    secret_free(pem->file.text);
    ERR_clear_error();
}

/* The name of a block is there to be read, unless it is not what it should be. */
static bool is_printable_name(const char *name)
{
    return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ")] == '\0';
}

static enum nts_status check_block(const struct pem_file *pem, const char *name, const char *header)
{
    size_t name_len = strlen(name);
    size_t suffix_len = strlen(PEM_PRIVATE);
    bool holds_private =
        name_len >= suffix_len && strcmp(name + name_len - suffix_len, PEM_PRIVATE) == 0;
    if (holds_private && !pem->is_private) {
        return error_set(pem->error, NTS_ERR_FILE,
                         "%s: holds a private key, expected public keys only", pem->path);
    }
    /* A header means the encryption of old (RFC 1421), whatever it says. */
    if (strcmp(name, PEM_ENCRYPTED) == 0 || header[0] != '\0') {
        return error_set(pem->error, NTS_ERR_FILE,
                         "%s: is encrypted, expected a key without a password (openssl pkey "
                         "removes it)",
                         pem->path);
    }
    if (strcmp(name, wanted_name(pem)) != 0) {
        return error_set(pem->error, NTS_ERR_FILE, "%s: holds \"%.40s\", expected \"%s\" (%s)",
                         pem->path, is_printable_name(name) ? name : "?", wanted_name(pem),
                         key_kind_name(pem->kind));
    }
    return NTS_OK;
}

static const char *algorithm_name(const EVP_PKEY *key)
{
    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_ED25519:
        return kinds[KEY_ED25519].name;
    case EVP_PKEY_X25519:
        return kinds[KEY_X25519].name;
    case EVP_PKEY_RSA:
        return "RSA";
    case EVP_PKEY_EC:
        return "EC";
    default:
        return "other";
    }
}

static enum nts_status parse_block(EVP_PKEY **key, const struct pem_file *pem, const uint8_t *der,
                                   size_t len)
{
    CBS cbs;
    CBS_init(&cbs, der, len);
    *key = pem->is_private ? EVP_parse_private_key(&cbs) : EVP_parse_public_key(&cbs);
    if (*key != NULL && CBS_len(&cbs) == 0 && EVP_PKEY_id(*key) == kinds[pem->kind].id) {
        return NTS_OK;
    }
    if (*key == NULL) {
        error_set(pem->error, NTS_ERR_FILE, "%s: %s number %zu cannot be read (%s), expected %s",
                  pem->path, wanted_name(pem), pem->num_blocks, boringssl_error_text(),
                  key_kind_name(pem->kind));
    } else if (CBS_len(&cbs) != 0) {
        error_set(pem->error, NTS_ERR_FILE, "%s: %s number %zu has octets behind its end",
                  pem->path, wanted_name(pem), pem->num_blocks);
    } else {
        error_set(pem->error, NTS_ERR_FILE, "%s: %s number %zu is of the kind %s, expected %s",
                  pem->path, wanted_name(pem), pem->num_blocks, algorithm_name(*key),
                  key_kind_name(pem->kind));
    }
    EVP_PKEY_free(*key);
    *key = NULL;
    return NTS_ERR_FILE;
}

static size_t count_text(const struct secret_file *file, const char *text)
{
    const char *at = file->text;
    const char *end = file->text + file->len;
    size_t num = 0;
    while ((at = memmem(at, (size_t)(end - at), text, strlen(text))) != NULL) {
        at += strlen(text);
        num++;
    }
    return num;
}

/* What lies between blocks is comment. But a block whose first line is damaged must not pass for
 * one, or the key in it would be missed. */
static enum nts_status check_end(const struct pem_file *pem)
{
    size_t num_begin = count_text(&pem->file, "-----BEGIN ");
    size_t num_end = count_text(&pem->file, "-----END ");
    if (num_begin != pem->num_blocks || num_end != pem->num_blocks) {
        return error_set(pem->error, NTS_ERR_FILE,
                         "%s: not PEM: %zu blocks are whole, but %zu begin and %zu end", pem->path,
                         pem->num_blocks, num_begin, num_end);
    }
    return NTS_OK;
}

/* Reads the next key, NULL at the end of the file. */
static enum nts_status pem_next(EVP_PKEY **key, struct pem_file *pem)
{
    char *name;
    char *header;
    uint8_t *der;
    long len;
    *key = NULL;
    ERR_clear_error();
    if (PEM_read_bio(pem->bio, &name, &header, &der, &len) != 1) {
        uint32_t code = ERR_peek_error();
        if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
            return check_end(pem);
        }
        return error_set(pem->error, NTS_ERR_FILE, "%s: not PEM: block number %zu: %s", pem->path,
                         pem->num_blocks + 1, boringssl_error_text());
    }
    pem->num_blocks++;
    enum nts_status status = check_block(pem, name, header);
    if (status == NTS_OK) {
        status = parse_block(key, pem, der, (size_t)len);
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    return status;
}

static enum nts_status no_key(const struct pem_file *pem)
{
    return error_set(pem->error, NTS_ERR_FILE, "%s: holds no PEM, expected \"%s\" (%s)", pem->path,
                     wanted_name(pem), key_kind_name(pem->kind));
}

enum nts_status key_file_read_private(uint8_t private_key[RAW_KEY_LEN],
                                      uint8_t public_key[RAW_KEY_LEN], const char *path,
                                      enum key_kind kind, struct error *error)
{
    struct pem_file pem = {.path = path, .kind = kind, .is_private = true, .error = error};
    EVP_PKEY *key = NULL;
    EVP_PKEY *second = NULL;
    size_t private_len = RAW_KEY_LEN;
    size_t public_len = RAW_KEY_LEN;
    secret_wipe(private_key, RAW_KEY_LEN);
    enum nts_status status = pem_open(&pem);
    if (status != NTS_OK) {
        return status;
    }
    status = pem_next(&key, &pem);
    if (status == NTS_OK && key == NULL) {
        status = no_key(&pem);
    }
    if (status == NTS_OK) {
        status = pem_next(&second, &pem);
    }
    if (status == NTS_OK && second != NULL) {
        status = error_set(error, NTS_ERR_FILE, "%s: holds several keys, expected one", path);
    }
    if (status == NTS_OK &&
        (EVP_PKEY_get_raw_private_key(key, private_key, &private_len) != 1 ||
         (public_key != NULL && EVP_PKEY_get_raw_public_key(key, public_key, &public_len) != 1))) {
        secret_wipe(private_key, RAW_KEY_LEN);
        status = error_set(error, NTS_ERR_FILE, "%s: the key cannot be used (%s)", path,
                           boringssl_error_text());
    }
    EVP_PKEY_free(key);
    EVP_PKEY_free(second);
    pem_close(&pem);
    return status;
}

/* Adds the key, unless it is there. */
static enum nts_status add_public(struct public_keys *keys, const EVP_PKEY *key,
                                  const struct pem_file *pem)
{
    struct public_key public_key;
    size_t len = sizeof(public_key.octets);
    if (EVP_PKEY_get_raw_public_key(key, public_key.octets, &len) != 1) {
        return error_set(pem->error, NTS_ERR_FILE, "%s: the key cannot be used (%s)", pem->path,
                         boringssl_error_text());
    }
    for (size_t i = 0; i < keys->num; i++) {
        if (memcmp(&keys->keys[i], &public_key, sizeof(public_key)) == 0) {
            return NTS_OK;
        }
    }
    if (keys->num == KEY_FILE_MAX_KEYS) {
        return error_set(pem->error, NTS_ERR_FILE, "%s: expected at most %d public keys in all",
                         pem->path, KEY_FILE_MAX_KEYS);
    }
    keys->keys[keys->num++] = public_key;
    return NTS_OK;
}

enum nts_status key_file_read_public(struct public_keys *keys, const char *path, enum key_kind kind,
                                     struct error *error)
{
    struct pem_file pem = {.path = path, .kind = kind, .is_private = false, .error = error};
    size_t num_before = keys->num;
    EVP_PKEY *key;
    enum nts_status status = pem_open(&pem);
    if (status != NTS_OK) {
        return status;
    }
    do {
        status = pem_next(&key, &pem);
        if (key != NULL) {
            status = add_public(keys, key, &pem);
            EVP_PKEY_free(key);
        }
    } while (status == NTS_OK && key != NULL);
    if (status == NTS_OK && pem.num_blocks == 0) {
        status = no_key(&pem);
    }
    if (status != NTS_OK) {
        keys->num = num_before;
    }
    pem_close(&pem);
    return status;
}

/* --- creating --- */

/* Writes one half of the key pair to a file that must be new. */
static enum nts_status create_file(const char *path, EVP_PKEY *key, bool is_private,
                                   struct error *error)
{
    mode_t mode = is_private ? 0600 : 0644;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, mode);
    if (fd < 0) {
        return error_set(error, NTS_ERR_FILE, "%s: %s", path,
                         errno == EEXIST ? "exists already, and is left as it is"
                                         : strerror(errno));
    }
    /* Straight to the descriptor: a buffer of stdio would not be wiped. */
    BIO *bio = BIO_new_fd(fd, BIO_NOCLOSE);
    errno = 0;
    int done = bio == NULL  ? 0
               : is_private ? PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                            : PEM_write_bio_PUBKEY(bio, key);
    /* fchmod: the umask must not make the public half less public. */
    if (done != 1 || fchmod(fd, mode) != 0 || fsync(fd) != 0) {
        error_set(error, NTS_ERR_FILE, "%s: cannot write: %s", path,
                  errno != 0 ? strerror(errno) : boringssl_error_text());
        unlink(path);
        done = 0;
    }
    BIO_free(bio);
    close(fd);
    ERR_clear_error();
    return done == 1 ? NTS_OK : NTS_ERR_FILE;
}

enum nts_status key_file_create(uint8_t public_key[RAW_KEY_LEN], const char *private_path,
                                const char *public_path, enum key_kind kind, struct error *error)
{
    uint8_t private_key[RAW_KEY_LEN];
    size_t public_len = RAW_KEY_LEN;
    RAND_bytes(private_key, sizeof(private_key));
    EVP_PKEY *key =
        EVP_PKEY_new_raw_private_key(kinds[kind].id, NULL, private_key, sizeof(private_key));
    secret_wipe(private_key, sizeof(private_key));
    if (key == NULL || EVP_PKEY_get_raw_public_key(key, public_key, &public_len) != 1) {
        EVP_PKEY_free(key);
        return error_set(error, NTS_ERR_FILE, "%s: cannot make a key: %s", private_path,
                         boringssl_error_text());
    }
    enum nts_status status = create_file(private_path, key, true, error);
    if (status == NTS_OK) {
        status = create_file(public_path, key, false, error);
        if (status != NTS_OK) {
            unlink(private_path);
        }
    }
    EVP_PKEY_free(key);
    return status;
}

/* Key pairs in PEM files, as `openssl genpkey` writes them: Ed25519 to sign keyrings, X25519 for
 * the nodes they are sealed to. Private keys are PKCS #8, not encrypted, in files that group and
 * others cannot read; public keys are SubjectPublicKeyInfo (RFC 8410). */
#ifndef NTS_CRYPTO_KEY_FILE_H
#define NTS_CRYPTO_KEY_FILE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum key_kind { KEY_ED25519, KEY_X25519 };

#define RAW_KEY_LEN         32 /* private seed or scalar, and public key, of both kinds */
#define KEY_FINGERPRINT_LEN 16 /* hexadecimal digits */
#define KEY_FILE_MAX_LEN    (1 << 20)
#define KEY_FILE_MAX_KEYS   1024

struct public_key {
    uint8_t octets[RAW_KEY_LEN];
};

/* The keys of one file or of several. */
struct public_keys {
    size_t num;
    struct public_key keys[KEY_FILE_MAX_KEYS];
};

/* key_kind_name returns "Ed25519" or "X25519". */
const char *key_kind_name(enum key_kind kind);

/* key_fingerprint writes the first 8 octets of the SHA-256 of a raw public key, in hexadecimal, and
 * a NUL: how people and envelopes name a key. */
void key_fingerprint(char text[KEY_FINGERPRINT_LEN + 1], const uint8_t public_key[RAW_KEY_LEN]);

/* key_file_read_private reads one private key and the public key that belongs to it (NULL if
 * unwanted). The caller wipes it. NTS_ERR_FILE with a text that names the file and what was
 * expected, and zeros for the private key: unreadable, open to others, not PEM, encrypted, of
 * another kind, several keys. */
NTS_MUST_CHECK enum nts_status key_file_read_private(uint8_t private_key[RAW_KEY_LEN],
                                                     uint8_t public_key[RAW_KEY_LEN],
                                                     const char *path, enum key_kind kind,
                                                     struct error *error);

/* key_file_read_public adds every public key in the file (one at least) to `*keys`; one that is
 * there already is not added again. A private key in the file is an error: it is in the wrong
 * place. NTS_ERR_FILE with text, and `*keys` as it was. */
NTS_MUST_CHECK enum nts_status key_file_read_public(struct public_keys *keys, const char *path,
                                                    enum key_kind kind, struct error *error);

/* key_file_create makes a key pair and writes both files, which must not exist; the private one
 * with mode 0600, the public one with 0644. `public_key` is what was made. NTS_ERR_FILE with text;
 * nothing is left behind then. */
NTS_MUST_CHECK enum nts_status key_file_create(uint8_t public_key[RAW_KEY_LEN],
                                               const char *private_path, const char *public_path,
                                               enum key_kind kind, struct error *error);

#endif

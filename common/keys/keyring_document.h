/* What a keyring file says, as the tools that edit it see it: master keys without schedules, the
 * generation, and the signature as far as there is one. Text in, text out; no files. The servers
 * only pass through here on their way to a `struct keyring`. */
#ifndef NTS_KEYS_KEYRING_DOCUMENT_H
#define NTS_KEYS_KEYRING_DOCUMENT_H

#include "keys/keyring.h"

#define KEYRING_FILE_FORMAT "nts-keyring/1"

/* The generation is a JSON number: beyond this not every reader is exact (RFC 8259, section 6). */
#define KEYRING_MAX_GENERATION ((UINT64_C(1) << 53) - 1)

#define SIGNATURE_LEN 64 /* Ed25519 */

struct keyring_signature {
    bool is_present;
    int64_t signed_at_s; /* since 1970 */
    int64_t expires_at_s;
    uint8_t value[SIGNATURE_LEN];
};

struct keyring_document {
    uint64_t generation; /* 1 .. KEYRING_MAX_GENERATION */
    struct keyring_signature signature;
    size_t num_keys;
    struct master_key_spec keys[KEYRING_MAX_KEYS]; /* ascending activate_at_s, then id */
};

/* keyring_document_create returns an empty document of generation 0 in locked memory, NULL if there
 * is none; keyring_document_free wipes it (NULL is allowed). */
struct keyring_document *keyring_document_create(void);
void keyring_document_free(struct keyring_document *document);

/* keyring_document_parse reads the `len` octets at `text`, strictly: every member known, of its
 * type, and there once. Ids must be distinct, a key must expire after it activates, and no two keys
 * of a layout may activate at the same moment, since either could be the one that seals. Fills
 * `*document`. NTS_ERR_KEYRING_FORM with a text that names `path`, key, value and what was expected
 * (never a secret), or NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status keyring_document_parse(struct keyring_document *document,
                                                      const char *text, size_t len,
                                                      const char *path, struct error *error);

/* keyring_document_format returns the file's text, NUL-terminated, NULL if there is no memory. It
 * holds secrets: keyring_text_free wipes it. */
char *keyring_document_format(const struct keyring_document *document);

/* keyring_document_signed_text returns what a signature is over: the document as one line of JSON
 * in the canonical form of RFC 8785 (no white space, members sorted, keys in the order above,
 * hexadecimal digits in lower case), without the member `value` of `signature`. NULL if there is no
 * memory; keyring_text_free wipes it. */
char *keyring_document_signed_text(const struct keyring_document *document);

/* keyring_text_free wipes and frees a text of this module; NULL is allowed. */
void keyring_text_free(char *text);

/* keyring_document_sort restores the order of the keys. */
void keyring_document_sort(struct keyring_document *document);

/* keyring_document_find returns the position of the key with that id, or num_keys. */
size_t keyring_document_find(const struct keyring_document *document, uint32_t id);

/* keyring_document_active returns the position of the key that was activated most recently and has
 * not expired at `now_s`, or num_keys. */
size_t keyring_document_active(const struct keyring_document *document, int64_t now_s);

#endif

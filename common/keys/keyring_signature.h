/* Signatures of keyrings by an offline key (Ed25519, RFC 8032), over the canonical text of
 * keyring_document_signed_text. Pure; no files. */
#ifndef NTS_KEYS_KEYRING_SIGNATURE_H
#define NTS_KEYS_KEYRING_SIGNATURE_H

#include "crypto/key_file.h"
#include "keys/keyring_document.h"

/* keyring_sign signs the document with the Ed25519 seed, valid from `now_s` until `expires_at_s`.
 * A signature that was there is replaced. NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status keyring_sign(struct keyring_document *document,
                                            const uint8_t private_key[RAW_KEY_LEN], int64_t now_s,
                                            int64_t expires_at_s);

/* keyring_verify accepts a document that is signed by one of `signers`, at `now_s`. NTS_OK,
 * NTS_ERR_UNSIGNED, NTS_ERR_BAD_SIGNATURE, NTS_ERR_SIGNATURE_EXPIRED (also when it is signed more
 * than KEYRING_SIGNATURE_EARLY_S in the future), each with a text that begins with `path`, or
 * NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status keyring_verify(const struct keyring_document *document,
                                              const struct public_keys *signers, int64_t now_s,
                                              const char *path, struct error *error);

/* Clocks may be apart by so much. */
#define KEYRING_SIGNATURE_EARLY_S 86400

#endif

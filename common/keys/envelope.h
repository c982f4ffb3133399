/* The sealed envelope: a keyring file encrypted to any number of nodes, so that it can travel
 * through places that need not be trusted with it. HPKE (RFC 9180) in base mode, X25519 with
 * HKDF-SHA256, and AES-128-GCM or ChaCha20-Poly1305. Text in, text out; no files.
 *
 *   { "format": "nts-keyring-sealed/1", "generation": 7, "aead": "aes-128-gcm",
 *     "recipients": [ {"node": "<fingerprint>", "enc": "<hex>", "key": "<hex>"}, ... ],
 *     "nonce": "<hex>", "ciphertext": "<base64>" }
 *
 * A random content key encrypts the file once, under `aead`. Its associated data is the head: the
 * members format, generation and aead, and `recipients` with the fingerprints alone as a list of
 * strings, as JSON in the canonical form of RFC 8785. The content key is sealed to each recipient
 * by HPKE, whose info is the format's name and whose associated data is the SHA-256 of the head and
 * the ciphertext. So no part can be exchanged for that of another envelope; but a node looks only
 * at what is sealed to itself, not at what is sealed to others.
 *
 * It hides the content, but does not prove its origin: anyone with the public keys of the nodes
 * can seal. The signature inside proves the origin. */
#ifndef NTS_KEYS_ENVELOPE_H
#define NTS_KEYS_ENVELOPE_H

#include "keys/envelope_head.h"

/* envelope_read_head reads what the envelope says in clear. NTS_ERR_ENVELOPE_FORM with text. */
NTS_MUST_CHECK enum nts_status envelope_read_head(struct envelope_head *head, const char *text,
                                                  size_t len, const char *path,
                                                  struct error *error);

/* envelope_seal encrypts the NUL-terminated `content`, a keyring file of that generation, to each
 * of `nodes` (X25519). `*text` gets the envelope with a final newline and a NUL; free() it.
 * NTS_ERR_NO_MEMORY or NTS_ERR_INTERNAL (no node, a node that is there twice, a public key of low
 * order), with text. */
NTS_MUST_CHECK enum nts_status envelope_seal(char **text, const char *content, uint64_t generation,
                                             const struct public_keys *nodes,
                                             enum envelope_aead aead, struct error *error);

/* What was in an envelope. */
struct envelope_content {
    char *text; /* of secret_alloc, with a NUL behind its `len` octets */
    size_t len;
    uint64_t generation; /* the one that the envelope shows, authentic now */
};

/* envelope_open decrypts what is sealed to the node with that X25519 key. The text of `*content` is
 * the caller's. Errors, each with a text that begins with `path`, and `*content` as it was:
 * NTS_ERR_ENVELOPE_FORM (truncated, not JSON, a member that is missing, unknown or of the wrong
 * form), NTS_ERR_NOT_RECIPIENT (says for which node the key is), NTS_ERR_ENVELOPE_FORGED (altered,
 * or spliced from several), NTS_ERR_NO_MEMORY. */
NTS_MUST_CHECK enum nts_status envelope_open(struct envelope_content *content, const char *text,
                                             size_t len, const uint8_t private_key[RAW_KEY_LEN],
                                             const char *path, struct error *error);

#endif

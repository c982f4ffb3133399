#include "keys/envelope.h"

#include "crypto/boringssl.h"
#include "crypto/secret_mem.h"
#include "keys/envelope_form.h"
#include "keys/keyring_document.h"

#include <assert.h>
#include <openssl/aead.h>
#include <openssl/curve25519.h>
#include <openssl/err.h>
#include <openssl/hpke.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(RAW_KEY_LEN == X25519_PUBLIC_VALUE_LEN, "an encapsulated key is a public key");

#define HPKE_INFO_LEN (sizeof(ENVELOPE_FORMAT) - 1)
static const uint8_t hpke_info[] = ENVELOPE_FORMAT;

static const EVP_HPKE_AEAD *hpke_aead(const struct envelope *envelope)
{
    return envelope->head.aead == ENVELOPE_AES_128_GCM ? EVP_hpke_aes_128_gcm()
                                                       : EVP_hpke_chacha20_poly1305();
}

/* The context is on the heap, where the library wipes it when it is freed. */
static EVP_AEAD_CTX *content_context(const struct envelope *envelope, const uint8_t *content_key)
{
    return EVP_AEAD_CTX_new(EVP_HPKE_AEAD_aead(hpke_aead(envelope)), content_key,
                            envelope_content_key_len(envelope->head.aead), TAG_LEN);
}

/* What the content key is sealed with. The head is one JSON object, so it shows where it ends. */
static void digest_parts(uint8_t digest[SHA256_DIGEST_LENGTH], const char *head,
                         const struct envelope *envelope)
{
    SHA256_CTX sha;
    SHA256_Init(&sha);
    SHA256_Update(&sha, head, strlen(head));
    SHA256_Update(&sha, envelope->ciphertext, envelope->ciphertext_len);
    SHA256_Final(digest, &sha);
}

enum nts_status envelope_read_head(struct envelope_head *head, const char *text, size_t len,
                                   const char *path, struct error *error)
{
    struct envelope *envelope;
    enum nts_status status = envelope_parse(&envelope, text, len, path, error);
    if (status == NTS_OK) {
        *head = envelope->head;
    }
    envelope_free(envelope);
    return status;
}

/* --- opening --- */

/* Opens the content key that is sealed to the node at `position`. `content_key` has room for the
 * tag, since the library may ask for as much as goes in. */
static bool open_content_key(uint8_t content_key[CONTENT_KEY_MAX_LEN + TAG_LEN],
                             const struct envelope *envelope, size_t position, const char *head,
                             const uint8_t private_key[RAW_KEY_LEN])
{
    const struct recipient *recipient = &envelope->recipients[position];
    uint8_t digest[SHA256_DIGEST_LENGTH];
    size_t len;
    digest_parts(digest, head, envelope);
    /* On the heap, where the library wipes them when they are freed. */
    EVP_HPKE_KEY *key = EVP_HPKE_KEY_new();
    EVP_HPKE_CTX *ctx = EVP_HPKE_CTX_new();
    bool done =
        key != NULL && ctx != NULL &&
        EVP_HPKE_KEY_init(key, EVP_hpke_x25519_hkdf_sha256(), private_key, RAW_KEY_LEN) == 1 &&
        EVP_HPKE_CTX_setup_recipient(ctx, key, EVP_hpke_hkdf_sha256(), hpke_aead(envelope),
                                     recipient->enc, RAW_KEY_LEN, hpke_info, HPKE_INFO_LEN) == 1 &&
        EVP_HPKE_CTX_open(ctx, content_key, &len, CONTENT_KEY_MAX_LEN + TAG_LEN, recipient->key,
                          envelope_content_key_len(envelope->head.aead) + TAG_LEN, digest,
                          sizeof(digest)) == 1;
    EVP_HPKE_KEY_free(key);
    EVP_HPKE_CTX_free(ctx);
    return done;
}

/* Decrypts into `content`, which has room for the ciphertext. */
static bool open_content(char *content, size_t *content_len, const struct envelope *envelope,
                         const char *head, const uint8_t *content_key)
{
    EVP_AEAD_CTX *ctx = content_context(envelope, content_key);
    bool done =
        ctx != NULL &&
        EVP_AEAD_CTX_open(ctx, (uint8_t *)content, content_len, envelope->ciphertext_len,
                          envelope->nonce, NONCE_LEN, envelope->ciphertext,
                          envelope->ciphertext_len, (const uint8_t *)head, strlen(head)) == 1;
    EVP_AEAD_CTX_free(ctx);
    return done;
}

static enum nts_status open_at(struct envelope_content *content, const struct envelope *envelope,
                               size_t position, const uint8_t private_key[RAW_KEY_LEN],
                               const char *path, struct error *error)
{
    enum nts_status status = NTS_OK;
    size_t plain_len = 0;
    uint8_t content_key[CONTENT_KEY_MAX_LEN + TAG_LEN];
    char *head = envelope_head_text(&envelope->head);
    /* The tag leaves room for the final NUL. */
    char *plain = secret_alloc(envelope->ciphertext_len);
    if (head == NULL || plain == NULL) {
        status = error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    } else if (!open_content_key(content_key, envelope, position, head, private_key) ||
               !open_content(plain, &plain_len, envelope, head, content_key)) {
        status = error_set(error, NTS_ERR_ENVELOPE_FORGED,
                           "%s: the envelope was altered, or spliced from others", path);
    }
    secret_wipe(content_key, sizeof(content_key));
    ERR_clear_error();
    free(head);
    if (status != NTS_OK) {
        secret_free(plain);
        return status;
    }
    plain[plain_len] = '\0';
    *content = (struct envelope_content){plain, plain_len, envelope->head.generation};
    return NTS_OK;
}

enum nts_status envelope_open(struct envelope_content *content, const char *text, size_t len,
                              const uint8_t private_key[RAW_KEY_LEN], const char *path,
                              struct error *error)
{
    struct envelope *envelope;
    enum nts_status status = envelope_parse(&envelope, text, len, path, error);
    if (status != NTS_OK) {
        return status;
    }
    uint8_t public_key[RAW_KEY_LEN];
    char fingerprint[KEY_FINGERPRINT_LEN + 1];
    X25519_public_from_private(public_key, private_key);
    key_fingerprint(fingerprint, public_key);
    size_t position = envelope_find_node(&envelope->head, fingerprint);
    if (position == envelope->head.num_nodes) {
        status = error_set(error, NTS_ERR_NOT_RECIPIENT,
                           "%s: not sealed to this node: the key is that of %s, which is not "
                           "among its %zu recipients",
                           path, fingerprint, envelope->head.num_nodes);
    } else {
        status = open_at(content, envelope, position, private_key, path, error);
    }
    envelope_free(envelope);
    return status;
}

/* --- sealing --- */

static enum nts_status fill_head(struct envelope_head *head, uint64_t generation,
                                 const struct public_keys *nodes, enum envelope_aead aead,
                                 struct error *error)
{
    assert(generation >= 1 && generation <= KEYRING_MAX_GENERATION);
    head->generation = generation;
    head->aead = aead;
    if (nodes->num == 0) {
        return error_set(error, NTS_ERR_INTERNAL, "cannot seal: no node to seal to");
    }
    for (size_t i = 0; i < nodes->num; i++) {
        char fingerprint[KEY_FINGERPRINT_LEN + 1];
        key_fingerprint(fingerprint, nodes->keys[i].octets);
        if (envelope_find_node(head, fingerprint) != head->num_nodes) {
            return error_set(error, NTS_ERR_INTERNAL, "cannot seal: node %s is there twice",
                             fingerprint);
        }
        strcpy(head->nodes[head->num_nodes++], fingerprint);
    }
    return NTS_OK;
}

static bool seal_content(struct envelope *envelope, const char *head, const char *content,
                         size_t len, const uint8_t *content_key)
{
    EVP_AEAD_CTX *ctx = content_context(envelope, content_key);
    envelope->ciphertext = malloc(len + TAG_LEN);
    RAND_bytes(envelope->nonce, NONCE_LEN);
    bool done =
        envelope->ciphertext != NULL && ctx != NULL &&
        EVP_AEAD_CTX_seal(ctx, envelope->ciphertext, &envelope->ciphertext_len, len + TAG_LEN,
                          envelope->nonce, NONCE_LEN, (const uint8_t *)content, len,
                          (const uint8_t *)head, strlen(head)) == 1;
    EVP_AEAD_CTX_free(ctx);
    return done;
}

/* Seals the content key to the node at `position`. */
static bool seal_content_key(struct envelope *envelope, size_t position,
                             const struct public_key *node, const uint8_t *content_key,
                             const uint8_t digest[SHA256_DIGEST_LENGTH])
{
    struct recipient *recipient = &envelope->recipients[position];
    size_t enc_len;
    size_t key_len;
    EVP_HPKE_CTX *ctx = EVP_HPKE_CTX_new();
    /* Setting up fails for a public key of low order, with which the shared secret is no secret
     * (RFC 9180, section 7.1.4). */
    bool done = ctx != NULL &&
                EVP_HPKE_CTX_setup_sender(ctx, recipient->enc, &enc_len, sizeof(recipient->enc),
                                          EVP_hpke_x25519_hkdf_sha256(), EVP_hpke_hkdf_sha256(),
                                          hpke_aead(envelope), node->octets, RAW_KEY_LEN, hpke_info,
                                          HPKE_INFO_LEN) == 1 &&
                EVP_HPKE_CTX_seal(ctx, recipient->key, &key_len, sizeof(recipient->key),
                                  content_key, envelope_content_key_len(envelope->head.aead),
                                  digest, SHA256_DIGEST_LENGTH) == 1;
    EVP_HPKE_CTX_free(ctx);
    return done;
}

/* Fills all but the head. */
static enum nts_status seal_parts(struct envelope *envelope, const char *content, size_t len,
                                  const struct public_keys *nodes, struct error *error)
{
    enum nts_status status = NTS_OK;
    uint8_t content_key[CONTENT_KEY_MAX_LEN];
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char *head = envelope_head_text(&envelope->head);
    RAND_bytes(content_key, sizeof(content_key));
    if (head == NULL || !seal_content(envelope, head, content, len, content_key)) {
        status = error_set(error, NTS_ERR_NO_MEMORY, "cannot seal: out of memory");
        goto done;
    }
    digest_parts(digest, head, envelope);
    for (size_t i = 0; i < nodes->num; i++) {
        if (!seal_content_key(envelope, i, &nodes->keys[i], content_key, digest)) {
            status = error_set(error, NTS_ERR_INTERNAL,
                               "cannot seal: the public key of node %s cannot be used (%s)",
                               envelope->head.nodes[i], boringssl_error_text());
            goto done;
        }
    }

done:
    secret_wipe(content_key, sizeof(content_key));
    free(head);
    return status;
}

enum nts_status envelope_seal(char **text, const char *content, uint64_t generation,
                              const struct public_keys *nodes, enum envelope_aead aead,
                              struct error *error)
{
    struct envelope *envelope = envelope_create();
    if (envelope == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "cannot seal: out of memory");
    }
    enum nts_status status = fill_head(&envelope->head, generation, nodes, aead, error);
    if (status == NTS_OK) {
        status = seal_parts(envelope, content, strlen(content), nodes, error);
    }
    if (status == NTS_OK) {
        *text = envelope_format(envelope);
        if (*text == NULL) {
            status = error_set(error, NTS_ERR_NO_MEMORY, "cannot seal: out of memory");
        }
    }
    envelope_free(envelope);
    return status;
}

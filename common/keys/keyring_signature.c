#include "keys/keyring_signature.h"

#include "base/clock_time.h"
#include "crypto/secret_mem.h"

#include <openssl/curve25519.h>
#include <stdio.h>
#include <string.h>

_Static_assert(SIGNATURE_LEN == ED25519_SIGNATURE_LEN, "a signature fills its field");

enum nts_status keyring_sign(struct keyring_document *document,
                             const uint8_t private_key[RAW_KEY_LEN], int64_t now_s,
                             int64_t expires_at_s)
{
    const struct keyring_signature before = document->signature;
    uint8_t public_key[ED25519_PUBLIC_KEY_LEN];
    uint8_t expanded[ED25519_PRIVATE_KEY_LEN];
    int done = 0;
    /* The times are part of what is signed. */
    document->signature = (struct keyring_signature){
        .is_present = true, .signed_at_s = now_s, .expires_at_s = expires_at_s};
    char *text = keyring_document_signed_text(document);
    if (text != NULL) {
        ED25519_keypair_from_seed(public_key, expanded, private_key);
        done =
            ED25519_sign(document->signature.value, (const uint8_t *)text, strlen(text), expanded);
        secret_wipe(expanded, sizeof(expanded));
    }
    keyring_text_free(text);
    if (done != 1) {
        document->signature = before;
        return NTS_ERR_NO_MEMORY;
    }
    return NTS_OK;
}

/* Who might have signed: the first three trusted keys, for the operator to compare. */
static enum nts_status bad_signature(const struct public_keys *signers, const char *path,
                                     struct error *error)
{
    char trusted[128] = "none";
    size_t len = 0;
    for (size_t i = 0; i < signers->num && i < 3; i++) {
        char fingerprint[KEY_FINGERPRINT_LEN + 1];
        key_fingerprint(fingerprint, signers->keys[i].octets);
        len += (size_t)snprintf(trusted + len, sizeof(trusted) - len, "%s%s", i > 0 ? ", " : "",
                                fingerprint);
    }
    if (signers->num > 3) {
        snprintf(trusted + len, sizeof(trusted) - len, " and %zu more", signers->num - 3);
    }
    return error_set(error, NTS_ERR_BAD_SIGNATURE,
                     "%s: altered, or not signed by a key that is trusted (%s)", path, trusted);
}

static enum nts_status check_times(const struct keyring_signature *signature, int64_t now_s,
                                   const char *path, struct error *error)
{
    char at[RFC3339_LEN + 1];
    char now[RFC3339_LEN + 1];
    rfc3339_format(now, now_s);
    if (now_s >= signature->expires_at_s) {
        rfc3339_format(at, signature->expires_at_s);
        return error_set(error, NTS_ERR_SIGNATURE_EXPIRED,
                         "%s: the signature expired at %s, and it is %s", path, at, now);
    }
    if (signature->signed_at_s > now_s + KEYRING_SIGNATURE_EARLY_S) {
        rfc3339_format(at, signature->signed_at_s);
        return error_set(error, NTS_ERR_SIGNATURE_EXPIRED,
                         "%s: the signature is from %s, and it is only %s", path, at, now);
    }
    return NTS_OK;
}

enum nts_status keyring_verify(const struct keyring_document *document,
                               const struct public_keys *signers, int64_t now_s, const char *path,
                               struct error *error)
{
    const struct keyring_signature *signature = &document->signature;
    if (!signature->is_present) {
        return error_set(error, NTS_ERR_UNSIGNED, "%s: carries no signature, and one is required",
                         path);
    }
    char *text = keyring_document_signed_text(document);
    if (text == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", path);
    }
    bool is_signed = false;
    for (size_t i = 0; i < signers->num && !is_signed; i++) {
        is_signed = ED25519_verify((const uint8_t *)text, strlen(text), signature->value,
                                   signers->keys[i].octets) == 1;
    }
    keyring_text_free(text);
    return is_signed ? check_times(signature, now_s, path, error)
                     : bad_signature(signers, path, error);
}

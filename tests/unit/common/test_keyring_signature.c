#include "keys/keyring_signature.h"
#include "support/octets.h"
#include "support/patience.h"
#include "support/scratch.h"

#include <openssl/curve25519.h>

TestSuite(keyring_signature, .init = scratch_make, .fini = scratch_remove,
          .timeout = TEST_TIMEOUT_S);

#define NOW_S     INT64_C(1795305600) /* 2026-11-22T00:00:00Z */
#define EXPIRES_S (NOW_S + 30 * 86400)

static struct public_keys signers; /* too large for the stack */

/* The seed of the signer with that number, whose public key becomes one more trusted one. */
static struct octets trust(uint8_t number)
{
    struct octets seed = octets_counting(number, RAW_KEY_LEN);
    uint8_t expanded[ED25519_PRIVATE_KEY_LEN];
    ED25519_keypair_from_seed(signers.keys[signers.num++].octets, expanded, seed.data);
    return seed;
}

static struct keyring_document *document_of_two_keys(void)
{
    struct keyring_document *document = keyring_document_create();
    document->generation = 7;
    document->num_keys = 2;
    for (size_t i = 0; i < 2; i++) {
        struct master_key_spec *key = &document->keys[i];
        key->id = 0xb01dface + (uint32_t)i;
        key->layout = KEY_LAYOUT_CHRONY_SIV;
        key->activate_at_s = NOW_S + (int64_t)i * 86400;
        key->expire_at_s = NOW_S + 20 * 86400;
        memset(key->secret, (int)i + 0x23, key_layout_secret_len(key->layout));
    }
    return document;
}

static enum nts_status verify_at(const struct keyring_document *document, int64_t now_s,
                                 struct error *error)
{
    error->text[0] = '\0';
    enum nts_status status = keyring_verify(document, &signers, now_s, "keyring.json", error);
    if (status != NTS_OK) {
        cr_assert_eq(strncmp(error->text, "keyring.json: ", 14), 0, "no file in: %s", error->text);
    }
    return status;
}

static void assert_bad(const struct keyring_document *document, const char *what)
{
    struct error error;
    cr_assert_eq(verify_at(document, NOW_S, &error), NTS_ERR_BAD_SIGNATURE, "%s", what);
}

Test(keyring_signature, any_trusted_key_may_have_signed)
{
    struct error error;
    struct keyring_document *document = document_of_two_keys();
    const struct octets seeds[] = {trust(1), trust(2), trust(3)};
    cr_assert_eq(verify_at(document, NOW_S, &error), NTS_ERR_UNSIGNED);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(keyring_sign(document, seeds[i].data, NOW_S, EXPIRES_S), NTS_OK);
        cr_assert(document->signature.is_present);
        cr_assert_eq(document->signature.signed_at_s, NOW_S);
        cr_assert_eq(document->signature.expires_at_s, EXPIRES_S);
        cr_assert_eq(verify_at(document, NOW_S, &error), NTS_OK, "%s", error.text);
    }
    cr_assert_eq(keyring_sign(document, octets_counting(4, RAW_KEY_LEN).data, NOW_S, EXPIRES_S),
                 NTS_OK);
    assert_bad(document, "by one who is not trusted");
    keyring_document_free(document);
}

Test(keyring_signature, says_which_keys_are_trusted)
{
    struct error error;
    struct keyring_document *document = document_of_two_keys();
    char fingerprint[KEY_FINGERPRINT_LEN + 1];
    cr_assert_eq(keyring_sign(document, octets_counting(9, RAW_KEY_LEN).data, NOW_S, EXPIRES_S),
                 NTS_OK);
    cr_assert_eq(verify_at(document, NOW_S, &error), NTS_ERR_BAD_SIGNATURE);
    cr_assert_not_null(strstr(error.text, "trusted (none)"), "%s", error.text);
    for (uint8_t i = 1; i <= 5; i++) {
        trust(i);
        cr_assert_eq(verify_at(document, NOW_S, &error), NTS_ERR_BAD_SIGNATURE);
        for (size_t at = 0; at < signers.num; at++) {
            key_fingerprint(fingerprint, signers.keys[at].octets);
            cr_assert_eq(strstr(error.text, fingerprint) != NULL, at < 3, "%s", error.text);
        }
    }
    cr_assert_not_null(strstr(error.text, " and 2 more)"), "%s", error.text);
    keyring_document_free(document);
}

Test(keyring_signature, rejects_each_change_of_what_is_signed)
{
    struct error error;
    struct keyring_document *document = document_of_two_keys();
    struct keyring_document *signed_one = keyring_document_create();
    const struct octets seed = trust(1);
    cr_assert_eq(keyring_sign(document, seed.data, NOW_S, EXPIRES_S), NTS_OK);
    memcpy(signed_one, document, sizeof(*document));

#define ASSERT_COUNTS(change)                                                                      \
    do {                                                                                           \
        (change);                                                                                  \
        assert_bad(document, #change);                                                             \
        memcpy(document, signed_one, sizeof(*document));                                           \
    } while (0)
    ASSERT_COUNTS(document->generation++);
    ASSERT_COUNTS(document->num_keys--);
    ASSERT_COUNTS(document->num_keys = 0);
    ASSERT_COUNTS(document->keys[0].id ^= 1);
    ASSERT_COUNTS(document->keys[1].layout = KEY_LAYOUT_NETNOD);
    ASSERT_COUNTS(document->keys[1].secret[31] ^= 1);
    ASSERT_COUNTS(document->keys[0].activate_at_s--);
    ASSERT_COUNTS(document->keys[1].expire_at_s++);
    ASSERT_COUNTS(document->signature.signed_at_s--);
    ASSERT_COUNTS(document->signature.expires_at_s++);
    ASSERT_COUNTS(document->keys[0] = signed_one->keys[1]);
    for (size_t bit = 0; bit < 8 * SIGNATURE_LEN; bit++) {
        ASSERT_COUNTS(document->signature.value[bit / 8] ^= (uint8_t)(1 << bit % 8));
    }
    cr_assert_eq(verify_at(document, NOW_S, &error), NTS_OK, "as it was");
    keyring_document_free(document);
    keyring_document_free(signed_one);
}

Test(keyring_signature, is_valid_from_a_day_early_until_it_expires)
{
    struct error error;
    struct keyring_document *document = document_of_two_keys();
    const struct octets seed = trust(1);
    cr_assert_eq(keyring_sign(document, seed.data, NOW_S, EXPIRES_S), NTS_OK);
    cr_assert_eq(verify_at(document, NOW_S - KEYRING_SIGNATURE_EARLY_S, &error), NTS_OK);
    cr_assert_eq(verify_at(document, NOW_S - KEYRING_SIGNATURE_EARLY_S - 1, &error),
                 NTS_ERR_SIGNATURE_EXPIRED);
    cr_assert_not_null(strstr(error.text, "from 2026-11-22T00:00:00Z"), "%s", error.text);
    cr_assert_eq(verify_at(document, EXPIRES_S - 1, &error), NTS_OK);
    cr_assert_eq(verify_at(document, EXPIRES_S, &error), NTS_ERR_SIGNATURE_EXPIRED);
    cr_assert_not_null(strstr(error.text, "expired at 2026-12-22T00:00:00Z"), "%s", error.text);
    document->signature.value[0] ^= 1;
    cr_assert_eq(verify_at(document, EXPIRES_S, &error), NTS_ERR_BAD_SIGNATURE,
                 "its times mean nothing then");
    keyring_document_free(document);
}

Test(keyring_signature, survives_the_file)
{
    struct error error;
    struct keyring_document *document = document_of_two_keys();
    struct keyring_document *read = keyring_document_create();
    const struct octets seed = trust(1);
    cr_assert_eq(keyring_sign(document, seed.data, NOW_S, EXPIRES_S), NTS_OK);
    char *text = keyring_document_format(document);
    cr_assert_eq(keyring_document_parse(read, text, strlen(text), "x", &error), NTS_OK, "%s",
                 error.text);
    cr_assert_eq(verify_at(read, NOW_S, &error), NTS_OK, "%s", error.text);
    keyring_text_free(text);
    keyring_document_free(document);
    keyring_document_free(read);
}

/* The recipe of the manual: anybody can check a signature, or make one, without our programs. */
Test(keyring_signature, jq_and_openssl_verify_what_we_sign)
{
    struct error error;
    uint8_t seed[RAW_KEY_LEN];
    struct keyring_document *document = document_of_two_keys();
    cr_assert_eq(scratch_run("umask 077 && openssl genpkey -algorithm ed25519 -out key && "
                             "openssl pkey -in key -pubout -out key.pub"),
                 0);
    cr_assert_eq(key_file_read_private(seed, NULL, scratch_path("key"), KEY_ED25519, &error),
                 NTS_OK, "%s", error.text);
    cr_assert_eq(keyring_sign(document, seed, NOW_S, EXPIRES_S), NTS_OK);
    char *text = keyring_document_format(document);
    scratch_write("keyring.json", text, strlen(text), 0600);
    keyring_text_free(text);
    scratch_write("value", document->signature.value, SIGNATURE_LEN, 0600);
    cr_assert_eq(scratch_run("jq -cSj 'del(.signature.value)' keyring.json > signed && openssl "
                             "pkeyutl -verify -pubin -inkey key.pub -rawin -in signed "
                             "-sigfile value > /dev/null"),
                 0);
    text = keyring_document_signed_text(document);
    scratch_write("expected", text, strlen(text), 0600);
    keyring_text_free(text);
    cr_assert_eq(scratch_run("cmp signed expected"), 0);
    cr_assert_neq(scratch_run("jq -cSj 'del(.signature.value) | .generation = 8' keyring.json > "
                              "signed && openssl pkeyutl -verify -pubin -inkey key.pub -rawin "
                              "-in signed -sigfile value > /dev/null 2>&1"),
                  0);
    keyring_document_free(document);
}

Test(keyring_signature, verifies_what_jq_and_openssl_sign)
{
    struct error error;
    struct keyring_document *document = document_of_two_keys();
    cr_assert_eq(scratch_run("umask 077 && openssl genpkey -algorithm ed25519 -out key && "
                             "openssl pkey -in key -pubout -out key.pub"),
                 0);
    char *text = keyring_document_format(document);
    scratch_write("keyring.json", text, strlen(text), 0600);
    keyring_text_free(text);
    cr_assert_eq(
        scratch_run("jq '.signature = {algorithm: \"ed25519\", signed_at: "
                    "\"2026-11-22T00:00:00Z\", expires_at: \"2026-12-22T00:00:00Z\"}' "
                    "keyring.json > unsigned && jq -cSj . unsigned > text && openssl pkeyutl "
                    "-sign -inkey key -rawin -in text -out value && jq --arg value "
                    "\"$(od -An -v -tx1 value | tr -d ' \\n')\" '.signature.value = $value' "
                    "unsigned > signed"),
        0);
    char signed_text[4096];
    FILE *file = fopen(scratch_path("signed"), "r");
    size_t len = fread(signed_text, 1, sizeof(signed_text), file);
    fclose(file);
    cr_assert_eq(keyring_document_parse(document, signed_text, len, "signed", &error), NTS_OK, "%s",
                 error.text);
    cr_assert_eq(key_file_read_public(&signers, scratch_path("key.pub"), KEY_ED25519, &error),
                 NTS_OK);
    cr_assert_eq(verify_at(document, NOW_S, &error), NTS_OK, "%s", error.text);
    document->generation++;
    assert_bad(document, "another generation");
    keyring_document_free(document);
}

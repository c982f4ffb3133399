/* Certificates of all kinds for tests, the wrong ones among them. */
#ifndef NTS_TESTS_MAKE_CERTIFICATE_H
#define NTS_TESTS_MAKE_CERTIFICATE_H

#include <criterion/criterion.h>
#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct made_certificate {
    X509 *certificate;
    EVP_PKEY *key;
};

/* Zeros are a self-signed certificate on P-256 without names, from an hour ago for a day. */
struct certificate_recipe {
    const char *key;         /* "P-256", "P-384", "P-521", "P-224", "Ed25519", "RSA-2048", ... */
    const char *names;       /* as in openssl.cnf: "DNS:a.example,IP:192.0.2.1" */
    const char *common_name; /* of the subject */
    int64_t not_before_s;    /* from now */
    int64_t not_after_s;
    const struct made_certificate *issuer;
};

static inline EVP_PKEY *make_ec_key(int curve)
{
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);
    EVP_PKEY *key = EVP_PKEY_new();
    cr_assert(ec != NULL && key != NULL && EC_KEY_generate_key(ec) &&
              EVP_PKEY_assign_EC_KEY(key, ec));
    return key;
}

static inline EVP_PKEY *make_rsa_key(int num_bits)
{
    RSA *rsa = RSA_new();
    BIGNUM *exponent = BN_new();
    EVP_PKEY *key = EVP_PKEY_new();
    cr_assert(rsa != NULL && exponent != NULL && key != NULL && BN_set_word(exponent, RSA_F4) &&
              RSA_generate_key_ex(rsa, num_bits, exponent, NULL) && EVP_PKEY_assign_RSA(key, rsa));
    BN_free(exponent);
    return key;
}

static inline EVP_PKEY *make_ed25519_key(void)
{
    uint8_t public_key[ED25519_PUBLIC_KEY_LEN];
    uint8_t private_key[ED25519_PRIVATE_KEY_LEN];
    ED25519_keypair(public_key, private_key);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, private_key, 32);
    cr_assert_not_null(key);
    return key;
}

static inline EVP_PKEY *make_private_key(const char *kind)
{
    static const struct {
        const char *kind;
        int curve;
    } curves[] = {{"P-224", NID_secp224r1},
                  {"P-256", NID_X9_62_prime256v1},
                  {"P-384", NID_secp384r1},
                  {"P-521", NID_secp521r1}};
    int num_bits;
    if (kind == NULL) {
        return make_ec_key(NID_X9_62_prime256v1);
    }
    for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (strcmp(kind, curves[i].kind) == 0) {
            return make_ec_key(curves[i].curve);
        }
    }
    if (sscanf(kind, "RSA-%d", &num_bits) == 1) {
        return make_rsa_key(num_bits);
    }
    cr_assert_str_eq(kind, "Ed25519");
    return make_ed25519_key();
}

static inline void add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    cr_assert_not_null(extension);
    cr_assert(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

/* The caller frees both parts with free_certificate. */
static inline struct made_certificate make_certificate(const struct certificate_recipe *recipe)
{
    struct made_certificate made = {X509_new(), make_private_key(recipe->key)};
    struct made_certificate issuer = recipe->issuer != NULL ? *recipe->issuer : made;
    const char *common_name = recipe->common_name != NULL ? recipe->common_name : "test";
    X509 *certificate = made.certificate;
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), getpid());
    X509_gmtime_adj(X509_getm_notBefore(certificate),
                    recipe->not_before_s != 0 ? recipe->not_before_s : -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate),
                    recipe->not_after_s != 0 ? recipe->not_after_s : 86400);
    X509_NAME *name = X509_NAME_new();
    cr_assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                         (const unsigned char *)common_name, -1, -1, 0));
    X509_set_subject_name(certificate, name);
    X509_NAME_free(name);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer.certificate));
    X509_set_pubkey(certificate, made.key);
    if (recipe->names != NULL) {
        add_extension(certificate, NID_subject_alt_name, recipe->names);
    }
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    const EVP_MD *digest = EVP_PKEY_id(issuer.key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    cr_assert_gt(X509_sign(certificate, issuer.key, digest), 0);
    return made;
}

static inline void free_certificate(struct made_certificate *made)
{
    X509_free(made->certificate);
    EVP_PKEY_free(made->key);
}

/* Writes to the file that is there, as a copy does. */
static inline void write_chain(const char *path, X509 *const *chain, size_t num)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    for (size_t i = 0; i < num; i++) {
        cr_assert(PEM_write_X509(file, chain[i]));
    }
    fclose(file);
}

/* With mode 0600, where it makes the file. */
static inline void write_private_key(const char *path, EVP_PKEY *key)
{
    umask(077);
    FILE *file = fopen(path, "w");
    cr_assert(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), "%s",
              path);
    fclose(file);
}

#endif

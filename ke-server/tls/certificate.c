#include "ke-server/tls/certificate.h"

#include "base/clock_time.h"
#include "crypto/secret_file.h"
#include "crypto/secret_mem.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAIN_FILE_MAX_LEN (1 << 20)
#define KEY_FILE_MAX_LEN   65536

static void certificate_destroy(struct snapshot *snapshot)
{
    struct certificate *certificate = (struct certificate *)snapshot;
    struct certificate_identity *identity = &certificate->identity;
    for (size_t i = 0; i < identity->num_names; i++) {
        free((void *)identity->names[i]);
    }
    free((void *)identity->names);
    free((void *)identity->ips);
    sk_X509_pop_free(certificate->chain, X509_free);
    EVP_PKEY_free(certificate->key);
    free(certificate->path);
    free(certificate);
}

static X509 *leaf_of(const struct certificate *certificate)
{
    return sk_X509_value(certificate->chain, 0);
}

/* --- the files --- */

/* Encrypted keys are refused: a server cannot ask for a passphrase. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* Every certificate of the file; false unless there is one at least, and each is whole. */
static bool parse_chain(STACK_OF(X509) * chain, BIO *bio)
{
    X509 *next;
    while ((next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (sk_X509_push(chain, next) == 0) {
            X509_free(next);
            return false;
        }
    }
    uint32_t reason = ERR_peek_last_error();
    return sk_X509_num(chain) > 0 && ERR_GET_LIB(reason) == ERR_LIB_PEM &&
           ERR_GET_REASON(reason) == PEM_R_NO_START_LINE;
}

static enum nts_status read_chain(struct certificate *certificate, const char *path,
                                  struct error *error)
{
    struct secret_file file;
    enum nts_status status = secret_file_read_any(&file, path, CHAIN_FILE_MAX_LEN, error);
    if (status != NTS_OK) {
        return status;
    }
    certificate->file_seen = file.identity;
    certificate->chain = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(file.text, (int)file.len);
    if (bio == NULL || certificate->chain == NULL || !parse_chain(certificate->chain, bio)) {
        status =
            error_set(error, NTS_ERR_CERTIFICATE_FORM,
                      "%s: expected a certificate chain in PEM (%s)", path, boringssl_error_text());
    }
    ERR_clear_error();
    BIO_free(bio);
    secret_free(file.text);
    return status;
}

static enum nts_status read_key(struct certificate *certificate, const char *path,
                                struct error *error)
{
    struct secret_file file;
    enum nts_status status = secret_file_read(&file, path, KEY_FILE_MAX_LEN, error);
    if (status != NTS_OK) {
        return status;
    }
    certificate->key_seen = file.identity;
    BIO *bio = BIO_new_mem_buf(file.text, (int)file.len);
    certificate->key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    if (certificate->key == NULL) {
        status = error_set(error, NTS_ERR_PRIVATE_KEY_FORM,
                           "%s: expected a private key in PEM, not encrypted (%s)", path,
                           boringssl_error_text());
    }
    BIO_free(bio);
    secret_free(file.text);
    return status;
}

/* --- the rules --- */

static bool ec_key_kind(enum certificate_key *kind, const EVP_PKEY *key)
{
    const EC_KEY *ec = EVP_PKEY_get0_EC_KEY(key);
    switch (EC_GROUP_get_curve_name(EC_KEY_get0_group(ec))) {
    case NID_X9_62_prime256v1:
        *kind = CERTIFICATE_KEY_P256;
        return true;
    case NID_secp384r1:
        *kind = CERTIFICATE_KEY_P384;
        return true;
    case NID_secp521r1:
        *kind = CERTIFICATE_KEY_P521;
        return true;
    default:
        return false;
    }
}

static bool key_kind(enum certificate_key *kind, const EVP_PKEY *key)
{
    switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_EC:
        return ec_key_kind(kind, key);
    case EVP_PKEY_RSA:
        *kind = CERTIFICATE_KEY_RSA;
        return EVP_PKEY_bits(key) >= CERTIFICATE_MIN_RSA_BITS;
    case EVP_PKEY_ED25519:
        *kind = CERTIFICATE_KEY_ED25519;
        return true;
    default:
        return false;
    }
}

static enum nts_status check_key(struct certificate *certificate,
                                 const struct certificate_files *files, struct error *error)
{
    if (X509_check_private_key(leaf_of(certificate), certificate->key) != 1) {
        return error_set(error, NTS_ERR_PRIVATE_KEY_MISMATCH,
                         "%s: the key does not belong to %s (%s)", files->private_key,
                         files->certificate, boringssl_error_text());
    }
    if (!key_kind(&certificate->identity.key, certificate->key)) {
        return error_set(error, NTS_ERR_PRIVATE_KEY_KIND,
                         "%s: expected an ECDSA key on P-256, P-384 or P-521, an RSA key of at "
                         "least %d bits, or an Ed25519 key",
                         files->private_key, CERTIFICATE_MIN_RSA_BITS);
    }
    return NTS_OK;
}

static enum nts_status check_validity(struct certificate *certificate, const char *path,
                                      int64_t now_s, struct error *error)
{
    char when[RFC3339_LEN + 1];
    int64_t not_after_s = boringssl_unix_time_s(X509_get0_notAfter(leaf_of(certificate)));
    certificate->identity.not_after_s = not_after_s;
    certificate->not_before_s = boringssl_unix_time_s(X509_get0_notBefore(leaf_of(certificate)));
    if (now_s >= not_after_s) {
        rfc3339_format(when, not_after_s);
        return error_set(error, NTS_ERR_CERTIFICATE_EXPIRED, "%s: the certificate expired at %s",
                         path, when);
    }
    if (now_s < certificate->not_before_s) {
        rfc3339_format(when, certificate->not_before_s);
        return error_set(error, NTS_ERR_CERTIFICATE_EARLY,
                         "%s: the certificate is not valid before %s (or the clock of this host is "
                         "wrong)",
                         path, when);
    }
    return NTS_OK;
}

/* Each certificate should certify the one before it, and clients have the root already. */
static const char *weakness_of(const struct certificate *certificate)
{
    size_t num = sk_X509_num(certificate->chain);
    if (certificate->identity.num_names + certificate->identity.num_ips == 0) {
        return "it has no subject alternative name, so that no client accepts it";
    }
    for (size_t i = 1; i < num; i++) {
        X509 *issued = sk_X509_value(certificate->chain, i - 1);
        X509 *issuer = sk_X509_value(certificate->chain, i);
        if (X509_NAME_cmp(X509_get_issuer_name(issued), X509_get_subject_name(issuer)) != 0) {
            return "the chain is not in order: each certificate should certify the one before it";
        }
    }
    X509 *last = sk_X509_value(certificate->chain, num - 1);
    if (num > 1 && X509_NAME_cmp(X509_get_issuer_name(last), X509_get_subject_name(last)) == 0) {
        return "the chain has the root in it, which is sent to every client for nothing";
    }
    return NULL;
}

/* --- what it is for --- */

/* A name that is no plain text is one that no client asks for. */
static char *copy_name(const ASN1_STRING *text)
{
    size_t len = (size_t)ASN1_STRING_length(text);
    const unsigned char *data = ASN1_STRING_get0_data(text);
    for (size_t i = 0; i < len; i++) {
        if (data[i] <= ' ' || data[i] >= 0x7f || data[i] == '"') {
            return strdup("?");
        }
    }
    return strndup((const char *)data, len);
}

static bool take_names(struct certificate_identity *identity, const GENERAL_NAMES *all)
{
    size_t num = sk_GENERAL_NAME_num(all);
    char **names = calloc(num + 1, sizeof(*names));
    struct certificate_ip *ips = calloc(num + 1, sizeof(*ips));
    identity->names = (const char *const *)names;
    identity->ips = ips;
    if (names == NULL || ips == NULL) {
        return false;
    }
    for (size_t i = 0; i < num; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS) {
            names[identity->num_names] = copy_name(name->d.dNSName);
            if (names[identity->num_names++] == NULL) {
                return false;
            }
        } else if (name->type == GEN_IPADD) {
            size_t len = (size_t)ASN1_STRING_length(name->d.iPAddress);
            struct certificate_ip *ip = &ips[identity->num_ips];
            if (len == 4 || len == sizeof(ip->octets)) {
                memcpy(ip->octets, ASN1_STRING_get0_data(name->d.iPAddress), len);
                ip->len = len;
                identity->num_ips++;
            }
        }
    }
    return true;
}

static bool fill_identity(struct certificate *certificate)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(leaf_of(certificate), NID_subject_alt_name, NULL, NULL);
    bool is_taken = all == NULL || take_names(&certificate->identity, all);
    GENERAL_NAMES_free(all);
    ERR_clear_error();
    return is_taken;
}

static void fill_issuer(struct certificate *certificate)
{
    X509_NAME *name = X509_get_issuer_name(leaf_of(certificate));
    char *text = certificate->issuer;
    int size = (int)sizeof(certificate->issuer);
    if (X509_NAME_get_text_by_NID(name, NID_commonName, text, size) <= 0 &&
        X509_NAME_get_text_by_NID(name, NID_organizationName, text, size) <= 0) {
        strcpy(text, "?");
    }
    for (char *quote = text; (quote = strchr(quote, '"')) != NULL;) {
        *quote = '\''; /* the log has it between quotes */
    }
    ERR_clear_error();
}

enum nts_status certificate_load(struct certificate **out, const struct certificate_files *files,
                                 int64_t now_s, struct error *error)
{
    struct certificate *certificate = calloc(1, sizeof(*certificate));
    if (certificate == NULL) {
        return error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", files->certificate);
    }
    snapshot_init(&certificate->snapshot, certificate_destroy);
    ERR_clear_error();
    certificate->path = strdup(files->certificate);
    enum nts_status status = read_chain(certificate, files->certificate, error);
    if (status != NTS_OK) {
        goto fail;
    }
    status = check_validity(certificate, files->certificate, now_s, error);
    if (status != NTS_OK) {
        goto fail;
    }
    status = read_key(certificate, files->private_key, error);
    if (status != NTS_OK) {
        goto fail;
    }
    status = check_key(certificate, files, error);
    if (status != NTS_OK) {
        goto fail;
    }
    if (certificate->path == NULL || !fill_identity(certificate)) {
        status = error_set(error, NTS_ERR_NO_MEMORY, "%s: out of memory", files->certificate);
        goto fail;
    }
    fill_issuer(certificate);
    certificate->weakness = weakness_of(certificate);
    *out = certificate;
    return NTS_OK;

fail:
    snapshot_unref(&certificate->snapshot);
    return status;
}

/* --- for the log --- */

/* Appends one name; false if there is no room for it and for an ellipsis behind. */
static bool append_name(char *text, size_t size, const char *name)
{
    size_t len = strlen(text);
    if (len + strlen(name) + sizeof(",,...") > size) {
        snprintf(text + len, size - len, "%s...", len > 0 ? "," : "");
        return false;
    }
    snprintf(text + len, size - len, "%s%s", len > 0 ? "," : "", name);
    return true;
}

void certificate_format_names(char text[CERTIFICATE_NAMES_TEXT_LEN],
                              const struct certificate *certificate)
{
    const struct certificate_identity *identity = &certificate->identity;
    text[0] = '\0';
    for (size_t i = 0; i < identity->num_names; i++) {
        if (!append_name(text, CERTIFICATE_NAMES_TEXT_LEN, identity->names[i])) {
            return;
        }
    }
    for (size_t i = 0; i < identity->num_ips; i++) {
        char address[INET6_ADDRSTRLEN];
        const struct certificate_ip *ip = &identity->ips[i];
        inet_ntop(ip->len == 4 ? AF_INET : AF_INET6, ip->octets, address, sizeof(address));
        if (!append_name(text, CERTIFICATE_NAMES_TEXT_LEN, address)) {
            return;
        }
    }
}

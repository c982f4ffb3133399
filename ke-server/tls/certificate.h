/* A certificate with its chain and its private key, as they were in their files: checked, immutable
 * and shared by reference. Nothing of TLS. Start-up and reload. */
#ifndef NTS_KE_CERTIFICATE_H
#define NTS_KE_CERTIFICATE_H

#include "base/snapshot.h"
#include "crypto/boringssl.h"
#include "ke-server/config/certificate_files.h"
#include "ke-server/tls/certificate_choice.h"

#include <openssl/x509.h>
#include <sys/stat.h>

/* RFC 8446 leaves it open; what public CAs have required since 2014. */
#define CERTIFICATE_MIN_RSA_BITS 2048

struct certificate {
    struct snapshot snapshot; /* first member */
    char *path;               /* of the file with the certificate */
    STACK_OF(X509) * chain;   /* the certificate first */
    EVP_PKEY *key;
    struct certificate_identity identity;
    int64_t not_before_s;
    char issuer[128];      /* common name or organisation, for the log */
    const char *weakness;  /* what clients may stumble over, though it is used; NULL: nothing */
    struct stat file_seen; /* of the files that were read */
    struct stat key_seen;
};

/* certificate_load reads both files and judges them as of `now_s`. `*certificate` gets one
 * reference for the caller. With a text that names the file:
 *   NTS_ERR_FILE                 a file cannot be read, or the key is open to group or others
 *   NTS_ERR_CERTIFICATE_FORM     no certificate chain in PEM
 *   NTS_ERR_PRIVATE_KEY_FORM     no private key in PEM, or an encrypted one
 *   NTS_ERR_PRIVATE_KEY_KIND     not ECDSA on P-256, P-384 or P-521, RSA of 2048 bits, or Ed25519
 *   NTS_ERR_PRIVATE_KEY_MISMATCH the key does not belong to the certificate
 *   NTS_ERR_CERTIFICATE_EXPIRED, NTS_ERR_CERTIFICATE_EARLY
 *   NTS_ERR_NO_MEMORY
 * A chain that is out of order is taken as it is (RFC 8446, section 4.4.2, has clients sort it) but
 * for the weakness. */
NTS_MUST_CHECK enum nts_status certificate_load(struct certificate **certificate,
                                                const struct certificate_files *files,
                                                int64_t now_s, struct error *error);

#define CERTIFICATE_NAMES_TEXT_LEN 256

/* certificate_format_names writes its names and addresses with commas between, and "..." for those
 * for which there is no room. */
void certificate_format_names(char text[CERTIFICATE_NAMES_TEXT_LEN],
                              const struct certificate *certificate);

#endif

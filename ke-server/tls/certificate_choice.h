/* Which of several certificates a client gets: by the name that it asks for (SNI, RFC 6066, section
 * 3), and by the signatures that it accepts (RFC 8446, section 4.2.3). Rules only: no I/O and no
 * TLS library; thread-safe, never allocates. */
#ifndef NTS_KE_CERTIFICATE_CHOICE_H
#define NTS_KE_CERTIFICATE_CHOICE_H

#include "base/address.h"

/* The keys that a certificate may have, with the signature schemes of TLS 1.3 that each can make
 * (RFC 8446, section 4.2.3): one for a curve, three for RSA, which signs as RSASSA-PSS. */
#define CERTIFICATE_KEY_TABLE(X)                                                                   \
    X(P256, "ECDSA P-256", 0x0403)                                                                 \
    X(P384, "ECDSA P-384", 0x0503)                                                                 \
    X(P521, "ECDSA P-521", 0x0603)                                                                 \
    X(RSA, "RSA", 0x0804, 0x0805, 0x0806)                                                          \
    X(ED25519, "Ed25519", 0x0807)

enum certificate_key {
#define CERTIFICATE_KEY_ENUM(name, text, ...) CERTIFICATE_KEY_##name,
    CERTIFICATE_KEY_TABLE(CERTIFICATE_KEY_ENUM)
#undef CERTIFICATE_KEY_ENUM
        CERTIFICATE_NUM_KEYS
};

struct certificate_ip {
    uint8_t octets[16];
    size_t len; /* 4 or 16 */
};

/* What the choice knows of a certificate. */
struct certificate_identity {
    const char *const *names; /* DNS names of its subjectAltName, perhaps with a wildcard */
    size_t num_names;
    const struct certificate_ip *ips;
    size_t num_ips;
    enum certificate_key key;
    int64_t not_after_s;
};

/* What is known of a client. */
struct certificate_wish {
    const char *name; /* server_name, not terminated; NULL: none was sent */
    size_t name_len;
    const union net_address *local; /* the address that it came to */
    const uint8_t *schemes; /* signature_algorithms as they came: two octets each, big-endian */
    size_t num_schemes;
    int64_t now_s;
};

/* certificate_key_text returns "ECDSA P-256", "RSA", and so on. */
const char *certificate_key_text(enum certificate_key key);

/* certificate_covers_name tells whether one of the DNS names is that one. Letter case and a
 * trailing dot do not matter. A wildcard is the whole leftmost label of a name of three labels or
 * more, and stands for exactly one label (RFC 6125, section 6.4.3; RFC 9525, section 6.3). */
bool certificate_covers_name(const struct certificate_identity *identity, const char *name,
                             size_t name_len);

/* certificate_covers_address tells whether one of the IP addresses is that one. */
bool certificate_covers_address(const struct certificate_identity *identity,
                                const union net_address *address);

/* certificate_choose returns the index of the certificate for a client among `num`, one at least.
 * What counts, the most important first:
 *   1. the client accepts a signature that its key can make: there is no handshake without,
 *   2. it covers the name that the client sent or, if none was sent, the address it came to,
 *   3. it has not expired,
 *   4. it comes first.
 * So the first is the default: that no name fits is no reason to turn a client away, for it may
 * have one of its own to compare (RFC 6066, section 3). */
size_t certificate_choose(const struct certificate_identity *const *identities, size_t num,
                          const struct certificate_wish *wish);

#endif

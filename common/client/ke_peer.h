/* What the parts of an NTS-KE client's connection share: whom it is to talk to, and what it has
 * seen. The verbs are in ke_connection.h. */
#ifndef NTS_CLIENT_KE_PEER_H
#define NTS_CLIENT_KE_PEER_H

#include "base/address.h"
#include "crypto/boringssl.h"

struct ke_connection_options {
    const char *host;        /* name or IP literal */
    uint16_t port;           /* 0: KE_PORT */
    int family;              /* AF_UNSPEC, AF_INET or AF_INET6 */
    const char *ca_file;     /* PEM; NULL: what the system trusts */
    const char *server_name; /* what the certificate must be for; NULL: host */
    bool insecure;           /* accept any certificate: for tests */
    SSL_CTX *context;        /* of ke_tls_context_create; NULL: made for this connection alone */

    /* What follows bends the rules, for tests: all zero is what RFC 8915 asks for. */
    const char *const *alpn; /* protocols offered, ends with NULL, may be empty; any answer will do.
                                NULL: "ntske/1", and the server must choose it */
    const char *sni;         /* sent as it is, "" for none; NULL: server_name unless it is an IP */
    uint16_t min_version;    /* 0: TLS1_3_VERSION */
    uint16_t max_version;    /* 0: TLS1_3_VERSION */
    const char *groups;      /* for boringssl_set_groups; NULL: boringssl_default_groups() */
    size_t max_write_len;    /* octets per write to the socket; 0: no limit */
};

/* Must not move while it is open. */
struct ke_connection {
    int fd;
    SSL *ssl;
    union net_address peer;

    /* What came in so far. */
    int alert_received;           /* description of the last alert, close_notify too; -1: none */
    unsigned num_session_tickets; /* NewSessionTicket messages */
    unsigned num_data_records;    /* TLS records with application data that were read */

    /* Of the options. */
    char identity[HOST_TEXT_LEN]; /* what the certificate must be for */
    size_t max_write_len;
};

#endif

/* NTS-KE as a client does it (RFC 8915, section 4): one TLS connection, one request, one response.
 * Blocking with a deadline; every call has a session of its own, so threads need no lock. */
#ifndef NTS_CLIENT_KE_CLIENT_H
#define NTS_CLIENT_KE_CLIENT_H

#include "client/ke_connection.h"
#include "client/ke_response.h"
#include "keys/cookie.h"

#define CERT_NAME_LEN 256

enum ke_1024 {
    KE_1024_AUTO,  /* send record 1024 if AEAD 30 is offered */
    KE_1024_NEVER, /* as chrony before 4.6.1 */
    KE_1024_ALWAYS,
};

struct ke_client_options {
    const char *host;                 /* name or IP literal */
    uint16_t port;                    /* 0: KE_PORT */
    int family;                       /* AF_UNSPEC, AF_INET or AF_INET6 */
    const char *ca_file;              /* PEM; NULL: what the system trusts */
    const char *server_name;          /* what the certificate must be for; NULL: host */
    bool insecure;                    /* accept any certificate: for tests */
    SSL_CTX *context;                 /* shared by many calls; NULL: made for this one */
    uint16_t aeads[CLIENT_MAX_AEADS]; /* in the order offered */
    size_t num_aeads;                 /* 0: 30, 15 */
    enum ke_1024 record_1024;
    const char *wish_server; /* NULL: none */
    uint16_t wish_port;      /* 0: none */
    int64_t timeout_ms;      /* for all of it; 0: KE_CLIENT_TIMEOUT_MS */
};

#define KE_CLIENT_TIMEOUT_MS 5000

struct ke_session {
    /* The TLS connection; empty strings as far as it did not come. */
    union net_address peer;
    char tls_version[16];
    char group[32];
    char cipher[64];
    char subject[CERT_NAME_LEN]; /* RFC 4514 text, ASCII */
    char issuer[CERT_NAME_LEN];
    int64_t cert_left_s; /* until the certificate expires; INT64_MIN: no certificate seen */

    struct ke_response response; /* its jar is where ntp_exchange takes cookies from */

    struct session_keys keys;        /* exported as RFC 8915 says */
    struct session_keys legacy_keys; /* exported as chrony did for AEAD 30 before it had record
                                        1024; aead is NULL unless 30 was chosen without an echo */

    char ntp_host[HOST_TEXT_LEN]; /* the time server: a name, or the address that NTS-KE used */
    uint16_t ntp_port;
    int64_t elapsed_ns; /* from the call to the last octet of the response */
};

/* ke_client_run does the whole exchange and fills `*session`, also as far as it got when it fails.
 * Any error of ke_connection_open or ke_response_parse, with text that names host and cause.
 * The caller calls ke_session_wipe in any case. */
NTS_MUST_CHECK enum nts_status ke_client_run(struct ke_session *session,
                                             const struct ke_client_options *options,
                                             struct error *error);

/* ke_session_time_server finds the address of the session's time server. A name is looked up in
 * `family`; AF_UNSPEC prefers the family of the NTS-KE connection. NTS_ERR_SYSTEM with text. */
NTS_MUST_CHECK enum nts_status ke_session_time_server(union net_address *address,
                                                      const struct ke_session *session, int family,
                                                      struct error *error);

/* ke_session_wipe overwrites the keys and the cookies. */
void ke_session_wipe(struct ke_session *session);

#endif

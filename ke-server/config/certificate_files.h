/* Where a certificate and its key are, as the configuration says it. */
#ifndef NTS_KE_CERTIFICATE_FILES_H
#define NTS_KE_CERTIFICATE_FILES_H

/* The files of one certificate: an element of the option "certificates". */
struct certificate_files {
    const char *certificate; /* PEM: the certificate, then its chain */
    const char *private_key; /* PEM, not encrypted, not readable by group or others */
};

#endif

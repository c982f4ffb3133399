/* NTP over UDP as a client does it: one question, one answer, with the kernel's receive timestamp.
 * Blocking with a deadline; a session belongs to one thread. */
#ifndef NTS_CLIENT_NTP_CLIENT_H
#define NTS_CLIENT_NTP_CLIENT_H

#include "client/ntp_question.h"

struct ntp_exchange_options {
    const union net_address *server;
    const struct session_keys *keys; /* NULL: plain NTP */
    struct cookie_jar *jar;          /* gives one cookie, gets the new ones; not for plain NTP */
    int64_t timeout_ms;              /* 0: NTP_CLIENT_TIMEOUT_MS */
};

#define NTP_CLIENT_TIMEOUT_MS 2000

/* ntp_exchange asks for the time once, and for as many cookies as the jar has room for. Datagrams
 * that are not an authentic answer are passed over: any host can send them, so they only become the
 * verdict when nothing better has come in time (RFC 8915, section 5.7). `*reply` is then the most
 * telling of them. Fills `*reply` and `*sample`, and on error the text.
 * NTS_OK, NTS_ERR_TIMEOUT (nothing came, or nothing that belongs to the request), NTS_ERR_SYSTEM,
 * or any error of ntp_reply_check; NTS_ERR_NTS_INCOMPLETE if the jar is empty. */
NTS_MUST_CHECK enum nts_status ntp_exchange(struct ntp_reply *reply, struct ntp_sample *sample,
                                            const struct ntp_exchange_options *options,
                                            struct error *error);

#endif

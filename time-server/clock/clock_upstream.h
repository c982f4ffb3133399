/* The NTP server that the clock of this host is compared with: its name and address, the socket,
 * the pace of requests. Asks without NTS, and accepts what echoes its random transmit timestamp
 * (RFC 5905, section 8). Never blocks: names are looked up on a thread of their own. Control
 * thread. */
#ifndef NTS_TIME_CLOCK_UPSTREAM_H
#define NTS_TIME_CLOCK_UPSTREAM_H

#include "client/ntp_question.h"
#include "net/name_lookup.h"

/* Requests in a row without an answer after which the server is looked up and connected anew. */
#define CLOCK_MAX_SILENT 8
/* Between two attempts to open it anew: doubles from the first to the last, until an answer. */
#define CLOCK_RETRY_MIN_NS NS_PER_S
#define CLOCK_RETRY_MAX_NS (64 * NS_PER_S)
/* Between two requests: doubles with each kiss RATE (RFC 5905, section 7.4), and halves after so
 * many answers in a row. */
#define CLOCK_POLL_MIN_NS      NS_PER_S
#define CLOCK_POLL_MAX_NS      (64 * NS_PER_S)
#define CLOCK_ANSWERS_PER_STEP 8
/* A server that refuses (kiss DENY or RSTR) is not asked, nor looked up, for this long. */
#define CLOCK_DENIED_NS (3600 * NS_PER_S)

struct clock_upstream {
    char host[HOST_TEXT_LEN];
    uint16_t port;
    int fd; /* -1: none, not open yet or not to be asked */
    union net_address server;
    int wake_fd;                /* -1: an address in text, never looked up */
    struct name_lookup *lookup; /* NULL likewise */
    bool is_resolving;
    char reason[128];    /* why the name does not resolve, for people; empty if it does */
    int64_t renew_at_ns; /* CLOCK_MONOTONIC: not opened anew before */
    int64_t retry_ns;    /* from one attempt to the next */
    unsigned num_silent; /* requests since the last answer */
    int64_t poll_ns;
    int64_t next_ask_ns;  /* CLOCK_MONOTONIC, while poll_ns is not the least */
    unsigned num_answers; /* in a row at this poll_ns */
    uint32_t kiss;        /* the last kiss code that counts, 0: none */
    bool is_denied;       /* until renew_at_ns */
    bool wants_other;     /* the address in use is silent, or refuses */
    struct ntp_question question;
};

/* What clock_upstream_receive found. */
enum clock_event {
    CLOCK_EVENT_NONE,
    CLOCK_EVENT_ANSWER,
    CLOCK_EVENT_DENIED, /* the server refuses; it is not asked for CLOCK_DENIED_NS */
};

/* clock_upstream_open prepares for the server `text` (HOST[:PORT]). A server that cannot be reached
 * yet, or whose name does not resolve, is tried again. clock_upstream_close is due in any case.
 * NTS_ERR_CONFIG for text of another form; NTS_ERR_SYSTEM if an address can never be asked, or
 * without descriptors or memory. */
NTS_MUST_CHECK enum nts_status clock_upstream_open(struct clock_upstream *upstream,
                                                   const char *text, struct error *error);
void clock_upstream_close(struct clock_upstream *upstream);

/* clock_upstream_renew looks the name up and connects anew, whatever has gone before. */
void clock_upstream_renew(struct clock_upstream *upstream);

/* clock_upstream_ask is called once a second, or a little more often: asks if a request is due. */
void clock_upstream_ask(struct clock_upstream *upstream);

/* clock_upstream_receive takes one datagram in, or an answer to a look-up, and fills `*reply` and
 * `*sample` for CLOCK_EVENT_ANSWER. To be called until it returns CLOCK_EVENT_NONE. */
enum clock_event clock_upstream_receive(struct clock_upstream *upstream, struct ntp_reply *reply,
                                        struct ntp_sample *sample);

#endif

/* NTP over UDP, one step at a time and without waiting unless asked to: a connected socket with the
 * kernel's receive timestamps, a request, and the judgement and measure of its reply. For those who
 * have a loop of their own; ntp_client.h has the whole exchange. Belongs to one thread. */
#ifndef NTS_CLIENT_NTP_QUESTION_H
#define NTS_CLIENT_NTP_QUESTION_H

#include "base/address.h"
#include "client/deadline.h"
#include "client/ntp_request.h"

/* ntp_socket_open makes a non-blocking UDP socket connected to `server` (so that the kernel drops
 * what comes from elsewhere), with a random port and receive timestamps. The caller closes `*fd`.
 * NTS_ERR_SYSTEM with text and errno; `*fd` is -1 then. */
NTS_MUST_CHECK enum nts_status ntp_socket_open(int *fd, const union net_address *server,
                                               struct error *error);

/* ntp_socket_receive waits for a datagram, of which it keeps the first `capacity` octets; `*len` is
 * its whole length. `*received_ns` is the kernel's timestamp (CLOCK_REALTIME). NTS_ERR_TIMEOUT, or
 * NTS_ERR_SYSTEM with errno: ECONNREFUSED when no socket listens there. */
NTS_MUST_CHECK enum nts_status ntp_socket_receive(int fd, uint8_t *data, size_t *len,
                                                  size_t capacity, int64_t *received_ns,
                                                  int64_t deadline_ns);

/* ntp_message_received_ns returns the kernel's receive timestamp among the control messages of a
 * received `message` (SO_TIMESTAMPNS), or the time now if it gave none. */
int64_t ntp_message_received_ns(struct msghdr *message);

/* A request that is waiting for its reply: what ties the two together. */
struct ntp_question {
    const struct session_keys *keys; /* NULL: plain NTP */
    uint64_t transmit_time;          /* 0: none is waiting */
    uint8_t unique_id[EF_UNIQUE_ID_MIN_LEN];
    int64_t sent_ns; /* T1, CLOCK_REALTIME */
};

/* ntp_request_init empties `*request` but for what is random: a plain NTP request. */
void ntp_request_init(struct ntp_request *request);

/* ntp_question_make builds `request` (ntp_request_init, and for NTS keys and a cookie) and notes in
 * `*question` what its reply must echo. NTS_ERR_NO_SPACE if the packet does not fit. */
NTS_MUST_CHECK enum nts_status ntp_question_make(struct ntp_question *question,
                                                 struct ntp_request *request);

/* ntp_question_send sends the request on the connected socket `fd`, and notes when. False with
 * errno. The error of an earlier datagram (ICMP) is reported by a later send, which it keeps from
 * being sent: sending once more is then in order. */
NTS_MUST_CHECK bool ntp_question_send(struct ntp_question *question, int fd,
                                      const struct ntp_request *request);

/* ntp_question_judge judges a datagram as the reply to `question`, as ntp_reply_check does. */
NTS_MUST_CHECK enum nts_status ntp_question_judge(const struct ntp_question *question,
                                                  struct ntp_reply *reply, struct cookie_jar *jar,
                                                  const uint8_t *packet, size_t len);

/* What one exchange measured (RFC 5905, section 8). */
struct ntp_sample {
    int64_t offset_ns;   /* the server's clock minus ours */
    int64_t delay_ns;    /* round trip, without the server's own time */
    int64_t sent_ns;     /* T1, CLOCK_REALTIME */
    int64_t received_ns; /* T4 */
    size_t request_len;
    size_t num_ignored; /* datagrams that were not the answer */
};

/* ntp_sample_measure fills offset and delay of `*sample` from T1 and T4 in it and the server's T2
 * and T3 in `header`. */
void ntp_sample_measure(struct ntp_sample *sample, const struct ntp_header *header);

/* ntp_kiss_text writes the four characters of a kiss code; '?' for what is not printable. */
void ntp_kiss_text(char text[5], uint32_t code);

#endif

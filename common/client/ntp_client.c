#include "client/ntp_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whether the verdict on a datagram is final: an authentic one, or one of plain NTP, where there is
 * nothing better to wait for. */
static bool is_final(enum nts_status status, const struct ntp_reply *reply,
                     const struct ntp_question *question)
{
    if (status == NTS_OK || reply->authenticated) {
        return true;
    }
    return question->keys == NULL && status == NTS_ERR_KISS;
}

static enum nts_status explain(const struct ntp_reply *reply, const struct ntp_sample *sample,
                               enum nts_status status, struct error *error)
{
    if (status == NTS_ERR_TIMEOUT || status == NTS_ERR_MISMATCH) {
        if (sample->num_ignored == 0) {
            return error_set(error, NTS_ERR_TIMEOUT, "no answer in time");
        }
        return error_set(error, NTS_ERR_TIMEOUT,
                         "no answer in time; %zu datagrams that do not belong to the request (%s)",
                         sample->num_ignored, reply->fault);
    }
    if (status == NTS_ERR_KISS) {
        char code[5];
        ntp_kiss_text(code, reply->header.reference_id);
        return error_set(error, status, "kiss of death %s, %s", code,
                         reply->authenticated ? "authentic" : "not authentic");
    }
    return error_set(error, status, "%s", reply->fault);
}

/* What there is to wait for. */
struct ntp_waiting {
    const struct ntp_question *question;
    struct cookie_jar *jar;
    int fd;
    int64_t deadline_ns;
};

static enum nts_status await_reply(struct ntp_reply *reply, struct ntp_sample *sample,
                                   const struct ntp_waiting *waiting, struct error *error)
{
    uint8_t packet[NTP_CLIENT_MAX_PACKET];
    enum nts_status worst = NTS_ERR_TIMEOUT;
    for (;;) {
        size_t len;
        struct ntp_reply candidate;
        enum nts_status status = ntp_socket_receive(waiting->fd, packet, &len, sizeof(packet),
                                                    &sample->received_ns, waiting->deadline_ns);
        if (status == NTS_ERR_SYSTEM) {
            return error_set(error, status, "no answer: %s", strerror(errno));
        }
        if (status == NTS_ERR_TIMEOUT) {
            return explain(reply, sample, worst, error);
        }
        status = ntp_question_judge(waiting->question, &candidate, waiting->jar, packet, len);
        if (is_final(status, &candidate, waiting->question)) {
            *reply = candidate;
            ntp_sample_measure(sample, &reply->header);
            return status == NTS_OK ? NTS_OK : explain(reply, sample, status, error);
        }
        sample->num_ignored++;
        if (ntp_verdict_rank(status) > ntp_verdict_rank(worst)) {
            worst = status;
            *reply = candidate;
        }
    }
}

/* Makes the question, with a cookie from the jar. */
static enum nts_status make_question(struct ntp_question *question, struct ntp_request *request,
                                     const struct ntp_exchange_options *options,
                                     struct error *error)
{
    struct client_cookie cookie;
    ntp_request_init(request);
    if (options->keys != NULL) {
        if (!cookie_jar_take(options->jar, &cookie)) {
            return error_set(error, NTS_ERR_NTS_INCOMPLETE, "no cookie is left");
        }
        request->keys = options->keys;
        request->cookie = cookie.octets;
        request->cookie_len = cookie.len;
        request->num_placeholders = ntp_placeholders_wanted(options->jar, cookie.len);
    }
    enum nts_status status = ntp_question_make(question, request);
    request->cookie = NULL; /* it is in the packet */
    return status == NTS_OK ? NTS_OK : error_set(error, status, "the request does not fit");
}

enum nts_status ntp_exchange(struct ntp_reply *reply, struct ntp_sample *sample,
                             const struct ntp_exchange_options *options, struct error *error)
{
    struct ntp_request request;
    struct ntp_question question;
    int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : NTP_CLIENT_TIMEOUT_MS;
    memset(reply, 0, sizeof(*reply));
    memset(sample, 0, sizeof(*sample));

    enum nts_status status = make_question(&question, &request, options, error);
    if (status != NTS_OK) {
        return status;
    }
    /* A socket, and so a source port, of its own for each request (RFC 9109). */
    struct ntp_waiting waiting = {.question = &question, .jar = options->jar};
    status = ntp_socket_open(&waiting.fd, options->server, error);
    if (status != NTS_OK) {
        return status;
    }
    waiting.deadline_ns = deadline_in_ms(timeout_ms);
    sample->request_len = request.len;
    bool is_sent = ntp_question_send(&question, waiting.fd, &request);
    sample->sent_ns = question.sent_ns;
    status = is_sent ? await_reply(reply, sample, &waiting, error)
                     : error_set(error, NTS_ERR_SYSTEM, "cannot send: %s", strerror(errno));
    close(waiting.fd);
    return status;
}

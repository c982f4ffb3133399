#include "client/ntp_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum nts_status ntp_socket_open(int *fd, const union net_address *server, struct error *error)
{
    int on = 1;
    *fd = socket(server->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        return error_set(error, NTS_ERR_SYSTEM, "no UDP socket: %s", strerror(errno));
    }
    if (setsockopt(*fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0 ||
        connect(*fd, &server->sa, address_len(server)) != 0) {
        char text[ADDRESS_TEXT_LEN];
        int saved_errno = errno;
        address_format(text, server);
        error_set(error, NTS_ERR_SYSTEM, "cannot send to %s: %s", text, strerror(errno));
        close(*fd);
        *fd = -1;
        errno = saved_errno;
        return NTS_ERR_SYSTEM;
    }
    return NTS_OK;
}

int64_t ntp_message_received_ns(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(c), sizeof(time));
            return time.tv_sec * NS_PER_S + time.tv_nsec;
        }
    }
    return real_time_ns();
}

enum nts_status ntp_socket_receive(int fd, uint8_t *data, size_t *len, size_t capacity,
                                   int64_t *received_ns, int64_t deadline_ns)
{
    for (;;) {
        _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct timespec))];
        struct iovec part = {.iov_base = data, .iov_len = capacity};
        struct msghdr message = {
            .msg_iov = &part,
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = sizeof(control),
        };
        ssize_t num_received = recvmsg(fd, &message, MSG_TRUNC);
        if (num_received >= 0) {
            *len = (size_t)num_received;
            *received_ns = ntp_message_received_ns(&message);
            return NTS_OK;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            return NTS_ERR_SYSTEM;
        }
        if (!deadline_wait(fd, POLLIN, deadline_ns)) {
            return NTS_ERR_TIMEOUT;
        }
    }
}

void ntp_request_init(struct ntp_request *request)
{
    memset(request, 0, offsetof(struct ntp_request, packet));
    ntp_request_randomise(request);
}

enum nts_status ntp_question_send(struct ntp_question *question, int fd,
                                  struct ntp_request *request)
{
    enum nts_status status = ntp_request_build(request);
    if (status != NTS_OK) {
        return status;
    }
    question->keys = request->keys;
    question->transmit_time = request->transmit_time;
    memcpy(question->unique_id, request->unique_id, sizeof(question->unique_id));
    question->request_len = request->len;
    for (int i = 0; i < 2; i++) {
        question->sent_ns = real_time_ns();
        if (send(fd, request->packet, request->len, 0) >= 0) {
            return NTS_OK;
        }
    }
    return NTS_ERR_SYSTEM;
}

enum nts_status ntp_question_judge(const struct ntp_question *question, struct ntp_reply *reply,
                                   struct cookie_jar *jar, const uint8_t *packet, size_t len)
{
    struct ntp_request request;
    memset(&request, 0, offsetof(struct ntp_request, packet));
    request.keys = question->keys;
    request.transmit_time = question->transmit_time;
    memcpy(request.unique_id, question->unique_id, sizeof(request.unique_id));
    return ntp_reply_check(reply, jar, &request, packet, len);
}

void ntp_kiss_text(char text[5], uint32_t code)
{
    store_u32((uint8_t *)text, code);
    text[4] = '\0';
    for (int i = 0; i < 4; i++) {
        text[i] = text[i] > ' ' && text[i] <= '~' && text[i] != '"' ? text[i] : '?';
    }
}

void ntp_sample_measure(struct ntp_sample *sample, const struct ntp_header *header)
{
    ntp_measure(&sample->offset_ns, &sample->delay_ns, header, sample->sent_ns,
                sample->received_ns);
}

/* Whether the verdict on a datagram is final: an authentic one, or one of plain NTP, where there is
 * nothing better to wait for. */
static bool is_final(enum nts_status status, const struct ntp_reply *reply,
                     const struct ntp_request *request)
{
    if (status == NTS_OK || reply->authenticated) {
        return true;
    }
    return request->keys == NULL && status == NTS_ERR_KISS;
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

static enum nts_status await_reply(struct ntp_reply *reply, struct ntp_sample *sample,
                                   const struct ntp_exchange_options *options,
                                   const struct ntp_request *request, int fd, int64_t deadline_ns,
                                   struct error *error)
{
    uint8_t packet[NTP_CLIENT_MAX_PACKET];
    enum nts_status worst = NTS_ERR_TIMEOUT;
    for (;;) {
        size_t len;
        struct ntp_reply candidate;
        enum nts_status status =
            ntp_socket_receive(fd, packet, &len, sizeof(packet), &sample->received_ns, deadline_ns);
        if (status == NTS_ERR_SYSTEM) {
            return error_set(error, status, "no answer: %s", strerror(errno));
        }
        if (status == NTS_ERR_TIMEOUT) {
            return explain(reply, sample, worst, error);
        }
        status = ntp_reply_check(&candidate, options->jar, request, packet, len);
        if (is_final(status, &candidate, request)) {
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

/* Builds the request with a cookie from the jar. */
static enum nts_status make_request(struct ntp_request *request, struct client_cookie *cookie,
                                    const struct ntp_exchange_options *options, struct error *error)
{
    memset(request, 0, offsetof(struct ntp_request, packet));
    ntp_request_randomise(request);
    if (options->keys != NULL) {
        if (!cookie_jar_take(options->jar, cookie)) {
            return error_set(error, NTS_ERR_NTS_INCOMPLETE, "no cookie is left");
        }
        request->keys = options->keys;
        request->cookie = cookie->octets;
        request->cookie_len = cookie->len;
        request->num_placeholders = ntp_placeholders_wanted(options->jar, cookie->len);
    }
    enum nts_status status = ntp_request_build(request);
    return status == NTS_OK ? NTS_OK : error_set(error, status, "the request does not fit");
}

enum nts_status ntp_exchange(struct ntp_reply *reply, struct ntp_sample *sample,
                             const struct ntp_exchange_options *options, struct error *error)
{
    struct ntp_request request;
    struct client_cookie cookie;
    int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : NTP_CLIENT_TIMEOUT_MS;
    memset(reply, 0, sizeof(*reply));
    memset(sample, 0, sizeof(*sample));

    enum nts_status status = make_request(&request, &cookie, options, error);
    if (status != NTS_OK) {
        return status;
    }
    /* A socket, and so a source port, of its own for each request (RFC 9109). */
    int fd;
    status = ntp_socket_open(&fd, options->server, error);
    if (status != NTS_OK) {
        return status;
    }
    int64_t deadline_ns = deadline_in_ms(timeout_ms);
    sample->request_len = request.len;
    sample->sent_ns = real_time_ns();
    if (send(fd, request.packet, request.len, 0) < 0) {
        status = error_set(error, NTS_ERR_SYSTEM, "cannot send: %s", strerror(errno));
    } else {
        status = await_reply(reply, sample, options, &request, fd, deadline_ns, error);
    }
    close(fd);
    return status;
}

#include "client/ntp_question.h"

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

enum nts_status ntp_question_make(struct ntp_question *question, struct ntp_request *request)
{
    enum nts_status status = ntp_request_build(request);
    question->keys = request->keys;
    question->transmit_time = request->transmit_time;
    memcpy(question->unique_id, request->unique_id, sizeof(question->unique_id));
    question->sent_ns = real_time_ns();
    return status;
}

bool ntp_question_send(struct ntp_question *question, int fd, const struct ntp_request *request)
{
    question->sent_ns = real_time_ns();
    return send(fd, request->packet, request->len, 0) >= 0;
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
